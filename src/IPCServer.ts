/**
 * The server's side: answers its clients' requests, sends them its own, and is an HTTP gateway, all on one port.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { HttpMethod, HttpRouteHandler, RouteProxyResolver } from "./HttpGateway.js"
import type { InvalidRoute, RouteConflict } from "./IPCError.js"
import type { IPCPeer } from "./IPCPeer.js"
import { define } from "./IPCRequest.js"
import { defineStream } from "./IPCStream.js"

/**
 * What {@link IPCServer} is made of.
 *
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
  export interface Service extends IPCPeer {
    /** `http://host:port` */
    readonly url: string
    /** The port that was bound, also where any free one was asked for. */
    readonly port: number
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
     * closes. The newest resolver decides; when its scope closes, the one before it decides again.
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
  static readonly defineRequest = define<"server">()

  /**
   * Defines a stream that the server answers: branded, or with Schemas.
   *
   * @since 0.2.0
   */
  static readonly defineStream = defineStream<"server">()
}
