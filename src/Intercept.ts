/**
 * Constructors for interception: request matchers, answers, faults and counts. Each throws a `TypeError` that says what to
 * pass where it is called with something else.
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
import * as Predicate from "effect/Predicate"
import type * as Stream from "effect/Stream"
import type { HttpMethod, HttpRouteHandler } from "./HttpGateway.js"
import type { Fault } from "./HttpInterception.js"
import { Answer } from "./internal/Answer.js"
import * as ArgumentIssue from "./internal/ArgumentIssue.js"
import { issueOf, kindOf, type OptionNames } from "./internal/OptionNames.js"
import * as ServerSentEvents from "./internal/ServerSentEvents.js"
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
): MatcherOf<Given> => {
  ArgumentIssue.refuse(
    "Intercept.any",
    issueOf("its matcher", where, anyNames) ??
      (where?.path === undefined ? undefined : ArgumentIssue.pathIssue(where.path))
  )
  return { ...where } as MatcherOf<Given>
}

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
): MatcherOf<Given> => {
  if (typeof method !== "string") {
    ArgumentIssue.refuse("Intercept.request", `its method is a string like "GET", not ${kindOf(method)}`)
  }
  return ofMethod("request", method, path, where)
}

/**
 * Takes GET requests to a path.
 *
 * @since 0.1.0
 * @category matchers
 */
export const get = <const Given extends Where>(
  path: string | RegExp,
  where?: Given & NoMore<Given, Where>
): MatcherOf<Given> => ofMethod("get", "GET", path, where)

/**
 * Takes POST requests to a path.
 *
 * @since 0.1.0
 * @category matchers
 */
export const post = <const Given extends Where>(
  path: string | RegExp,
  where?: Given & NoMore<Given, Where>
): MatcherOf<Given> => ofMethod("post", "POST", path, where)

/**
 * Takes PUT requests to a path.
 *
 * @since 0.1.0
 * @category matchers
 */
export const put = <const Given extends Where>(
  path: string | RegExp,
  where?: Given & NoMore<Given, Where>
): MatcherOf<Given> => ofMethod("put", "PUT", path, where)

/**
 * Takes PATCH requests to a path.
 *
 * @since 0.1.0
 * @category matchers
 */
export const patch = <const Given extends Where>(
  path: string | RegExp,
  where?: Given & NoMore<Given, Where>
): MatcherOf<Given> => ofMethod("patch", "PATCH", path, where)

/**
 * Takes DELETE requests to a path.
 *
 * @since 0.1.0
 * @category matchers
 */
export const del = <const Given extends Where>(
  path: string | RegExp,
  where?: Given & NoMore<Given, Where>
): MatcherOf<Given> => ofMethod("del", "DELETE", path, where)

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
export const exact = <const A>(value: A): Exact<A> => {
  if (value === undefined) ArgumentIssue.refuse("Intercept.exact", "it takes a value; Intercept.absent is for none")
  return { _tag: "effect-ipc/Exact", value }
}

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
  const head = given("json", options)
  ArgumentIssue.refuse(
    "Intercept.json",
    ArgumentIssue.jsonIssue("it takes a value that JSON has", value, "; Intercept.status(…) answers without a body")
  )
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
  const head = given("text", options)
  if (typeof value !== "string") {
    ArgumentIssue.refuse("Intercept.text", `it takes a string, not ${kindOf(value)}; Intercept.json(…) takes any value`)
  }
  const answer = answerOf("text/plain", value, head)
  return () => Effect.succeed(answer)
}

/**
 * Answers with this status and no body.
 *
 * @since 0.1.0
 * @category answers
 */
export const status = (code: number, headers?: Readonly<Record<string, string>>): HttpRouteHandler<unknown> => {
  ArgumentIssue.refuse("Intercept.status", ArgumentIssue.statusIssue(code) ?? ArgumentIssue.headersIssue(headers))
  const answer = answerOf(undefined, undefined, { status: code, headers })
  return () => Effect.succeed(answer)
}

/**
 * Answers with the bytes, as `application/octet-stream` unless the headers have a content type.
 *
 * @since 0.2.0
 * @category answers
 */
export const bytes = (value: Uint8Array, options?: AnswerOptions): HttpRouteHandler<unknown> => {
  const head = given("bytes", options)
  if (!(value instanceof Uint8Array)) {
    ArgumentIssue.refuse(
      "Intercept.bytes",
      `it takes a Uint8Array, not ${kindOf(value)}; Intercept.text(…) takes a string`
    )
  }
  const answer = answerOf("application/octet-stream", value, head)
  return () => Effect.succeed(answer)
}

/**
 * Answers with the content of a file, under the content type of its name.
 *
 * @since 0.2.0
 * @category answers
 */
export const file = (path: string | URL, options?: AnswerOptions): HttpRouteHandler<unknown> => {
  const head = given("file", options)
  ArgumentIssue.refuse("Intercept.file", ArgumentIssue.fileIssue("its file", path))
  const answered: FileAnswer = { _tag: "effect-ipc/File", path, ...head }
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
 * One event of an event stream. Data that isn't text is sent in JSON. `event` and `id` have no line breaks, which would end
 * them.
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
  ArgumentIssue.refuse("Intercept.sse", sseIssue(events, options))
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
  if (answers.length === 0) ArgumentIssue.refuse("Intercept.sequence", "it takes at least one handler")
  for (const answer of answers) {
    if (typeof answer === "function") continue
    ArgumentIssue.refuse("Intercept.sequence", `it takes handlers, such as Intercept.json(…), not ${kindOf(answer)}`)
  }
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
export const times = (count: number): { readonly times: number } => {
  ArgumentIssue.refuse("Intercept.times", ArgumentIssue.countIssue("its count", count))
  return { times: count }
}

/**
 * Passes requests on after the duration, by the gateway's clock: with `GatewayTest.layer` the real one, in `it.effect` too.
 *
 * @since 0.1.0
 * @category faults
 */
export const delay = (duration: Duration.DurationInput): Fault => {
  ArgumentIssue.refuse("Intercept.delay", ArgumentIssue.durationIssue("its duration", duration))
  return { _tag: "Delay", duration }
}

/**
 * Answers with this status and an error in JSON.
 *
 * @since 0.1.0
 * @category faults
 */
export const failWith = (code: number): Fault => {
  ArgumentIssue.refuse("Intercept.failWith", ArgumentIssue.statusIssue(code))
  return { _tag: "Status", status: code }
}

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
export const resetInBody = (options: { readonly afterBytes: number }): Fault => {
  const issue =
    options === undefined ? "it takes { afterBytes: 100 }" : issueOf("its options", options, { afterBytes: true })
  ArgumentIssue.refuse("Intercept.resetInBody", issue ?? ArgumentIssue.bytesIssue("afterBytes", options.afterBytes))
  return { _tag: "ResetInBody", afterBytes: options.afterBytes }
}

const ofMethod = <const Given extends Where>(
  called: string,
  method: HttpMethod,
  path: string | RegExp,
  where: (Given & NoMore<Given, Where>) | undefined
): MatcherOf<Given> => {
  const any = path === undefined ? "; Intercept.any() takes requests at any path" : ""
  const issue = ArgumentIssue.pathIssue(path)
  ArgumentIssue.refuse(
    `Intercept.${called}`,
    issue === undefined ? issueOf("its second argument", where, whereNames) : `${issue}${any}`
  )
  return { ...where, method, path } as MatcherOf<Given>
}

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

const given = (called: string, options: AnswerOptions = {}) => {
  const { headers, status: code } = options ?? {}
  ArgumentIssue.refuse(
    `Intercept.${called}`,
    issueOf("its options", options, answerOptions) ??
      (code === undefined ? undefined : ArgumentIssue.statusIssue(code)) ??
      ArgumentIssue.headersIssue(headers)
  )
  return {
    ...(code === undefined ? {} : { status: code }),
    ...(headers === undefined ? {} : { headers })
  }
}

const sseIssue = (events: unknown, options: SseOptions): string | undefined => {
  const issue = issueOf("its options", options, sseOptions)
  if (issue !== undefined) return issue
  const { headers, interval } = options
  if (!ITERABLE.some((symbol) => Predicate.hasProperty(events, symbol))) {
    return `events are an array, an iterable or a Stream, not ${kindOf(events)}`
  }
  const wrong = Array.isArray(events)
    ? events.map(ServerSentEvents.issueOf).find((one) => one !== undefined)
    : undefined
  return (
    wrong ??
    (interval === undefined ? undefined : ArgumentIssue.durationIssue("its interval", interval)) ??
    ArgumentIssue.headersIssue(headers)
  )
}

const whereNames: OptionNames<Where> = { query: true, headers: true, body: true, api: true }

const anyNames: OptionNames<Omit<RequestMatcher, "method">> = { path: true, ...whereNames }

const answerOptions: OptionNames<AnswerOptions> = { status: true, headers: true }

/** The last is that of a Stream, which costs start-up time. */
const ITERABLE = [Symbol.iterator, Symbol.asyncIterator, Symbol.for("effect/Stream")]

const sseOptions: OptionNames<SseOptions> = { interval: true, headers: true }
