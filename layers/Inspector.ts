/**
 * The inspector: a page and its JSON that show the services, the traffic and the processes around a gateway, while they are
 * watched. It connects to the leader, and follows every change of leader.
 *
 * @since 0.2.0
 */
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
import type { InspectorOptions } from "./inspector/RunningInspector.js"
import * as ConfigOptions from "./ipc/ConfigOptions.js"
import * as NodeIPCClient from "./NodeIPCClient.js"

export type { GatewayTarget } from "./inspector/GatewayTarget.js"
export type { InspectorOptions } from "./inspector/RunningInspector.js"

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
  Effect.suspend(() => {
    check("Inspector", options, optionNames)
    // Most programs need none of it, and would start later with it.
    return Effect.flatMap(
      Effect.promise(() => import("./inspector/RunningInspector.js")),
      (running) => Effect.map(running.make(options), ({ inspector }) => inspector)
    )
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
