/**
 * Interception for tests without Effect: `HttpInterception` with promises.
 *
 * @since 0.1.0
 */

import type * as HttpApi from "@effect/platform/HttpApi"
import type * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import type * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import type { HttpServerResponse } from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Types from "effect/Types"
import type {
  AwaitRequestOptions,
  Fault,
  ForwardChanges,
  Interceptor,
  InterceptorOptions,
  MockOptions,
  MockRequest,
  RecordOptions,
  ReplayOptions,
  UnmatchedRequest
} from "../../../src/HttpInterception.js"
import { HttpInterception } from "../../../src/HttpInterception.js"
import type { RecordedCall, RecordedRequest } from "../../../src/RecordedCall.js"
import type { BodyOf, NoMore, RequestMatcher } from "../../../src/RequestMatcher.js"
import * as HttpTraceContext from "../../../src/telemetry/HttpTraceContext.js"
import * as AmbientSpan from "../../promise/AmbientSpan.js"
import * as CallArguments from "../../promise/CallArguments.js"
import { asyncDispose } from "../../promise/Disposal.js"
import * as Promises from "../../promise/Promises.js"
import type { ScopeHandle } from "../../promise/ScopeHandle.js"
import * as HttpApiMock from "../HttpApiMock.js"
import { describeSuppressedErrors } from "./SuppressedError.js"
import {
  callsOf,
  type TestCalls,
  type TestInterceptor,
  type TestWebSocket,
  type TestWebSocketInterceptor,
  webSocketOf,
  webSocketsOf
} from "./TestInterceptor.js"

export type {
  TestCalls,
  TestInterceptor,
  TestWebSocket,
  TestWebSocketInterceptor,
  TestWebSockets
} from "./TestInterceptor.js"

/**
 * Answers a request with a value (a 200 in JSON), `undefined` (an empty 200), a platform `HttpServerResponse`, what an
 * answer of `Intercept` gives (`Intercept.status(404)(request)`), or a promise of one of these. Where it throws or
 * rejects, the answer is 500 `{"error": message}`. The signal is aborted where the client disconnects or the mock is removed
 * before the answer.
 *
 * @since 0.1.0
 * @category models
 */
export type TestHandler = (request: TestRequest, signal: AbortSignal) => unknown

/**
 * A request to a mock.
 *
 * @since 0.2.0
 * @category models
 */
export interface TestRequest<out Body = unknown> extends Omit<MockRequest<Body>, "forward"> {
  /**
   * Sends the request, with the changes, to the interceptor beneath or the service. Resolves with its response: to be
   * answered with as it is, read, or changed.
   */
  readonly forward: (changes?: ForwardChanges) => Promise<Response>
}

/**
 * Refuses functions: an answer of `Intercept` is called with the request, or passed in place of the handler.
 *
 * @since 0.2.0
 * @category types
 */
export type Answerable<Answer> = [Extract<Awaited<Answer>, (...args: never) => unknown>] extends [never]
  ? unknown
  : "A function isn't an answer: pass Intercept.status(404) itself, or return Intercept.status(404)(request)"

/**
 * Answers an endpoint's decoded request with its success, or a promise of it. May throw or reject with one of the errors
 * that the endpoint, its group or its api declares; any other error answers 500 with its message.
 *
 * @since 0.1.0
 * @category models
 */
export type TestEndpointHandler<
  Groups extends HttpApiGroup.HttpApiGroup.Any,
  Group extends string,
  Name extends string
> = (
  request: Types.Simplify<
    HttpApiEndpoint.HttpApiEndpoint.Request<
      HttpApiEndpoint.HttpApiEndpoint.WithName<HttpApiGroup.HttpApiGroup.EndpointsWithName<Groups, Group>, Name>
    >
  >
) => EndpointAnswer<Groups, Group, Name> | PromiseLike<EndpointAnswer<Groups, Group, Name>>

/**
 * The mock of a whole api.
 *
 * @since 0.1.0
 * @category models
 */
export interface TestApiMock<Groups extends HttpApiGroup.HttpApiGroup.Any> extends AsyncDisposable {
  /** The calls of each endpoint, by group and endpoint. */
  readonly endpoints: {
    readonly [Group in HttpApiGroup.HttpApiGroup.Name<Groups>]: {
      readonly [Name in EndpointName<Groups, Group>]: TestCalls
    }
  }
  readonly close: () => Promise<void>
}

/**
 * Mocks, spies and faults on a gateway. They nest: the newest that matches takes the request. `Intercept` has the
 * constructors for matchers, answers and faults.
 *
 * @since 0.1.0
 * @category models
 */
export interface TestInterception {
  /** Answers instead of the service. */
  readonly mock: <const Matcher extends RequestMatcher, Answer>(
    match: Matcher & NoMore<Matcher, RequestMatcher>,
    answer: (request: TestRequest<BodyOf<Matcher>>, signal: AbortSignal) => Answer & Answerable<Answer>,
    options?: MockOptions
  ) => Promise<TestInterceptor>
  /** Records requests and responses on their way to and from the interceptor beneath or the service, unchanged. */
  readonly spy: (match: RequestMatcher, options?: InterceptorOptions) => Promise<TestInterceptor>
  /** Injects a failure. */
  readonly fault: (match: RequestMatcher, fault: Fault, options?: InterceptorOptions) => Promise<TestInterceptor>
  /**
   * Answers WebSockets instead of the service. When the handler is done, the WebSocket is closed with 1000; where it
   * throws or rejects, with 1011.
   */
  readonly webSocket: (
    match: RequestMatcher,
    handler: (socket: TestWebSocket) => unknown,
    options?: InterceptorOptions
  ) => Promise<TestWebSocketInterceptor>
  /** Records the messages of WebSockets in both directions, unchanged. */
  readonly spyWebSocket: (match: RequestMatcher, options?: InterceptorOptions) => Promise<TestWebSocketInterceptor>
  /** `HttpApiMock.endpoint`: a mock typed by an endpoint of a platform `HttpApi`. */
  readonly mockEndpoint: <
    Id extends string,
    Groups extends HttpApiGroup.HttpApiGroup.Any,
    ApiError,
    ApiR,
    const Group extends HttpApiGroup.HttpApiGroup.Name<Groups>,
    const Name extends EndpointName<Groups, Group>
  >(
    api: HttpApi.HttpApi<Id, Groups, ApiError, ApiR>,
    group: Group,
    name: Name,
    handler: TestEndpointHandler<Groups, Group, Name>,
    options?: HttpApiMock.HttpApiMockOptions
  ) => Promise<TestInterceptor>
  /** `HttpApiMock.all`: mocks every endpoint with the handlers that `HttpApiBuilder.group` makes. */
  readonly mockApi: <Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, ApiError, ApiR, E>(
    api: HttpApi.HttpApi<Id, Groups, ApiError, ApiR>,
    handlers: Layer.Layer<HttpApiGroup.HttpApiGroup.ToService<Id, Groups>, E>,
    options?: HttpApiMock.HttpApiMockOptions
  ) => Promise<TestApiMock<Groups>>
  /**
   * The requests that reached the gateway and were answered, in order of arrival, whatever answered them: the latest ten
   * thousand. With a matcher those that match, with the params of its path.
   */
  readonly calls: <const Matcher extends RequestMatcher = RequestMatcher>(
    match?: Matcher & NoMore<Matcher, RequestMatcher>
  ) => ReadonlyArray<RecordedCall>
  /**
   * Resolves with a request that matches once it has arrived with its whole body, answered or not; at once where it has
   * arrived already. Rejects where the timeout passes first; then its message lists what has arrived instead. The timeout is in
   * real time, though timers be faked.
   */
  readonly awaitRequest: <const Matcher extends RequestMatcher>(
    match: Matcher & NoMore<Matcher, RequestMatcher>,
    options?: AwaitRequestOptions
  ) => Promise<RecordedRequest>
  /**
   * Writes every request that reaches the gateway, and its answer, to a HAR file until it is closed, in place of a file that is
   * there. Only its owner may read it; secrets are hidden.
   */
  readonly record: (file: string | URL, options?: RecordOptions) => Promise<TestRecording>
  /**
   * Answers requests from a HAR file until it is closed: with what a request of the same method, path, query and body was
   * answered, where there are several in sequence; the last one stays. Hosts don't matter, and what was hidden is like anything.
   */
  readonly replay: (file: string | URL, options?: ReplayOptions) => Promise<TestInterceptor>
  /** The requests that nothing matched, the latest thousand. */
  readonly unmatched: () => ReadonlyArray<UnmatchedRequest>
  /**
   * Throws `UnverifiedInterception`: the interceptors that weren't called, or not as often as their `times`, and the
   * requests that nothing matched. Checks the interceptors that are still installed.
   */
  readonly verify: () => void
  /** The same for one test, verified when it is closed. */
  readonly strict: () => Promise<StrictInterception>
  /**
   * The same for one of several tests that run at the same time on one gateway, such as those of `it.concurrent`: its
   * interceptors, its `calls` and what it verifies are those of the requests that carry its trace context.
   */
  readonly session: (options?: HttpInterception.SessionOptions) => Promise<TestSession>
}

/**
 * A HAR file that is being written.
 *
 * @since 0.2.0
 * @category models
 */
export interface TestRecording extends AsyncDisposable {
  /** Resolves once the file has every call that was answered. Rejects with `HarFailed` where it couldn't be written. */
  readonly close: () => Promise<void>
}

/**
 * Verifies the interceptors that were made by it, removed ones included, and what nothing matched at the gateway meanwhile.
 *
 * @since 0.1.0
 * @category models
 */
export interface StrictInterception extends TestInterception, AsyncDisposable {
  /**
   * Removes what was made by it. The first call rejects with `UnverifiedInterception` where something is left. In a test that
   * has failed by itself, `await using` throws a `SuppressedError` whose message is the test's own and then this one; closing
   * it in `afterEach` has the runner show one after the other.
   */
  readonly close: () => Promise<void>
}

/**
 * The interception of one test: of the requests that carry its trace context. It is verified as {@link StrictInterception} is,
 * unless `{ strict: false }` was given, and tells of requests that it would have taken but for their trace context.
 *
 * @since 0.2.0
 * @category models
 */
export interface TestSession extends StrictInterception {
  /** Of W3C Trace Context: 32 hexadecimal digits. */
  readonly traceId: string
  /**
   * `traceparent` and `baggage`, for the requests that the test makes: `fetch(url, { headers: session.headers })`. Services
   * pass them on to the requests that they make.
   */
  readonly headers: Readonly<Record<string, string>>
  /**
   * Calls the function as part of the session's trace: what it requests of workers, and of other programs by this library,
   * belongs to the session, and `traceHeaders()` gives its headers.
   */
  readonly run: <A>(call: () => A) => A
}

/**
 * The service with promises. Its interceptors are removed with the handle at the latest.
 *
 * @internal
 */
export const make = (http: HttpInterception.Service, handle: ScopeHandle): TestInterception => {
  const place = <A, B, E>(
    method: string,
    placing: Effect.Effect<A, E, Scope.Scope | HttpInterception>,
    toPromises: (placed: A) => B
  ): Promise<B & Closeable> =>
    Promises.run(
      Effect.map(
        handle.acquire(method, "the interceptor", Effect.provideService(placing, HttpInterception, http)),
        ({ handle: own, value }) => ({ ...toPromises(value), ...closeableBy(own) })
      )
    )

  return {
    mock: <const Matcher extends RequestMatcher, Answer>(
      match: Matcher & NoMore<Matcher, RequestMatcher>,
      answer: (request: TestRequest<BodyOf<Matcher>>, signal: AbortSignal) => Answer,
      options?: MockOptions
    ) =>
      place(
        "mock",
        http.mock<RequestMatcher, unknown>(match, handlerOf(answer as TestHandler, answering), options),
        callsOf
      ),
    spy: (match, options) => place("spy", http.spy(match, options), callsOf),
    fault: (match, fault, options) => place("fault", http.fault(match, fault, options), callsOf),
    webSocket: (match, handler, options) =>
      place(
        "webSocket",
        http.webSocket(
          match,
          handlerOf(handler, (handle) => (socket) => settled(() => handle(webSocketOf(socket)))),
          options
        ),
        webSocketsOf
      ),
    spyWebSocket: (match, options) => place("spyWebSocket", http.spyWebSocket(match, options), webSocketsOf),
    mockEndpoint: (api, group, name, handler, options) =>
      place(
        "mockEndpoint",
        HttpApiMock.endpoint(
          api,
          group,
          name,
          // A rejection is a declared error, or a mistake in the test whose message is shown.
          ((request: Parameters<typeof handler>[0]) => settled(() => handler(request))) as never,
          options
        ) as Effect.Effect<Interceptor, unknown, Scope.Scope | HttpInterception>,
        callsOf
      ),
    mockApi: <Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, ApiError, ApiR, E>(
      api: HttpApi.HttpApi<Id, Groups, ApiError, ApiR>,
      handlers: Layer.Layer<HttpApiGroup.HttpApiGroup.ToService<Id, Groups>, E>,
      options?: HttpApiMock.HttpApiMockOptions
    ) =>
      place(
        "mockApi",
        HttpApiMock.all(api, handlers, options) as Effect.Effect<ApiInterceptors, E, Scope.Scope | HttpInterception>,
        (groups) => ({
          endpoints: mapValues(groups, (group) => mapValues(group, callsOf)) as TestApiMock<Groups>["endpoints"]
        })
      ),
    calls: (match?: RequestMatcher) => Promises.runSync(http.calls(match)),
    awaitRequest: (match: RequestMatcher, options?: AwaitRequestOptions) =>
      Promises.run(http.awaitRequest(match, options)),
    record: (file, options) => place("record", http.record(file, options), () => ({})),
    replay: (file, options) => place("replay", http.replay(file, options), callsOf),
    unmatched: () => Effect.runSync(http.unmatched),
    verify: () => Promises.runSync(http.verify),
    strict: () => {
      describeSuppressedErrors()
      return Promises.run(
        Effect.map(handle.acquire("strict", "the strict interception", http.strict), ({ handle: own, value }) => ({
          ...make(value, own),
          ...closeableBy(own)
        }))
      )
    },
    session: (options) => {
      describeSuppressedErrors()
      return Promises.run(
        Effect.map(
          handle.acquire("session", "the session", http.session(options)),
          ({ handle: own, value: session }) => ({
            ...make(session, own),
            traceId: session.traceId,
            headers: session.headers,
            run: (call) => {
              CallArguments.checkFunction("run", "argument", call)
              return AmbientSpan.within(HttpTraceContext.fromHeaders(session.headers), call)
            },
            ...closeableBy(own)
          })
        )
      )
    }
  }
}

/**
 * The names of a group's endpoints.
 *
 * @since 0.2.0
 * @category models
 */
export type EndpointName<
  Groups extends HttpApiGroup.HttpApiGroup.Any,
  Group extends string
> = HttpApiGroup.HttpApiGroup.EndpointsWithName<Groups, Group>["name"]

/**
 * What a handler of an endpoint may answer: the endpoint's success, or a response as it is.
 *
 * @since 0.2.0
 * @category models
 */
export type EndpointAnswer<Groups extends HttpApiGroup.HttpApiGroup.Any, Group extends string, Name extends string> =
  | HttpApiEndpoint.HttpApiEndpoint.SuccessWithName<HttpApiGroup.HttpApiGroup.EndpointsWithName<Groups, Group>, Name>
  | HttpServerResponse

type ApiInterceptors = Readonly<Record<string, Readonly<Record<string, Interceptor>>>>

interface Closeable extends AsyncDisposable {
  readonly close: () => Promise<void>
}

const closeableBy = ({ close }: ScopeHandle): Closeable => ({ close, [asyncDispose]: close })

/** What isn't a function, in plain JavaScript, is left to be refused with the rest. */
const handlerOf = <Handler, Converted>(handler: Handler, convert: (handler: Handler) => Converted): Converted =>
  typeof handler === "function" ? convert(handler) : (handler as unknown as Converted)

const answering = (handler: TestHandler) => (request: MockRequest) =>
  Effect.flatMap(
    settled((signal) => handler({ ...request, forward: (changes) => Promises.run(request.forward(changes)) }, signal)),
    // An answer of Intercept, or a response of the platform, which is an Effect of itself.
    (answer) => (Effect.isEffect(answer) ? (answer as Effect.Effect<unknown, unknown>) : Effect.succeed(answer))
  )

/** What a function returns, throws, resolves or rejects with. Interrupting it aborts the signal. */
const settled = (call: (signal: AbortSignal) => unknown): Effect.Effect<unknown, unknown> =>
  AmbientSpan.tryPromise(call, identity)

const mapValues = <A, B>(values: Readonly<Record<string, A>>, map: (value: A) => B): Readonly<Record<string, B>> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, map(value)]))
