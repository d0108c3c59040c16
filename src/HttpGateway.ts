/**
 * The HTTP gateway on a server's port: routes of its own, and the upstreams to which it forwards everything else.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { InvalidRoute, RouteConflict } from "./IPCError.js"

/**
 * A method that a route answers; `ALL` answers every one.
 *
 * @since 0.1.0
 * @category models
 */
export type HttpMethod = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "ALL" | (string & {})

/**
 * A request to a route, its body already read.
 *
 * @since 0.1.0
 * @category models
 */
export interface HttpRouteRequest {
  readonly method: string
  /** The path without the query. */
  readonly path: string
  /** What the route's `:name` and `*` stood for, percent-decoded. */
  readonly params: Readonly<Record<string, string | undefined>>
  /** A name given more than once has all its values, in order. */
  readonly query: Readonly<Record<string, string | ReadonlyArray<string>>>
  /** Names in lower case; a header given more than once is joined by commas. */
  readonly headers: Readonly<Record<string, string>>
  /**
   * The parsed value of a JSON body, the string of text, XML or a form, the bytes of any other and of a compressed one,
   * `undefined` without one.
   */
  readonly body: unknown
  /** The body as it came; empty without one. */
  readonly bytes: Uint8Array
}

/**
 * Answers a request with a platform `HttpServerResponse` or a web `Response` (sent as it is); bytes, a `Blob`, a form
 * or a stream (Effect's, the web's, Node's, or any async iterable of bytes and strings) as a 200; `undefined` as an
 * empty 200; any other value as a 200 in JSON. A failure answers 500 `{"error": message}`, and so does a value without
 * JSON (a `Map`, for example).
 *
 * @since 0.1.0
 * @category models
 */
export type HttpRouteHandler<E = unknown, R = never> = (request: HttpRouteRequest) => Effect.Effect<unknown, E, R>

/**
 * One real service behind the gateway.
 *
 * @since 0.1.0
 * @category models
 */
export interface Upstream {
  /**
   * `http://host:port` or `https://host:port`, with a path in front of the request's own where the service has
   * one; `ws:` and `wss:` stand for `http:` and `https:`. A user and a password in it are neither sent nor shown.
   */
  readonly baseUrl: string
  /**
   * A path prefix to take off the request's path, in whole segments. The upstream gets it as `x-forwarded-prefix`, behind
   * that of a proxy before. What is left begins with one slash.
   */
  readonly stripPrefix?: string | undefined
  /**
   * The upstream to try when this one refuses the connection and nothing of the request was sent yet, or twice breaks
   * the connection of a GET, HEAD or OPTIONS before it answers.
   */
  readonly next?: () => Upstream | undefined
  /** The template of the requests that come to it, `/users` say, by which traces and metrics name them. */
  readonly route?: string | undefined
  /** Called once, when the exchange with this upstream has ended, however it ended. */
  readonly release?: () => void
}

/**
 * Chooses the upstream for a request's path (with its query), or none (`undefined`, `null` or `""`): then the gateway
 * answers 404.
 *
 * @since 0.1.0
 * @category models
 */
export type RouteProxyResolver = (path: string) => string | Upstream | null | undefined

/**
 * What {@link HttpGateway} is made of.
 *
 * @since 0.2.0
 * @category models
 */
export declare namespace HttpGateway {
  /**
   * What a program does with the gateway. `IPCServer.interceptHttp` and `IPCServer.setRouteProxyResolver` are the same
   * two operations.
   *
   * @since 0.2.0
   * @category models
   */
  export interface Service {
    /**
     * Answers a request until the scope closes: find-my-way paths (`/users/:id`, `/files/*`), one method or `ALL`. Runs
     * in progress are interrupted with the scope. Fails with `RouteConflict` where the same method and path is routed
     * already, with `InvalidRoute` where find-my-way refuses the method or the path.
     */
    readonly route: <E, R = never>(
      method: HttpMethod,
      path: string,
      handler: HttpRouteHandler<E, R>
    ) => Effect.Effect<void, RouteConflict | InvalidRoute, R | Scope.Scope>
    /**
     * Forwards what no route takes, HTTP and WebSocket alike, to the upstream that the resolver names, until the scope
     * closes. The newest resolver decides; when its scope closes, the one before it decides again.
     */
    readonly proxy: (resolver: RouteProxyResolver) => Effect.Effect<void, never, Scope.Scope>
  }
}

/**
 * The HTTP gateway as a service; `NodeIPCServer` provides it beside `IPCServer`.
 *
 * @example
 * ```ts
 * import { HttpGateway } from "effect-ipc"
 * import { NodeIPCServer } from "effect-ipc/node"
 * import { Effect, Layer } from "effect"
 *
 * const Routes = Layer.scopedDiscard(
 *   Effect.gen(function* () {
 *     const gateway = yield* HttpGateway
 *     yield* gateway.route("GET", "/hello/:name", ({ params }) => Effect.succeed({ hello: params["name"] }))
 *     yield* gateway.proxy((path) => (path.startsWith("/users") ? "http://127.0.0.1:4001" : undefined))
 *   })
 * )
 *
 * export const Live = Routes.pipe(Layer.provideMerge(NodeIPCServer.layer({ port: 9000 })))
 * ```
 *
 * @since 0.2.0
 * @category tags
 */
export class HttpGateway extends Context.Tag("effect-ipc/HttpGateway")<HttpGateway, HttpGateway.Service>() {}
