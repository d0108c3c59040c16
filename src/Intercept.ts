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
import type * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { HttpMethod, HttpRouteHandler } from "./HttpGateway.js"
import type { Fault } from "./HttpInterception.js"
import { check, type OptionNames } from "./internal/OptionNames.js"
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
 * @since 0.1.0
 * @category matchers
 */
export const get = <const Given extends Where>(
  path: string | RegExp,
  where?: Given & NoMore<Given, Where>
): MatcherOf<Given> => request("GET", path, where)

/**
 * @since 0.1.0
 * @category matchers
 */
export const post = <const Given extends Where>(
  path: string | RegExp,
  where?: Given & NoMore<Given, Where>
): MatcherOf<Given> => request("POST", path, where)

/**
 * @since 0.1.0
 * @category matchers
 */
export const put = <const Given extends Where>(
  path: string | RegExp,
  where?: Given & NoMore<Given, Where>
): MatcherOf<Given> => request("PUT", path, where)

/**
 * @since 0.1.0
 * @category matchers
 */
export const patch = <const Given extends Where>(
  path: string | RegExp,
  where?: Given & NoMore<Given, Where>
): MatcherOf<Given> => request("PATCH", path, where)

/**
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
  return answer((response) => response.json(value, head))
}

/**
 * Answers with the text.
 *
 * @since 0.1.0
 * @category answers
 */
export const text = (value: string, options?: AnswerOptions): HttpRouteHandler<unknown> => {
  const head = given(options)
  return answer((response) => Effect.succeed(response.text(value, head)))
}

/**
 * Answers with this status and no body.
 *
 * @since 0.1.0
 * @category answers
 */
export const status = (code: number, headers?: Readonly<Record<string, string>>): HttpRouteHandler<unknown> =>
  answer((response) => Effect.succeed(response.empty(given({ status: code, headers }))))

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

// Loaded with the first answer, since importing the platform costs start-up time.
const answer =
  (make: (response: typeof HttpServerResponse) => Effect.Effect<unknown, unknown>): HttpRouteHandler<unknown> =>
  () =>
    Effect.flatMap(
      Effect.promise(() => import("@effect/platform/HttpServerResponse")),
      make
    )

const given = (options: AnswerOptions = {}) => {
  check("the options of an answer", options, answerOptions)
  const { headers, status: code } = options
  return {
    ...(code === undefined ? {} : { status: code }),
    ...(headers === undefined ? {} : { headers })
  }
}

const answerOptions: OptionNames<AnswerOptions> = { status: true, headers: true }
