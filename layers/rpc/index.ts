/**
 * `@effect/rpc` on services: an `RpcGroup` is called by the name of its api, wherever its instances run. Needs `@effect/rpc`.
 *
 * @since 0.2.0
 * @module effect-ipc/rpc
 */
export type { ConfigOptions } from "../ipc/ConfigOptions.js"
export * as ServiceRpcClient from "./ServiceRpcClient.js"
export * as ServiceRpcServer from "./ServiceRpcServer.js"
