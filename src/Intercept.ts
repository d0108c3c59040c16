/**
 * Constructors for interception: request matchers, answers, faults and counts.
 *
 * @example
 * ```ts
 * import { HttpInterception, Intercept } from "effect-ipc"
 * import { Effect } from "effect"
 *
 * export const arrange = Effect.gen(function* () {
 *   const http = yield* HttpInterception
 *   yield* http.mock(Intercept.get("/users/:id"), Intercept.json({ name: "Ada" }))
 *   yield* http.mock(Intercept.post("/orders", { body: { item: "book" } }), Intercept.status(201), Intercept.once)
 *   yield* http.fault(Intercept.any({ api: "mail" }), Intercept.delay("1 second"), Intercept.times(2))
 * })
 * ```
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { HttpMethod, HttpRouteHandler } from "./HttpGateway.js"
import type { Fault } from "./HttpInterception.js"
import { Answer } from "./internal/Answer.js"
import { check, kindOf, type OptionNames } from "./internal/OptionNames.js"
import type { Absent, Exact, NoMore, RequestMatcher } from "./RequestMatcher.js"

/**
 * What has to match beside method and path.
 *
 * @since 0.1.0
 * @category matchers
 */
export type Where = Omit<RequestMatcher, "method" | "path">

/**
 * A matcher that knows what its body has to be.
 *
 * @since 0.2.0
 * @category matchers
 */
export type MatcherOf<Given> = Omit<RequestMatcher, "body"> &
  (Given extends { readonly body: infer Body } ? { readonly body: Body } : { readonly body?: undefined })

/**
 * Requests of any method, at any path unless one is given.
 *
 * @since 0.1.0
 * @category matchers
 */
export const any = <const Given extends Omit<RequestMatcher, "method">>(
  where?: Given & NoMore<Given, Omit<RequestMatcher, "method">>
): MatcherOf<Given> => ({ ...where }) as MatcherOf<Given>

/**
 * Requests of this method.
 *
 * @since 0.1.0
 * @category matchers
 */
export const request = <const Given extends Where>(
  method: HttpMethod,
  path: string | RegExp,
  where?: Given & NoMore<Given, Where>
): MatcherOf<Given> => ({ ...where, method, path }) as MatcherOf<Given>

/**
 * Takes GET requests to a path.
 *
 * @since 0.1.0
 * @category matchers
 */
export const get = <const Given extends Where>(
  path: string | RegExp,
  where?: Given & NoMore<Given, Where>
): MatcherOf<Given> => request("GET", path, where)

/**
 * Takes POST requests to a path.
 *
 * @since 0.1.0
 * @category matchers
 */
export const post = <const Given extends Where>(
  path: string | RegExp,
  where?: Given & NoMore<Given, Where>
): MatcherOf<Given> => request("POST", path, where)

/**
 * Takes PUT requests to a path.
 *
 * @since 0.1.0
 * @category matchers
 */
export const put = <const Given extends Where>(
  path: string | RegExp,
  where?: Given & NoMore<Given, Where>
): MatcherOf<Given> => request("PUT", path, where)

/**
 * Takes PATCH requests to a path.
 *
 * @since 0.1.0
 * @category matchers
 */
export const patch = <const Given extends Where>(
  path: string | RegExp,
  where?: Given & NoMore<Given, Where>
): MatcherOf<Given> => request("PATCH", path, where)

/**
 * Takes DELETE requests to a path.
 *
 * @since 0.1.0
 * @category matchers
 */
export const del = <const Given extends Where>(
  path: string | RegExp,
  where?: Given & NoMore<Given, Where>
): MatcherOf<Given> => request("DELETE", path, where)

/**
 * A header, a parameter or a field that mustn't be there.
 *
 * @since 0.2.0
 * @category matchers
 */
export const absent: Absent = { _tag: "effect-ipc/Absent" }

/**
 * What is given and no more: of an object no other field, at any depth; of `query` no other parameter; of `headers` none but
 * those that HTTP clients add by themselves.
 *
 * @since 0.2.0
 * @category matchers
 */
export const exact = <const A>(value: A): Exact<A> => ({ _tag: "effect-ipc/Exact", value })

/**
 * Status and headers of an answer.
 *
 * @since 0.1.0
 * @category answers
 */
export interface AnswerOptions {
  /** Default 200. */
  readonly status?: number | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/**
 * Answers with the value in JSON.
 *
 * @since 0.1.0
 * @category answers
 */
export const json = (value: unknown, options?: AnswerOptions): HttpRouteHandler<unknown> => {
  const head = given(options)
  return () =>
    Effect.try({
      // A value that is changed between two requests is answered as it is then.
      try: () => answerOf("application/json", JSON.stringify(value), head),
      catch: (error) => error
    })
}

/**
 * Answers with the text.
 *
 * @since 0.1.0
 * @category answers
 */
export const text = (value: string, options?: AnswerOptions): HttpRouteHandler<unknown> => {
  const answer = answerOf("text/plain", value, given(options))
  return () => Effect.succeed(answer)
}

/**
 * Answers with this status and no body.
 *
 * @since 0.1.0
 * @category answers
 */
export const status = (code: number, headers?: Readonly<Record<string, string>>): HttpRouteHandler<unknown> => {
  const answer = answerOf(undefined, undefined, given({ status: code, headers }))
  return () => Effect.succeed(answer)
}

/**
 * Answers with the bytes, as `application/octet-stream` unless the headers have a content type.
 *
 * @since 0.2.0
 * @category answers
 */
export const bytes = (value: Uint8Array, options?: AnswerOptions): HttpRouteHandler<unknown> => {
  const answer = answerOf("application/octet-stream", value, given(options))
  return () => Effect.succeed(answer)
}

/**
 * Answers with the content of a file, under the content type of its name.
 *
 * @since 0.2.0
 * @category answers
 */
export const file = (path: string | URL, options?: AnswerOptions): HttpRouteHandler<unknown> => {
  const answered: FileAnswer = { _tag: "effect-ipc/File", path, ...given(options) }
  return () => Effect.succeed(answered)
}

/**
 * @internal
 */
export interface FileAnswer extends AnswerOptions {
  readonly _tag: "effect-ipc/File"
  readonly path: string | URL
}

/**
 * One event of an event stream. Data that isn't text is sent in JSON.
 *
 * @since 0.2.0
 * @category answers
 */
export interface ServerSentEvent {
  readonly data: unknown
  readonly event?: string | undefined
  readonly id?: string | undefined
  /** In milliseconds. */
  readonly retry?: number | undefined
}

/**
 * The pace of an event stream, and its headers.
 *
 * @since 0.2.0
 * @category answers
 */
export interface SseOptions {
  /** The time between two events, by the gateway's clock. Default none. */
  readonly interval?: Duration.DurationInput | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/**
 * Answers with an event stream: of events, or of values that are each the data of one. It ends with them; a Stream or an
 * async iterable may go on for as long as it likes.
 *
 * @since 0.2.0
 * @category answers
 */
export const sse = (
  events: Iterable<unknown> | AsyncIterable<unknown> | Stream.Stream<unknown, unknown>,
  options: SseOptions = {}
): HttpRouteHandler<unknown> => {
  check("the options of an event stream", options, sseOptions)
  if (Object(events) !== events || !(Symbol.iterator in events || Symbol.asyncIterator in events || TypeId in events)) {
    throw new TypeError(`events are an array, an iterable or a Stream, not ${kindOf(events)}`)
  }
  const answered: SseAnswer = { _tag: "effect-ipc/Sse", events, ...options }
  return () => Effect.succeed(answered)
}

/**
 * @internal
 */
export interface SseAnswer extends SseOptions {
  readonly _tag: "effect-ipc/Sse"
  readonly events: Iterable<unknown> | AsyncIterable<unknown> | Stream.Stream<unknown, unknown>
}

/**
 * Answers with the first handler at the first call, with the second at the next, and so on; with the last from then on.
 *
 * @since 0.2.0
 * @category answers
 */
export const sequence = <Request, const Answers extends ReadonlyArray<SequenceHandler<Request>>>(
  ...answers: Answers
): ((request: Request, signal?: AbortSignal) => ReturnType<Answers[number]>) => {
  if (answers.length === 0) throw new TypeError("a sequence has at least one handler")
  const wrong = answers.find((answer) => typeof answer !== "function")
  if (wrong !== undefined)
    throw new TypeError(`a sequence is of handlers, such as Intercept.json(…), not ${kindOf(wrong)}`)
  let calls = 0
  return (request, signal) => {
    const handler = answers[Math.min(calls++, answers.length - 1)] as SequenceHandler<Request>
    return handler(request, signal as AbortSignal) as ReturnType<Answers[number]>
  }
}

/**
 * A handler in a sequence: of a mock with Effect, or of one with promises.
 *
 * @since 0.2.0
 * @category answers
 */
export type SequenceHandler<Request> = (request: Request, signal: AbortSignal) => unknown

/**
 * Doesn't answer. The client waits until it gives up, or the mock is removed.
 *
 * @since 0.2.0
 * @category answers
 */
export const never: HttpRouteHandler<never> = () => Effect.never

/**
 * What a handler answers with that doesn't want the request: it goes to the interceptor beneath or the service, and isn't
 * counted.
 *
 * @since 0.2.0
 * @category answers
 */
export const pass: Pass = { _tag: "effect-ipc/Pass" }

/**
 * Of {@link pass}: leaves a call to the interceptor beneath, or to the service.
 *
 * @since 0.2.0
 * @category answers
 */
export interface Pass {
  readonly _tag: "effect-ipc/Pass"
}

/**
 * Takes the first call only.
 *
 * @since 0.1.0
 * @category counts
 */
export const once: { readonly times: number } = { times: 1 }

/**
 * Takes the first `count` calls only.
 *
 * @since 0.1.0
 * @category counts
 */
export const times = (count: number): { readonly times: number } => ({ times: count })

/**
 * Passes requests on after the duration, by the gateway's clock: with `GatewayTest.layer` the real one, in `it.effect` too.
 *
 * @since 0.1.0
 * @category faults
 */
export const delay = (duration: Duration.DurationInput): Fault => ({ _tag: "Delay", duration })

/**
 * Answers with this status and an error in JSON.
 *
 * @since 0.1.0
 * @category faults
 */
export const failWith = (code: number): Fault => ({ _tag: "Status", status: code })

/**
 * Closes the connection without an answer.
 *
 * @since 0.1.0
 * @category faults
 */
export const drop: Fault = { _tag: "Drop" }

/**
 * Lets the service answer, and resets the connection once this many bytes of the body were sent. A shorter body is sent
 * in full.
 *
 * @since 0.1.0
 * @category faults
 */
export const resetInBody = (options: { readonly afterBytes: number }): Fault => ({
  _tag: "ResetInBody",
  afterBytes: options.afterBytes
})

const answerOf = (
  contentType: string | undefined,
  body: Answer["body"],
  { headers = {}, status: code = 200 }: AnswerOptions
): Answer => {
  const named = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])
  return new Answer(
    code,
    { ...(contentType === undefined ? {} : { "content-type": contentType }), ...Object.fromEntries(named) },
    body
  )
}

const given = (options: AnswerOptions = {}) => {
  check("the options of an answer", options, answerOptions)
  const { headers, status: code } = options
  return {
    ...(code === undefined ? {} : { status: code }),
    ...(headers === undefined ? {} : { headers })
  }
}

const answerOptions: OptionNames<AnswerOptions> = { status: true, headers: true }

/** That of a Stream, which costs start-up time. */
const TypeId = Symbol.for("effect/Stream")

const sseOptions: OptionNames<SseOptions> = { interval: true, headers: true }
