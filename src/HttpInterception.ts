/**
 * HTTP between services, mocked, watched or broken for a test: on the gateway, above routes and instances.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { InvalidEntry } from "./DiscoveryEntry.js"
import type { HttpMethod, HttpRouteHandler } from "./HttpGateway.js"
import type { InvalidRoute, RequestError, UnverifiedInterception } from "./IPCError.js"

/**
 * Which requests an interceptor takes: those that every given part matches.
 *
 * @since 0.1.0
 * @category models
 */
export interface RequestMatcher {
  /** Default any. A GET takes HEAD as well. */
  readonly method?: HttpMethod | undefined
  /** find-my-way syntax (`/users/:id`, `/files/*`). Default any. */
  readonly path?: string | undefined
  /** Names that have to be there, with this value or one that the expression matches. */
  readonly query?: Readonly<Record<string, string | RegExp>> | undefined
  /** Names in any case, as `query`. */
  readonly headers?: Readonly<Record<string, string | RegExp>> | undefined
  /** What the body has to be. Looking at it holds the request until its body is there. */
  readonly body?: BodyMatcher | undefined
  /**
   * The api that is meant: while the interceptor lives, `discover` finds it, registered or not. Where no path is given,
   * the requests that would go to the api are taken, or those below `/<api>` where it isn't registered.
   */
  readonly api?: string | undefined
}

/**
 * A predicate over the parsed body, an expression that its text matches, or a value that it equals. Of an object the
 * body has to have the fields, deeply; it may have more.
 *
 * @since 0.1.0
 * @category models
 */
export type BodyMatcher =
  | ((body: unknown) => boolean)
  | RegExp
  | string
  | number
  | boolean
  | null
  | ReadonlyArray<unknown>
  | { readonly [name: string]: unknown }

/**
 * How long an interceptor takes requests, and what it is called in reports.
 *
 * @since 0.1.0
 * @category models
 */
export interface InterceptorOptions {
  /** After so many calls it lets requests through to what is beneath it. Default without limit. */
  readonly times?: number | undefined
  /** Default its matcher, as text. */
  readonly name?: string | undefined
  /** Whether it is all the same to `verify` how often it was called. Default false. */
  readonly optional?: boolean | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface MockOptions extends InterceptorOptions {
  /** Lets web pages of any origin call it: answers their preflights and allows its answers to them. Default false. */
  readonly cors?: boolean | undefined
}

/**
 * What a service does wrong. `Intercept` has a constructor for each.
 *
 * @since 0.1.0
 * @category models
 */
export type Fault =
  /** Passes the request on after a while. */
  | { readonly _tag: "Delay"; readonly duration: Duration.DurationInput }
  /** Answers with this status and an error in JSON. */
  | { readonly _tag: "Status"; readonly status: number }
  /** Closes the connection without an answer. */
  | { readonly _tag: "Drop" }
  /** Lets the service answer, and resets the connection once this many bytes of the body went by. */
  | { readonly _tag: "ResetInBody"; readonly afterBytes: number }

/**
 * One side of a recorded exchange.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecordedMessage {
  /** Names in lower case; a header given more than once is joined by commas. */
  readonly headers: Readonly<Record<string, string>>
  /** Decoded for reading: decompressed, JSON parsed, text as a string, anything else as bytes; `undefined` without one. */
  readonly body: unknown
  /** The body as it went by, up to the recording limit. */
  readonly bytes: Uint8Array
  /** Whether more went by than was recorded, or less than was announced. */
  readonly truncated: boolean
}

/**
 * @since 0.1.0
 * @category models
 */
export interface RecordedRequest extends RecordedMessage {
  readonly method: string
  /** The path without the query. */
  readonly path: string
  /** What the matcher's `:name` and `*` stood for, percent-decoded. */
  readonly params: Readonly<Record<string, string | undefined>>
  /** A name given more than once has all its values, in order. */
  readonly query: Readonly<Record<string, string | ReadonlyArray<string>>>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface RecordedResponse extends RecordedMessage {
  readonly status: number
  readonly trailers: Readonly<Record<string, string>>
}

/**
 * A request and what came of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecordedCall {
  readonly request: RecordedRequest
  /** As far as it came; `undefined` where the connection was closed without one. */
  readonly response: RecordedResponse | undefined
  /** Why the response didn't come whole. */
  readonly failure: string | undefined
  /** In milliseconds since 1970, by the gateway's clock. */
  readonly startedAt: number
  /** Until the response had passed whole. */
  readonly duration: Duration.Duration
}

/**
 * A message of a WebSocket.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecordedWebSocketMessage {
  readonly from: "client" | "service"
  /** A string of a text message, the bytes of a binary one; up to the recording limit. */
  readonly data: string | Uint8Array
  readonly truncated: boolean
  /** In milliseconds since 1970, by the gateway's clock. */
  readonly at: number
}

/**
 * A WebSocket that has closed.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecordedWebSocket {
  readonly request: RecordedRequest
  /** The first of its messages, up to a thousand; every message comes by in `messageStream`. */
  readonly messages: ReadonlyArray<RecordedWebSocketMessage>
  /** The close code, RFC 6455 section 7.4; 1006 where the connection ended without one. */
  readonly code: number
  readonly reason: string
  readonly startedAt: number
  readonly duration: Duration.Duration
}

/**
 * What an interceptor has seen. Calls are in the order in which they ended.
 *
 * @since 0.1.0
 * @category models
 */
export interface Interceptor<Call = RecordedCall> {
  readonly name: string
  /** The calls that have ended, since the last `reset`. */
  readonly calls: Effect.Effect<ReadonlyArray<Call>>
  /** Waits for the n-th call, counted from 1. Dies where the interceptor goes before it came. */
  readonly awaitCall: (n: number) => Effect.Effect<Call>
  /** Every call since the last `reset` and to come; ends when the interceptor goes. */
  readonly stream: Stream.Stream<Call>
  /** Forgets the calls. A limited number of calls isn't counted anew. */
  readonly reset: Effect.Effect<void>
}

/**
 * What an interceptor of WebSockets has seen: messages as they come, and calls once they have closed.
 *
 * @since 0.1.0
 * @category models
 */
export interface WebSocketInterceptor extends Interceptor<RecordedWebSocket> {
  /** The messages of all its WebSockets, since the last `reset`. */
  readonly messages: Effect.Effect<ReadonlyArray<RecordedWebSocketMessage>>
  /** Waits for the n-th message, counted from 1. Dies where the interceptor goes before it came. */
  readonly awaitMessage: (n: number) => Effect.Effect<RecordedWebSocketMessage>
  readonly messageStream: Stream.Stream<RecordedWebSocketMessage>
  /** Drops those of its WebSockets that are open, on both sides and without a close frame: as a crash of the service does. */
  readonly drop: Effect.Effect<void>
}

/**
 * A WebSocket that is answered in place of the service.
 *
 * @since 0.1.0
 * @category models
 */
export interface MockedWebSocket {
  /** The request that opened it. */
  readonly request: RecordedRequest
  /** What the client sends: a string of a text message, the bytes of a binary one. Ends when it closes. */
  readonly messages: Stream.Stream<string | Uint8Array>
  /** Sends to the client; a string as a text message, bytes as a binary one. Nothing happens once it has closed. */
  readonly send: (data: string | Uint8Array) => Effect.Effect<void>
  /** Default code 1000. */
  readonly close: (code?: number, reason?: string) => Effect.Effect<void>
}

/**
 * @since 0.1.0
 * @category models
 */
export type WebSocketHandler<E = unknown, R = never> = (socket: MockedWebSocket) => Effect.Effect<unknown, E, R>

/**
 * A request that nothing matched: no interceptor, no route, no instance. It was answered 404.
 *
 * @since 0.1.0
 * @category models
 */
export interface UnmatchedRequest {
  readonly method: string
  /** The path without the query. */
  readonly path: string
  /** The interceptor that came nearest, and what was different. */
  readonly nearest: string | undefined
}

/**
 * Why an interceptor can't stand: its path isn't one, or its `api` can't be registered.
 *
 * @since 0.1.0
 * @category models
 */
export type InterceptError = InvalidRoute | InvalidEntry | RequestError

/**
 * Puts an interceptor in its place until the scope closes.
 *
 * @since 0.1.0
 * @category models
 */
export type Placing<Placed, R = never> = Effect.Effect<Placed, InterceptError, R | Scope.Scope>

/**
 * @since 0.1.0
 * @category models
 */
export declare namespace HttpInterception {
  /**
   * Interceptors live as long as the scope they are made in, and nest: of those that match, the newest takes the request.
   *
   * @since 0.1.0
   * @category models
   */
  export interface Service {
    /** Answers instead of the service. */
    readonly mock: <E, R = never>(
      match: RequestMatcher,
      answer: HttpRouteHandler<E, R>,
      options?: MockOptions
    ) => Placing<Interceptor, R>
    /** Watches requests and responses on the way to and from whatever is beneath, and changes nothing. */
    readonly spy: (match: RequestMatcher, options?: InterceptorOptions) => Placing<Interceptor>
    /** Breaks what passes. */
    readonly fault: (match: RequestMatcher, fault: Fault, options?: InterceptorOptions) => Placing<Interceptor>
    /**
     * Answers WebSockets instead of the service. When the handler ends the WebSocket is closed, with 1000; where it fails,
     * with 1011.
     */
    readonly webSocket: <E, R = never>(
      match: RequestMatcher,
      handler: WebSocketHandler<E, R>,
      options?: InterceptorOptions
    ) => Placing<WebSocketInterceptor, R>
    /** Watches the messages of WebSockets both ways, and changes nothing. */
    readonly spyWebSocket: (match: RequestMatcher, options?: InterceptorOptions) => Placing<WebSocketInterceptor>
    /** The requests since the beginning that nothing matched, the latest thousand. */
    readonly unmatched: Effect.Effect<ReadonlyArray<UnmatchedRequest>>
    /**
     * Fails with a list of the interceptors that weren't called, or not as often as their `times`, and of the requests
     * that nothing matched. Counts those made by this service, and still alive.
     */
    readonly verify: Effect.Effect<void, UnverifiedInterception>
    /**
     * The same service, which counts for itself what is made by it, those that have gone too, and what nothing matches at
     * the gateway meanwhile, and verifies that when the scope closes with success: closing it dies with
     * `UnverifiedInterception` where something is left.
     */
    readonly strict: Effect.Effect<Service, never, Scope.Scope>
  }
}

/**
 * HTTP interception as a service.
 *
 * @example
 * ```ts
 * import { HttpInterception, Intercept } from "effect-ipc"
 * import { Effect } from "effect"
 *
 * const test = Effect.gen(function* () {
 *   const http = yield* HttpInterception
 *   const users = yield* http.mock(Intercept.get("/users/:id", { api: "users" }), ({ params }) =>
 *     Effect.succeed({ id: params["id"], name: "Ada" })
 *   )
 *   // … what is tested calls GET /users/7 on the gateway …
 *   const call = yield* users.awaitCall(1)
 *   yield* Effect.log(call.request.params, call.response?.body)
 *   yield* http.verify
 * })
 *
 * export const main: Effect.Effect<void, unknown, HttpInterception> = Effect.scoped(test)
 * ```
 *
 * @since 0.1.0
 * @category tags
 */
export class HttpInterception extends Context.Tag("effect-ipc/HttpInterception")<
  HttpInterception,
  HttpInterception.Service
>() {}
