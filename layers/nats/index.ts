/**
 * Discovery and leader election past one machine, on NATS.
 *
 * @since 0.2.0
 * @module effect-ipc/nats
 */

export { NatsFailed } from "../../src/IPCError.js"
export type { ConfigOptions } from "../ipc/ConfigOptions.js"
export type { NatsDiscoveryOptions } from "./NatsDiscovery.js"
export * as NatsDiscovery from "./NatsDiscovery.js"
export type { NatsConnectionOptions, NatsCredentials } from "./NatsOptions.js"
