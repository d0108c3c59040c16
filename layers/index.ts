/**
 * The services of `effect-ipc` on Node, one Layer each.
 *
 * @since 0.1.0
 * @module effect-ipc/node
 */

export * as Inspector from "./Inspector.js"
export type { ConfigOptions } from "./ipc/ConfigOptions.js"
export * as LocalDiscovery from "./LocalDiscovery.js"
export * as NodeHttpInterception from "./NodeHttpInterception.js"
export * as NodeIPCClient from "./NodeIPCClient.js"
export * as NodeIPCServer from "./NodeIPCServer.js"
export * as PortElection from "./PortElection.js"
export * as StaticDiscovery from "./StaticDiscovery.js"
export * as UndiciUpstream from "./UndiciUpstream.js"
export {
  type ForwardedExchange,
  type Forwarder,
  type MakeForwarder,
  type Upgrade,
  type UpstreamAttempt,
  UpstreamProxy
} from "./UpstreamProxy.js"
