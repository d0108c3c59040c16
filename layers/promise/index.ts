/**
 * `effect-ipc` for callers who don't use Effect: the server, the client and discovery behind promises, and
 * the errors they reject with.
 *
 * @since 0.1.0
 * @module effect-ipc/promise
 */

export { InvalidEntry, type Route, type RouteChange } from "../../src/DiscoveryEntry.js"
export type { HttpMethod, RouteProxyResolver, Upstream } from "../../src/HttpGateway.js"
export * from "../../src/InterceptionError.js"
export * from "../../src/IPCError.js"
export type { ConnectedClient } from "../../src/IPCPeer.js"
export type { BrandedRequest, ClientRequest, SchemaRequest, ServerRequest } from "../../src/IPCRequest.js"
export type { ClientStream, ServerStream, StreamOptions } from "../../src/IPCStream.js"
export type { Role } from "../../src/LeaderElection.js"
export type { Instance, RoutingStrategyName } from "../../src/RoutingStrategy.js"
export { WorkerDied, WorkerStartFailed } from "../../src/WorkerError.js"
export { continueTrace, traceHeaders } from "./AmbientSpan.js"
export type { ElementStream } from "./ElementStream.js"
export { Gateway, type GatewayOptions } from "./Gateway.js"
export { IPCClient, type IPCClientOptions, type IPCClientRequest } from "./IPCClient.js"
export {
  type DisconnectCallback,
  IPCServer,
  type IPCServerOptions,
  type IPCServerRequest,
  type SocketMessage
} from "./IPCServer.js"
export {
  INTERNAL_SOCKET_PATH,
  type IPCMessageHandler,
  type IPCRequestHandler,
  IPCSocket,
  type IPCWebSocket
} from "./IPCSocket.js"
export type { Elements } from "./IterableStream.js"
export { LocalDiscovery, type LocalDiscoveryOptions } from "./LocalDiscovery.js"
export type { DiscoveryEntry, Participant, ParticipantOptions } from "./Participant.js"
export type { HttpHandler } from "./PromiseRoutes.js"
export type {
  OpenStreamArguments,
  OpenStreamOptions,
  PromiseStreamHandler,
  StreamCaller,
  StreamContext
} from "./PromiseStreams.js"
export { ServiceClient, type ServiceClientOptions, type ServiceRequestOptions } from "./ServiceClient.js"
export { ServiceServer, type ServiceServerOptions } from "./ServiceServer.js"
export type { Strategy } from "./Strategy.js"
