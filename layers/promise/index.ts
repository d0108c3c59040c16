/**
 * `effect-ipc` for callers who don't use Effect: the server and the client behind promises, and the errors they reject with.
 *
 * @since 0.1.0
 */
export type { ConnectedClient } from "../../src/ConnectedClients.js"
export type { HttpMethod } from "../../src/HttpRoute.js"
export * from "../../src/IPCError.js"
export type { BrandedRequest, ClientRequest, SchemaRequest, ServerRequest } from "../../src/IPCRequest.js"
export type { RouteProxyResolver, Upstream } from "../../src/Upstream.js"
export { IPCClient, type IPCClientOptions } from "./IPCClient.js"
export { type DisconnectCallback, IPCServer, type IPCServerOptions } from "./IPCServer.js"
export type { HttpHandler } from "./PromiseRoutes.js"
