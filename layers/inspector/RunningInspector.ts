/**
 * A running inspector: its state, and the page and the JSON that it serves.
 *
 * @since 0.2.0
 */
import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ListenFailed, PortInUse } from "../../src/IPCError.js"
import { limit } from "../../src/internal/WholeNumber.js"
import * as Address from "../ipc/Address.js"
import * as SupportedRuntime from "../ipc/SupportedRuntime.js"
import type { GatewayTarget } from "./GatewayTarget.js"
import * as GatewayWatch from "./GatewayWatch.js"
import * as InspectorApi from "./InspectorApi.js"
import * as InspectorServer from "./InspectorServer.js"
import { InspectorState } from "./InspectorState.js"
import * as PageAssets from "./PageAssets.js"

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

/** @internal */
export interface RunningInspector {
  readonly inspector: { readonly url: string; readonly origin: string; readonly token: string }
  readonly state: InspectorState
}

/**
 * Runs until the scope closes.
 *
 * @internal
 */
export const make: (
  options: InspectorOptions
) => Effect.Effect<RunningInspector, PortInUse | ListenFailed, Scope.Scope> = Effect.fnUntraced(function* (
  options: InspectorOptions
) {
  yield* SupportedRuntime.check
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
