/**
 * The gateway forwards by http-proxy.
 *
 * @since 0.2.0
 */
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ConfigOptions from "../ipc/ConfigOptions.js"
import { UpstreamProxy } from "../UpstreamProxy.js"
import * as HttpProxyForwarder from "./HttpProxyForwarder.js"
import type { HttpProxyOptions } from "./HttpProxyOptions.js"

/**
 * Provide it to the Layer that makes the gateway: `NodeIPCServer` or `LocalDiscovery`.
 *
 * What ends a process with http-proxy alone, or leaks a socket, ends in an answer or in closed connections here. Three things
 * that the gateway does with undici it doesn't do with http-proxy: an instance that refuses the connection of a request with a
 * body isn't passed over for the next one; an offer to switch to a protocol other than WebSocket isn't passed on; informational
 * responses (1xx) aren't either.
 *
 * @example
 * ```ts
 * import { HttpProxyUpstream } from "effect-ipc/http-proxy"
 * import { LocalDiscovery } from "effect-ipc/node"
 * import { Layer } from "effect"
 *
 * export const Live = LocalDiscovery.layer({ port: 9000 }).pipe(
 *   Layer.provide(
 *     HttpProxyUpstream.layer({
 *       changeOrigin: true,
 *       on: { proxyReq: (outgoing) => outgoing.setHeader("x-gateway", "9000") }
 *     })
 *   )
 * )
 * ```
 *
 * @since 0.2.0
 * @category layers
 */
export const layer = (options?: HttpProxyOptions): Layer.Layer<UpstreamProxy> =>
  Layer.sync(UpstreamProxy, () => HttpProxyForwarder.make(options))

/**
 * The options as Config gives them.
 *
 * @since 0.2.0
 * @category layers
 */
export const layerConfig = (
  options: ConfigOptions.ConfigOptions<HttpProxyOptions> = {}
): Layer.Layer<UpstreamProxy, ConfigError> =>
  Layer.effect(UpstreamProxy, Effect.map(ConfigOptions.given(options), HttpProxyForwarder.make))
