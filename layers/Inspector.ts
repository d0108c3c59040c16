/**
 * The inspector: a page and its JSON that show the services, the traffic and the processes around a gateway, while they are
 * watched. It connects to the leader, and follows every change of leader.
 *
 * @since 0.2.0
 */
import { randomBytes } from "node:crypto"
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { ListenFailed, PortInUse } from "../src/IPCError.js"
import { numberIssue } from "../src/internal/ArgumentIssue.js"
import { check, type OptionNames } from "../src/internal/OptionNames.js"
import * as Variable from "../src/internal/Variable.js"
import { limit } from "../src/internal/WholeNumber.js"
import type { GatewayTarget } from "./inspector/GatewayTarget.js"
import * as GatewayWatch from "./inspector/GatewayWatch.js"
import * as InspectorApi from "./inspector/InspectorApi.js"
import * as InspectorServer from "./inspector/InspectorServer.js"
import { InspectorState } from "./inspector/InspectorState.js"
import * as PageAssets from "./inspector/PageAssets.js"
import * as Address from "./ipc/Address.js"
import * as ConfigOptions from "./ipc/ConfigOptions.js"
import * as SupportedRuntime from "./ipc/SupportedRuntime.js"
import * as NodeIPCClient from "./NodeIPCClient.js"

export type { GatewayTarget } from "./inspector/GatewayTarget.js"

/**
 * Where the page is, and which gateway it shows.
 *
 * @since 0.2.0
 * @category models
 */
export interface InspectorOptions {
  /** The page's own port, at 127.0.0.1. Default 0: any free one. */
  readonly port?: number | undefined
  /** The gateway's address and token. Default 127.0.0.1:9000, without a token. */
  readonly gateway?: GatewayTarget | undefined
  /** How many exchanges are kept. Default 20,000. */
  readonly maxExchanges?: number | undefined
  /** What the exchanges that are kept may take in memory, in bytes. Default 64 MiB. */
  readonly maxBytes?: number | undefined
}

const optionNames: OptionNames<InspectorOptions> = {
  port: numberIssue,
  gateway: true,
  maxExchanges: numberIssue,
  maxBytes: numberIssue
}

/**
 * An inspector that runs in this process.
 *
 * @since 0.2.0
 * @category tags
 */
export class Inspector extends Context.Tag("effect-ipc/node/Inspector")<
  Inspector,
  {
    /** The page's address with the token that it needs: for people who may see the traffic. */
    readonly url: string
    /** The address without the token, below which `/api/` is. */
    readonly origin: string
    /** What requests below `/api/` have in `Authorization`, after `Bearer `. */
    readonly token: string
  }
>() {}

/**
 * Serves the page until the scope closes, whether or not there is a gateway yet. Fails with `PortInUse` or `ListenFailed`
 * where its port can't be bound.
 *
 * @since 0.2.0
 * @category constructors
 */
export const make = (
  options: InspectorOptions = {}
): Effect.Effect<Context.Tag.Service<Inspector>, PortInUse | ListenFailed, Scope.Scope> =>
  Effect.map(makeWithState(options), ({ inspector }) => inspector)

/**
 * As `make`, with what it knows.
 *
 * @internal
 */
export const makeWithState: (
  options?: InspectorOptions
) => Effect.Effect<
  { readonly inspector: Context.Tag.Service<Inspector>; readonly state: InspectorState },
  PortInUse | ListenFailed,
  Scope.Scope
> = Effect.fnUntraced(function* (options: InspectorOptions = {}) {
  yield* SupportedRuntime.check
  check("Inspector", options, optionNames)
  const { gateway = {} } = options
  const clock = yield* Effect.clock
  const state = new InspectorState({
    gateway: gateway.url ?? Address.urlOf({ host: gateway.host, port: gateway.port ?? Address.defaultPort }),
    maxExchanges: limit(options.maxExchanges, 20_000),
    maxBytes: limit(options.maxBytes, 64 * 1024 * 1024),
    now: () => clock.unsafeCurrentTimeMillis()
  })
  const watch = yield* GatewayWatch.make(gateway, state)
  const token = randomBytes(32).toString("base64url")
  const assets = yield* Effect.promise(PageAssets.load)
  const host = Address.defaultHost
  const api = InspectorApi.make(state, watch)
  const { port } = yield* InspectorServer.make({ host, port: options.port ?? 0, token, assets, api })
  const origin = Address.urlOf({ host, port })
  return { inspector: { url: `${origin}/#token=${token}`, origin, token }, state }
})

/**
 * As {@link make}.
 *
 * @example
 * ```ts
 * import { Inspector, LocalDiscovery } from "effect-ipc/node"
 * import { Effect, Layer } from "effect"
 *
 * const Page = Layer.effectDiscard(Effect.flatMap(Inspector.Inspector, ({ url }) => Effect.log(`Inspector: ${url}`)))
 *
 * // The inspector of the gateway that this process takes part in.
 * export const Live = Page.pipe(
 *   Layer.provide(Inspector.layer({ gateway: { port: 9000 } })),
 *   Layer.provideMerge(LocalDiscovery.layer({ port: 9000 }))
 * )
 * ```
 *
 * @since 0.2.0
 * @category layers
 */
export const layer = (options?: InspectorOptions): Layer.Layer<Inspector, PortInUse | ListenFailed> =>
  Layer.scoped(Inspector, make(options))

/**
 * The options as `IPC_INSPECTOR_PORT`, and for the gateway `IPC_URL` or `IPC_HOST` and `IPC_PORT`, `IPC_TOKEN` and
 * `IPC_TOKEN_SCHEME` give them.
 *
 * @since 0.2.0
 * @category config
 */
export const config: Config.Config<InspectorOptions> = Config.all({
  port: Variable.optional(Variable.port("IPC_INSPECTOR_PORT", 0)),
  gateway: Config.map(NodeIPCClient.config, ({ host, port, token, tokenScheme, url }) => ({
    host,
    port,
    token,
    tokenScheme,
    url
  }))
})

/**
 * As {@link layer}, with the options of {@link config} where they aren't given.
 *
 * @since 0.2.0
 * @category layers
 */
export const layerConfig = (
  options: ConfigOptions.ConfigOptions<InspectorOptions> = {}
): Layer.Layer<Inspector, PortInUse | ListenFailed | ConfigError> =>
  Layer.scoped(
    Inspector,
    Effect.flatMap(Effect.zip(config, ConfigOptions.given(options)), ([environment, given]) =>
      make({ ...environment, ...given })
    )
  )
