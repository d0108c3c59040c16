/**
 * The server's side: answers its clients' requests, sends them its own, and is an HTTP gateway, all on one port.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { ConnectedClient, ConnectionEvent } from "./connection/ClientConnections.js"
import type { NotifyError } from "./connection/IPCSocket.js"
import type { HttpMethod, HttpRouteHandler } from "./HttpRoute.js"
import type { ClientNotConnected, InvalidRoute, RequestError, RouteConflict } from "./IPCError.js"
import type { Arguments, ClientRequest, HandlerFailure, RequestOptions, ServerRequest } from "./IPCRequest.js"
import { define } from "./IPCRequest.js"
import type { RouteProxyResolver } from "./Upstream.js"

/**
 * @since 0.1.0
 * @category models
 */
export declare namespace IPCServer {
  /**
   * What a program does with the server. Nothing of it tells on which transport it runs.
   *
   * @since 0.1.0
   * @category models
   */
  export interface Service {
    /** `http://host:port` */
    readonly url: string
    /** The port that was bound, also where any free one was asked for. */
    readonly port: number
    /**
     * Answers a request of the clients until the scope closes, those connected already and those to come. Of several
     * handlers of one request the newest answers.
     */
    readonly handle: <Payload, Success, Failure, R = never>(
      request: ServerRequest<Payload, Success, Failure>,
      handler: (
        payload: Payload,
        caller: ConnectedClient
      ) => Effect.Effect<NoInfer<Success>, HandlerFailure<NoInfer<Failure>>, R>
    ) => Effect.Effect<void, never, R | Scope.Scope>
    /**
     * Asks the client with this runtimeId. Fails with `ClientNotConnected` at once where there is none.
     */
    readonly request: <Payload, Success, Failure>(
      runtimeId: string,
      request: ClientRequest<Payload, Success, Failure>,
      ...args: Arguments<NoInfer<Payload>, RequestOptions>
    ) => Effect.Effect<Success, Failure | RequestError | ClientNotConnected>
    /**
     * Tells the client with this runtimeId; done when the message is on its way.
     */
    readonly notify: <Payload, Success, Failure>(
      runtimeId: string,
      request: ClientRequest<Payload, Success, Failure>,
      ...args: Arguments<NoInfer<Payload>, RequestOptions>
    ) => Effect.Effect<void, NotifyError | ClientNotConnected>
    /**
     * Tells every client connected now. One that is closing or doesn't read keeps nothing from the others.
     */
    readonly broadcast: <Payload, Success, Failure>(
      request: ClientRequest<Payload, Success, Failure>,
      ...args: Arguments<NoInfer<Payload>, never>
    ) => Effect.Effect<void, NotifyError>
    /** Who is connected now. */
    readonly clients: Effect.Effect<ReadonlyArray<ConnectedClient>>
    /** Who comes and goes from now on. */
    readonly connections: Stream.Stream<ConnectionEvent>
    /** Waits until a client with this runtimeId is connected; at once where one is. */
    readonly awaitClient: (runtimeId: string) => Effect.Effect<ConnectedClient>
    /**
     * Answers an HTTP request until the scope closes: find-my-way paths (`/users/:id`, `/files/*`), one method or `ALL`.
     * Fails with `RouteConflict` where the same method and path is routed already.
     */
    readonly interceptHttp: <E, R = never>(
      method: HttpMethod,
      path: string,
      handler: HttpRouteHandler<E, R>
    ) => Effect.Effect<void, RouteConflict | InvalidRoute, R | Scope.Scope>
    /**
     * Sends what no route takes, HTTP and WebSocket alike, to the upstream that the resolver names, until the scope
     * closes. The newest resolver decides; when it goes, the one beneath is back.
     */
    readonly setRouteProxyResolver: (resolver: RouteProxyResolver) => Effect.Effect<void, never, Scope.Scope>
  }
}

/**
 * The server as a service.
 *
 * @example
 * ```ts
 * import { NodeIPCServer } from "effect-ipc/node"
 * import { IPCServer } from "effect-ipc"
 * import { Effect } from "effect"
 *
 * const Greet = IPCServer.defineRequest<{ readonly name: string }, string>("greet")
 *
 * const program = Effect.gen(function* () {
 *   const server = yield* IPCServer
 *   yield* server.handle(Greet, ({ name }) => Effect.succeed(`Hello, ${name}!`))
 *   yield* Effect.log(`listening at ${server.url}`)
 *   return yield* Effect.never
 * })
 *
 * export const main = program.pipe(Effect.scoped, Effect.provide(NodeIPCServer.layer({ port: 9000 })))
 * ```
 *
 * @since 0.1.0
 * @category tags
 */
export class IPCServer extends Context.Tag("effect-ipc/IPCServer")<IPCServer, IPCServer.Service>() {
  /**
   * Defines a request that the server answers: branded, or with Schemas.
   *
   * @since 0.1.0
   */
  static readonly defineRequest = define<"answered by the server">()
}
