/**
 * Typed inter-process communication over one local port, as Effect services. How they run is `effect-ipc/node`.
 *
 * @since 0.1.0
 */
export type { ConnectedClient, ConnectionEvent } from "./connection/ClientConnections.js"
export * as ClientConnections from "./connection/ClientConnections.js"
export * as Frame from "./connection/Frame.js"
export type { IPCSocketOptions, NotifyError } from "./connection/IPCSocket.js"
export * as ReconnectingClient from "./connection/ReconnectingClient.js"
export * as Transport from "./connection/Transport.js"
export { Discovery } from "./Discovery.js"
export * as RouteTable from "./discovery/RouteTable.js"
export * as Election from "./election/Election.js"
export {
  type BodyMatcher,
  type Fault,
  HttpInterception,
  type InterceptError,
  type Interceptor,
  type InterceptorOptions,
  type MockedWebSocket,
  type MockOptions,
  type Placing,
  type RecordedCall,
  type RecordedMessage,
  type RecordedRequest,
  type RecordedResponse,
  type RecordedWebSocket,
  type RecordedWebSocketMessage,
  type RequestMatcher,
  type UnmatchedRequest,
  type WebSocketHandler,
  type WebSocketInterceptor
} from "./HttpInterception.js"
export type { HttpMethod, HttpRouteHandler, HttpRouteRequest } from "./HttpRoute.js"
export * as Intercept from "./Intercept.js"
export { type ClientRequestOptions, IPCClient, type Status } from "./IPCClient.js"
export * from "./IPCError.js"
export type {
  BrandedRequest,
  ClientRequest,
  IPCRequest,
  RequestOptions,
  SchemaRequest,
  ServerRequest
} from "./IPCRequest.js"
export { IPCServer } from "./IPCServer.js"
export { LeaderElection, type Role } from "./LeaderElection.js"
export * as RoutingStrategy from "./RoutingStrategy.js"
export type { RouteProxyResolver, Upstream } from "./Upstream.js"
