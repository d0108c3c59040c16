/**
 * The gateway's proxy by http-proxy in place of undici, for programs that need its options or its events.
 *
 * @since 0.2.0
 * @module effect-ipc/http-proxy
 */
export type { ConfigOptions } from "../ipc/ConfigOptions.js"
export type {
  ForwardedExchange,
  Forwarder,
  MakeForwarder,
  Upgrade,
  UpstreamAttempt,
  UpstreamProxy
} from "../UpstreamProxy.js"
export type { HttpProxyEvents, HttpProxyOptions } from "./HttpProxyOptions.js"
export * as HttpProxyUpstream from "./HttpProxyUpstream.js"
