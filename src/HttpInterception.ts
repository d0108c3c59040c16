/**
 * HTTP between services, mocked, recorded or broken for a test: on the gateway, before its routes and upstreams.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as Tracer from "effect/Tracer"
import type { InvalidEntry } from "./DiscoveryEntry.js"

import type { HttpRouteRequest } from "./HttpGateway.js"
import type { HarFailed, InvalidInterceptor, UnverifiedInterception } from "./InterceptionError.js"
import type { EntryUnsupported, InvalidRoute, RegistryLimitExceeded, RequestError } from "./IPCError.js"
import type { RecordedCall, RecordedRequest, RecordedWebSocket, RecordedWebSocketMessage } from "./RecordedCall.js"
import type { BodyOf, NoMore, RequestMatcher } from "./RequestMatcher.js"

/**
 * How many requests an interceptor takes, and its name in reports.
 *
 * @since 0.1.0
 * @category models
 */
export interface InterceptorOptions {
  /** After this many calls, requests are passed on to the interceptor beneath or the service. Default without limit. */
  readonly times?: number | undefined
  /** Default: its matcher as text. */
  readonly name?: string | undefined
  /** Whether `verify` accepts any number of calls. Default false. */
  readonly optional?: boolean | undefined
}

/**
 * When a mock answers, and to which pages.
 *
 * @since 0.1.0
 * @category models
 */
export interface MockOptions extends InterceptorOptions {
  /**
   * Whether web pages of any origin may call it: preflights are answered, and its answers allow the origin. Default
   * false.
   */
  readonly cors?: boolean | undefined
  /** How long it waits before it calls its handler, by the gateway's clock: with `GatewayTest.layer` the real one. */
  readonly delay?: Duration.DurationInput | undefined
}

/**
 * A request to a mock. A plain object, which assertions can compare and print.
 *
 * @since 0.2.0
 * @category models
 */
export interface MockRequest<out Body = unknown> extends Omit<HttpRouteRequest, "body"> {
  /**
   * As {@link HttpRouteRequest}'s; where the mock has a body matcher, what that matched: fields of a form, for example.
   */
  readonly body: Body
  /**
   * Sends the request, with the changes, to the interceptor beneath or the service, and gives its response: to be
   * answered with as it is, read, or changed. Fails where the connection breaks before there is one.
   */
  readonly forward: (changes?: ForwardChanges) => Effect.Effect<Response, Cause.UnknownException>
}

/**
 * How a forwarded request differs from the one that came.
 *
 * @since 0.2.0
 * @category models
 */
export interface ForwardChanges {
  readonly method?: string | undefined
  /** With its query. It stays below the prefix of the service that the request was sent to. */
  readonly path?: string | undefined
  /** In addition to those that came; `undefined` removes one. */
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined
  /** Text or bytes as they are, any other value in JSON. */
  readonly body?: unknown
}

/**
 * Answers a request with a plain value (a 200 in JSON), `undefined` (an empty 200), bytes, a stream, a web `Response`
 * or a platform `HttpServerResponse`; `Intercept.pass` leaves it to the interceptor beneath or the service. A failure
 * answers 500 `{"error": message}`, is the call's `failure`, and `verify` lists it.
 *
 * @since 0.2.0
 * @category models
 */
export type MockHandler<Body = unknown, E = unknown, R = never> = (
  request: MockRequest<Body>
) => Effect.Effect<unknown, E, R>

/**
 * A failure to inject. `Intercept` has a constructor for each.
 *
 * @since 0.1.0
 * @category models
 */
export type Fault =
  /** Passes the request on after the duration. */
  | { readonly _tag: "Delay"; readonly duration: Duration.DurationInput }
  /** Answers with this status and an error in JSON. */
  | { readonly _tag: "Status"; readonly status: number }
  /** Closes the connection without an answer. */
  | { readonly _tag: "Drop" }
  /** Lets the service answer, and resets the connection once this many bytes of the body were sent. */
  | { readonly _tag: "ResetInBody"; readonly afterBytes: number }

/**
 * How long to wait for what an interceptor records.
 *
 * @since 0.2.0
 * @category models
 */
export interface AwaitOptions {
  /** Default without limit. */
  readonly timeout?: Duration.DurationInput | undefined
}

/**
 * Which request to wait for, and for how long.
 *
 * @since 0.2.0
 * @category models
 */
export interface AwaitRequestOptions extends AwaitOptions {
  /** Which of those that match, counted from 1. Default 1. */
  readonly count?: number | undefined
}

/**
 * What an interceptor has recorded. Calls are in the order in which they ended.
 *
 * @since 0.1.0
 * @category models
 */
export interface Interceptor<Call = RecordedCall> {
  readonly name: string
  /** The calls that have ended, since the last `reset`. */
  readonly calls: Effect.Effect<ReadonlyArray<Call>>
  /**
   * Waits for the n-th call, counted from 1, to be answered. Dies where the interceptor is removed first or the timeout
   * passes; then its message lists what was recorded instead. The timeout is in real time, under `TestClock` too.
   */
  readonly awaitCall: (n: number, options?: AwaitOptions) => Effect.Effect<Call>
  /** Waits for the n-th request, counted from 1, to arrive with its whole body, answered or not. Dies as `awaitCall`. */
  readonly awaitRequest: (n: number, options?: AwaitOptions) => Effect.Effect<RecordedRequest>
  /** Every call since the last `reset` and from now on; ends when the interceptor is removed. */
  readonly stream: Stream.Stream<Call>
  /** Forgets the calls. The count for `times` isn't reset. */
  readonly reset: Effect.Effect<void>
}

/**
 * What an interceptor of WebSockets has recorded: messages as they arrive, and WebSockets as calls once they have
 * closed.
 *
 * @since 0.1.0
 * @category models
 */
export interface WebSocketInterceptor extends Interceptor<RecordedWebSocket> {
  /** The messages of all its WebSockets, since the last `reset`. */
  readonly messages: Effect.Effect<ReadonlyArray<RecordedWebSocketMessage>>
  /** Waits for the n-th message, counted from 1. Dies where the interceptor is removed first. */
  readonly awaitMessage: (n: number, options?: AwaitOptions) => Effect.Effect<RecordedWebSocketMessage>
  readonly messageStream: Stream.Stream<RecordedWebSocketMessage>
  /** Drops its open WebSockets on both sides without a close frame, as a crash of the service would. */
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
  /**
   * What the client sends: text messages as strings, binary ones as bytes. Ends when the WebSocket closes. While 4 MiB are
   * unread, the client waits.
   */
  readonly messages: Stream.Stream<string | Uint8Array>
  /**
   * Sends to the client: a string as a text message, bytes as a binary one. Waits while 4 MiB are unsent. Does nothing once
   * the WebSocket has closed.
   */
  readonly send: (data: string | Uint8Array) => Effect.Effect<void>
  /** Default code 1000. */
  readonly close: (code?: number, reason?: string) => Effect.Effect<void>
}

/**
 * What a mock does with a client's WebSocket, from its handshake until it is closed.
 *
 * @since 0.1.0
 * @category models
 */
export type WebSocketHandler<E = unknown, R = never> = (socket: MockedWebSocket) => Effect.Effect<unknown, E, R>

/**
 * A request that no interceptor, route or instance matched. It was answered 404.
 *
 * @since 0.1.0
 * @category models
 */
export interface UnmatchedRequest {
  readonly method: string
  /** The path without the query. */
  readonly path: string
  /** The interceptor that matched most of it, and the first thing that differed. */
  readonly nearest: string | undefined
}

/**
 * What is hidden in a recorded file, beside what usually lets others act in somebody's name.
 *
 * @since 0.2.0
 * @category models
 */
export interface Redaction {
  /**
   * Names of headers, in any case. `authorization`, `cookie`, `set-cookie`, and those with a word such as `token` or `api-key` in
   * their name are hidden anyway.
   */
  readonly headers?: ReadonlyArray<string> | undefined
  /**
   * Names of parameters of queries and fragments, and of fields of JSON, form, multipart and XML bodies at any depth; case,
   * hyphens and underscores don't matter. Those with a word such as `password`, `token`, `api_key` or `secret` in their name are
   * hidden anyway, unless the value is true, false or a count.
   */
  readonly fields?: ReadonlyArray<string> | undefined
}

/**
 * Which exchanges go into the HAR file, and what is hidden in them.
 *
 * @since 0.2.0
 * @category models
 */
export interface RecordOptions {
  /** Which requests are recorded. Default all. */
  readonly match?: RequestMatcher | undefined
  /** `false` hides nothing. */
  readonly redact?: Redaction | false | undefined
}

/**
 * Which requests a HAR file answers, and what becomes of the others.
 *
 * @since 0.2.0
 * @category models
 */
export interface ReplayOptions {
  /**
   * What becomes of a request that the file has no answer for: it is answered 404 and `verify` lists it, or it goes to the
   * interceptor beneath or the service. Default `fail`.
   */
  readonly unmatched?: "fail" | "forward" | undefined
  /** Which requests are answered from the file. Default all. */
  readonly match?: RequestMatcher | undefined
  /** Parts of a request that needn't be as they were recorded. */
  readonly ignore?: ReadonlyArray<"query" | "body"> | undefined
}

/**
 * Why an interceptor can't be installed: its matcher or its options are invalid, or its `api` can't be registered.
 *
 * @since 0.1.0
 * @category models
 */
export type InterceptError =
  | InvalidInterceptor
  | InvalidRoute
  | InvalidEntry
  | RegistryLimitExceeded
  | EntryUnsupported
  | RequestError

/**
 * Installs an interceptor until the scope closes.
 *
 * @since 0.1.0
 * @category models
 */
export type Installing<Installed, R = never> = Effect.Effect<Installed, InterceptError, R | Scope.Scope>

/**
 * What {@link HttpInterception} is made of.
 *
 * @since 0.1.0
 * @category models
 */
export declare namespace HttpInterception {
  /**
   * Interceptors are installed until their scope closes, and nest: the newest that matches takes the request, those of a session
   * before all others.
   *
   * @since 0.1.0
   * @category models
   */
  export interface Service {
    /** Answers instead of the service. */
    readonly mock: <const Matcher extends RequestMatcher, E, R = never>(
      match: Matcher & NoMore<Matcher, RequestMatcher>,
      answer: MockHandler<BodyOf<Matcher>, E, R>,
      options?: MockOptions
    ) => Installing<Interceptor, R>
    /** Records requests and responses on their way to and from the interceptor beneath or the service, unchanged. */
    readonly spy: (match: RequestMatcher, options?: InterceptorOptions) => Installing<Interceptor>
    /** Injects a failure. */
    readonly fault: (match: RequestMatcher, fault: Fault, options?: InterceptorOptions) => Installing<Interceptor>
    /**
     * Answers WebSockets instead of the service. When the handler ends, the WebSocket is closed with 1000; where it
     * fails, with 1011.
     */
    readonly webSocket: <E, R = never>(
      match: RequestMatcher,
      handler: WebSocketHandler<E, R>,
      options?: InterceptorOptions
    ) => Installing<WebSocketInterceptor, R>
    /** Records the messages of WebSockets in both directions, unchanged. */
    readonly spyWebSocket: (match: RequestMatcher, options?: InterceptorOptions) => Installing<WebSocketInterceptor>
    /**
     * The requests that reached the gateway since this service was made and were answered, in order of arrival, whatever
     * answered them: the latest ten thousand. With a matcher those that match, with the params of its path.
     */
    readonly calls: <const Matcher extends RequestMatcher = RequestMatcher>(
      match?: Matcher & NoMore<Matcher, RequestMatcher>
    ) => Effect.Effect<ReadonlyArray<RecordedCall>, InvalidInterceptor | InvalidRoute>
    /**
     * Waits for a request that matches to arrive with its whole body, answered or not; one that has arrived since this
     * service was made counts. Dies where the timeout passes first; then its message lists what has arrived instead. The
     * timeout is in real time, under `TestClock` too.
     */
    readonly awaitRequest: <const Matcher extends RequestMatcher>(
      match: Matcher & NoMore<Matcher, RequestMatcher>,
      options?: AwaitRequestOptions
    ) => Effect.Effect<RecordedRequest, InvalidInterceptor | InvalidRoute>
    /**
     * Writes every request that reaches the gateway, and its answer, to a HAR file until the scope closes, in place of a file
     * that is there. Only its owner may read it; secrets are hidden. It has at most `maxRecordedBytes` of each body.
     */
    readonly record: (
      file: string | URL,
      options?: RecordOptions
    ) => Effect.Effect<void, HarFailed | InvalidInterceptor | InvalidRoute, Scope.Scope>
    /**
     * Answers requests from a HAR file until the scope closes: with what a request of the same method, path, query and body was
     * answered, where there are several in sequence; the last one stays. Hosts don't matter, and what was hidden is like anything.
     */
    readonly replay: (
      file: string | URL,
      options?: ReplayOptions
    ) => Effect.Effect<Interceptor, InterceptError | HarFailed, Scope.Scope>
    /** The requests that nothing matched, the latest thousand. */
    readonly unmatched: Effect.Effect<ReadonlyArray<UnmatchedRequest>>
    /**
     * Fails with a list of the interceptors that weren't called, or not as often as their `times`, of handlers that
     * failed, and of the requests that nothing matched. Checks the interceptors that were made by this service and are
     * still installed.
     */
    readonly verify: Effect.Effect<void, UnverifiedInterception>
    /**
     * The same service for one test: verifies the interceptors that were made by it, removed ones included, and what
     * nothing matched at the gateway meanwhile, when the scope closes with success. Closing then dies with
     * `UnverifiedInterception`.
     */
    readonly strict: Effect.Effect<Service, never, Scope.Scope>
    /**
     * The same service for one of several tests that run at the same time on one gateway: its interceptors, its `calls` and what
     * it verifies are those of the requests that carry its trace context. It is verified as `strict` is when the scope closes,
     * and tells of requests that it would have taken but for their trace context.
     */
    readonly session: (options?: SessionOptions) => Effect.Effect<Session, never, Scope.Scope>
  }

  /**
   * The interception of one test.
   *
   * @since 0.2.0
   * @category models
   */
  export interface Session extends Service {
    /** Of W3C Trace Context: 32 hexadecimal digits. */
    readonly traceId: string
    /**
     * `traceparent` and `baggage`, for the requests that the test makes. Services pass them on to the requests that they make:
     * the platform's `HttpClient`, this library's requests and OpenTelemetry's instrumentation by themselves.
     */
    readonly headers: Readonly<Record<string, string>>
    /** Runs the effect with the session's trace as its parent span, so that what it requests belongs to the session. */
    readonly run: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>>
  }

  /**
   * How a session ends.
   *
   * @since 0.2.0
   * @category models
   */
  export interface SessionOptions {
    /** Whether it is verified when its scope closes with success. Default true. */
    readonly strict?: boolean | undefined
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
 *   // … the tested service calls GET /users/7 on the gateway …
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
