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
import type { Fault, RequestMatcher } from "./HttpInterception.js"

/**
 * What has to match beside method and path.
 *
 * @since 0.1.0
 * @category matchers
 */
export type Where = Omit<RequestMatcher, "method" | "path">

/**
 * Requests of any method, at any path unless one is given.
 *
 * @since 0.1.0
 * @category matchers
 */
export const any = (where?: Omit<RequestMatcher, "method">): RequestMatcher => ({ ...where })

/**
 * Requests of this method.
 *
 * @since 0.1.0
 * @category matchers
 */
export const request = (method: HttpMethod, path: string, where?: Where): RequestMatcher => ({
  ...where,
  method,
  path
})

/**
 * @since 0.1.0
 * @category matchers
 */
export const get = (path: string, where?: Where): RequestMatcher => request("GET", path, where)

/**
 * @since 0.1.0
 * @category matchers
 */
export const post = (path: string, where?: Where): RequestMatcher => request("POST", path, where)

/**
 * @since 0.1.0
 * @category matchers
 */
export const put = (path: string, where?: Where): RequestMatcher => request("PUT", path, where)

/**
 * @since 0.1.0
 * @category matchers
 */
export const patch = (path: string, where?: Where): RequestMatcher => request("PATCH", path, where)

/**
 * @since 0.1.0
 * @category matchers
 */
export const del = (path: string, where?: Where): RequestMatcher => request("DELETE", path, where)

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
export const json = (value: unknown, options?: AnswerOptions): HttpRouteHandler<unknown> =>
  answer((response) => response.json(value, given(options)))

/**
 * Answers with the text.
 *
 * @since 0.1.0
 * @category answers
 */
export const text = (value: string, options?: AnswerOptions): HttpRouteHandler<unknown> =>
  answer((response) => Effect.succeed(response.text(value, given(options))))

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

const given = ({ headers, status: code }: AnswerOptions = {}) => ({
  ...(code === undefined ? {} : { status: code }),
  ...(headers === undefined ? {} : { headers })
})
