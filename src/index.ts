/**
 * Typed inter-process communication over one local port, as Effect services. How they run is `effect-ipc/node`.
 *
 * @since 0.1.0
 * @module effect-ipc
 */
export { CloseCode, type CloseEvent } from "./CloseEvent.js"
export type { IPCSocketOptions } from "./connection/IPCSocketOptions.js"
export type { ReconnectingClientOptions } from "./connection/ReconnectingClient.js"
export { Discovery, type RegisterHttpOptions } from "./Discovery.js"
export {
  BaseUrl,
  DiscoveryEntry,
  InvalidEntry,
  PathPrefix,
  Route,
  RouteChange,
  RouteKind,
  validateEntry
} from "./DiscoveryEntry.js"
export type { RegistryLimits } from "./discovery/RegistryLimits.js"
export type { ElectionError } from "./election/Election.js"
export type { HttpMethod, HttpRouteHandler, HttpRouteRequest, RouteProxyResolver, Upstream } from "./HttpGateway.js"
export { HttpGateway } from "./HttpGateway.js"
export {
  type AwaitOptions,
  type AwaitRequestOptions,
  type Fault,
  type ForwardChanges,
  HttpInterception,
  type Installing,
  type InterceptError,
  type Interceptor,
  type InterceptorOptions,
  type MockedWebSocket,
  type MockHandler,
  type MockOptions,
  type MockRequest,
  type RecordOptions,
  type Redaction,
  type ReplayOptions,
  type UnmatchedRequest,
  type WebSocketHandler,
  type WebSocketInterceptor
} from "./HttpInterception.js"
export * as Intercept from "./Intercept.js"
export * from "./InterceptionError.js"
export { type ClientRequestOptions, IPCClient, type Status } from "./IPCClient.js"
export * from "./IPCError.js"
export { type ConnectedClient, type ConnectionEvent, IPCPeer } from "./IPCPeer.js"
export type {
  AnySchema,
  Arguments,
  BrandedRequest,
  Bytes,
  ClientRequest,
  Codec,
  DefineRequest,
  Direction,
  HandlerFailure,
  NoServices,
  RequestOptions,
  SchemaRequest,
  ServerRequest,
  ServicesNeeded,
  Shaped,
  WireSchema,
  WireType
} from "./IPCRequest.js"
export { IPCRequest } from "./IPCRequest.js"
export { IPCServer } from "./IPCServer.js"
export type {
  ClientStream,
  DefineStream,
  IPCStream,
  ServerStream,
  StreamArguments,
  StreamHandler,
  StreamOptions
} from "./IPCStream.js"
export { LeaderElection, type Role } from "./LeaderElection.js"
export { type Account, type Budget, MemoryBudget } from "./MemoryBudget.js"
export type {
  RecordedCall,
  RecordedMessage,
  RecordedRequest,
  RecordedResponse,
  RecordedWebSocket,
  RecordedWebSocketMessage
} from "./RecordedCall.js"
export type {
  Absent,
  AsymmetricMatcher,
  BodyMatcher,
  BodyOf,
  Exact,
  FieldMatcher,
  MatchedBody,
  MatchedField,
  MultipartFile,
  NoMore,
  NoSuchPart,
  RequestMatcher,
  ValueMatcher,
  ValueMatchers,
  WidenedLiteral
} from "./RequestMatcher.js"
export * as RoutingStrategy from "./RoutingStrategy.js"
export * as ServiceClient from "./ServiceClient.js"
export * as ServiceServer from "./ServiceServer.js"
export { WorkerDied, WorkerStartFailed } from "./WorkerError.js"
