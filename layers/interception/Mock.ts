/**
 * Answers exchanges with a handler of the test's.
 *
 * @internal
 */
import type * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import type { HttpRouteRequest } from "../../src/HttpGateway.js"
import type { MockRequest } from "../../src/HttpInterception.js"
import * as RunFork from "../../src/internal/RunFork.js"
import type { RequestMatcher } from "../../src/RequestMatcher.js"
import type { NodeHttpGateway } from "../http/NodeHttpGateway.js"
import * as PathPrefix from "../http/proxy/PathPrefix.js"
import { pathOf } from "../http/RequestTarget.js"
import * as RouteHandler from "../http/RouteHandler.js"
import * as Answers from "./Answers.js"
import type { CallRecording } from "./CallRecording.js"
import type { Forwarding } from "./Forwarding.js"
import type { Taken } from "./Installation.js"
import * as MatchedBody from "./MatchedBody.js"
import * as Preflight from "./Preflight.js"
import { ReplayedRequest } from "./ReplayedRequest.js"

/** A handler's result that is answered and counts as a failure of the handler all the same. */
export class FailedAnswer {
  constructor(
    readonly answer: unknown,
    readonly failure: string
  ) {}
}

export interface MockSetup<E, R> {
  readonly matcher: RequestMatcher
  readonly handler: (request: MockRequest<never>) => Effect.Effect<unknown, E, R>
  readonly cors: boolean
  readonly delay: Duration.DurationInput | undefined
  /** The gateway's. */
  readonly clock: Clock.Clock
  readonly watch: CallRecording["watch"]
  readonly forwarding: Forwarding
  readonly onFailure: (request: Pick<HttpRouteRequest, "method" | "path">, failure: string, error: unknown) => void
}

/** Answers until the scope closes; then the runs in progress are interrupted, and their clients get a 503. */
export const make = <E, R>(
  gateway: NodeHttpGateway,
  setup: MockSetup<E, R>
): Effect.Effect<(taken: Taken) => void, never, R | Scope.Scope> =>
  Effect.gen(function* () {
    const { clock, cors, delay, forwarding, handler, matcher, onFailure, watch } = setup
    const scope = yield* Effect.scope
    const runSync = Runtime.runSync(yield* RunFork.runtime<R>())

    return ({ body, decline, exchange, installed, matched, passOn }) => {
      const recorded = watch(exchange, matched)
      const { request, response } = recorded.exchange
      let passed = false

      const allowOrigin = Effect.sync(() => {
        if (cors && !passed && !response.headersSent) Preflight.allow(request, response)
      })
      const pass = ({ bytes }: HttpRouteRequest) =>
        Effect.sync(() => {
          passed = true
          recorded.discard()
          decline()
          const replayed = new ReplayedRequest(exchange.request, Buffer.from(bytes), true)
          passOn({ ...exchange, request: replayed.asMessage })
          return RouteHandler.passedOn
        })

      const answer = (route: HttpRouteRequest): Effect.Effect<unknown, unknown, R> => {
        const target = request.url as string
        const asked = mockRequest(route, matched.strippedPrefix, body, matcher, (changes) =>
          forwarding.forward(installed, route, target, changes)
        )
        const answered = Effect.flatMap(
          Effect.suspend(() => handler(asked)),
          (result): Effect.Effect<unknown, unknown> => {
            if (Predicate.isTagged(result, "effect-ipc/Pass")) return pass(route)
            if (!(result instanceof FailedAnswer)) return Answers.toSendable(result, clock)
            fail(result.failure, new Error(result.failure))
            return Effect.succeed(result.answer)
          }
        ).pipe(Effect.ensuring(allowOrigin))
        return delay === undefined ? answered : Effect.zipRight(Effect.withClock(Effect.sleep(delay), clock), answered)
      }
      const fail = (message: string, error: unknown) => {
        const failure = `the handler failed: ${message}`
        recorded.note(failure)
        onFailure({ method: request.method as string, path: pathOf(request.url as string) }, failure, error)
      }

      // A handler of its own for each exchange, which knows the exchange's record.
      const exchangeScope = runSync(Scope.fork(scope, ExecutionStrategy.sequential))
      response.once("close", () => Effect.runFork(Scope.close(exchangeScope, Exit.void)))
      const routeHandler = runSync(
        Scope.extend(
          gateway.handler(answer, {
            onFailure: fail,
            route: typeof matcher.path === "string" ? matcher.path : undefined
          }),
          exchangeScope
        )
      )
      routeHandler.handle(request, response, { value: routeHandler, ...matched })
    }
  })

/** A plain object, which any assertion can compare, copy and print. */
const mockRequest = (
  { body, bytes, headers, method, params, path, query }: HttpRouteRequest,
  strippedPrefix: string | undefined,
  matchedBody: MatchedBody.MatchedBody | undefined,
  matcher: RequestMatcher,
  forward: MockRequest["forward"]
): MockRequest<never> => ({
  method,
  path: strippedPrefix === undefined ? path : PathPrefix.strip(path, strippedPrefix),
  params: { ...params },
  query: { ...query },
  headers: strippedPrefix === undefined ? { ...headers } : withPrefix(headers, strippedPrefix),
  body: (matchedBody === undefined || matcher.body === undefined
    ? body
    : MatchedBody.given(matchedBody, matcher.body, body)) as never,
  bytes,
  forward
})

/** The headers that a service gets whose prefix is taken off, behind that of a proxy before. */
const withPrefix = (headers: HttpRouteRequest["headers"], prefix: string): HttpRouteRequest["headers"] => {
  const before = headers["x-forwarded-prefix"]?.replace(/\/+$/, "") ?? ""
  return { ...headers, "x-forwarded-prefix": before + prefix }
}
