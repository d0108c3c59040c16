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
 * What ends a process with http-proxy alone, or leaks a socket, ends in an answer or in closed connections here. What the
 * gateway keeps with undici, but not with http-proxy:
 *
 * - An instance that refuses the connection of a request with a body isn't passed over for the next one: the answer is 502.
 * - An offer to switch to a protocol other than WebSocket is an ordinary request.
 * - Informational responses (1xx) aren't passed on.
 * - Names of headers arrive in lower case, those of answers unless `preserveHeaderKeyCase` is set.
 * - Repeated headers are joined (`X-A`, `WWW-Authenticate`) or, after the first, dropped (`ETag` of an answer, `Authorization`
 *   of a request).
 * - An empty reason phrase becomes the usual one of its status, as `OK`.
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
