/**
 * Both ends on a platform `Socket` and `SocketServer`: a byte stream (TCP, a Unix socket) or a WebSocket, on any runtime.
 *
 * @since 0.1.0
 * @module effect-ipc/socket
 */
export type { SocketTransportOptions } from "../../src/connection/SocketTransport.js"
export type { ConfigOptions } from "../ipc/ConfigOptions.js"
export * as SocketIPCClient from "./SocketIPCClient.js"
export * as SocketIPCServer from "./SocketIPCServer.js"
