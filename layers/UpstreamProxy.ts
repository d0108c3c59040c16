/**
 * Which HTTP client the gateway forwards by.
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import type { MakeForwarder } from "./http/proxy/Forwarder.js"
import * as UndiciForwarder from "./http/proxy/UndiciForwarder.js"

export type { ForwardedExchange, Forwarder, MakeForwarder, Upgrade, UpstreamAttempt } from "./http/proxy/Forwarder.js"

/**
 * The gateway's way to upstreams: undici, unless a Layer provides another to the Layer that makes the gateway.
 *
 * @example
 * ```ts
 * import { NodeIPCServer, UndiciUpstream } from "effect-ipc/node"
 * import { Layer } from "effect"
 *
 * // The default, with an option changed.
 * export const Live = NodeIPCServer.layer({ port: 9000 }).pipe(
 *   Layer.provide(UndiciUpstream.layer({ headersTimeout: "30 seconds" }))
 * )
 * ```
 *
 * @since 0.2.0
 * @category tags
 */
export class UpstreamProxy extends Context.Reference<UpstreamProxy>()("effect-ipc/node/UpstreamProxy", {
  defaultValue: (): MakeForwarder => UndiciForwarder.make()
}) {}
