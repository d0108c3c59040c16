/**
 * The HTTP gateway on a server's port: routes of its own, and the upstreams that it sends everything else to.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"

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
   * The parsed value of a JSON body, the string of a text or form body, the bytes of any other, `undefined` without one.
   */
  readonly body: unknown
  /** The body as it came; empty without one. */
  readonly bytes: Uint8Array
}

/**
 * Answers a request with a platform `HttpServerResponse` (sent as it is), any other value (a 200 in JSON), or `undefined`
 * (an empty 200). A failure answers 500 `{"error": message}`.
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
  /** `http://host:port`, with a path in front of the request's own where the service lives below one. */
  readonly baseUrl: string
  /**
   * The upstream to try when this one refuses the connection and nothing of the request was sent yet, or twice breaks the
   * connection of a GET, HEAD or OPTIONS before it answers.
   */
  readonly next?: () => Upstream | undefined
  /** Called once, when the exchange with this upstream has ended, however it ended. */
  readonly release?: () => void
}

/**
 * Chooses the upstream for a request's path (with its query), or none: then the gateway answers 404.
 *
 * @since 0.1.0
 * @category models
 */
export type RouteProxyResolver = (path: string) => string | Upstream | undefined
