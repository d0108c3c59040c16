/**
 * HttpInterception on the gateway of this process.
 *
 * @since 0.1.0
 */
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Discovery } from "../src/Discovery.js"
import { HttpGateway } from "../src/HttpGateway.js"
import type {
  Installing,
  InterceptorOptions,
  RequestMatcher,
  WebSocketHandler,
  WebSocketInterceptor
} from "../src/HttpInterception.js"
import { HttpInterception } from "../src/HttpInterception.js"
import { fromService } from "./http/NodeHttpGateway.js"
import * as ApiRequests from "./interception/ApiRequests.js"
import * as CallRecording from "./interception/CallRecording.js"
import * as Faults from "./interception/Faults.js"
import * as Installation from "./interception/Installation.js"
import { type Group, Interceptors, verify } from "./interception/Interceptors.js"
import * as Matching from "./interception/Matching.js"
import * as Preflight from "./interception/Preflight.js"
import * as WebSocketMock from "./interception/WebSocketMock.js"
import * as WebSocketSpy from "./interception/WebSocketSpy.js"
import * as ConfigOptions from "./ipc/ConfigOptions.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface HttpInterceptionOptions {
  /** How much of each body is recorded, in bytes; a body matcher sees no larger body. Default 1 MiB. */
  readonly maxRecordedBytes?: number | undefined
  /** The `cors` of every mock that doesn't set it. Default false. */
  readonly cors?: boolean | undefined
}

/**
 * Intercepts on the gateway until the scope closes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: (
  options?: HttpInterceptionOptions
) => Effect.Effect<HttpInterception.Service, never, Scope.Scope | HttpGateway | Discovery> = Effect.fnUntraced(
  function* (options: HttpInterceptionOptions = {}) {
    const gateway = yield* Effect.flatMap(HttpGateway, fromService)
    const discovery = yield* Discovery
    // The gateway's clock, not the one of the test that installs an interceptor: requests arrive over sockets.
    const clock = yield* Effect.clock
    const maxBytes = options.maxRecordedBytes ?? 1024 * 1024
    const interceptors = new Interceptors()
    const install = Installation.make(gateway, interceptors, ApiRequests.make(discovery), maxBytes)
    yield* gateway.onUnmatched(interceptors.onUnmatched)

    const recordCalls = (label: string, name: string) =>
      CallRecording.ofCalls(`The ${label} ${name}`, name, maxBytes, clock)
    const recordWebSockets = (label: string, name: string) =>
      CallRecording.ofWebSockets(`The ${label} ${name}`, name, maxBytes, clock)

    const serviceOf = (group: Group): HttpInterception.Service => ({
      mock: (matcher, answer, mockOptions = {}) =>
        Effect.gen(function* () {
          const cors = mockOptions.cors ?? options.cors ?? false
          const name = mockOptions.name ?? Matching.textOf(matcher)
          const { interceptor, watch } = yield* recordCalls("mock", name)
          const handler = yield* gateway.handler(answer)
          yield* install(group, {
            kind: "mock",
            name,
            matcher,
            options: { ...mockOptions, cors },
            take: (exchange, matched) => {
              const { request, response } = watch(exchange, matched).exchange
              if (cors) Preflight.allow(request, response)
              handler.handle(request, response, { value: handler, ...matched })
            }
          })
          return interceptor
        }),
      spy: (matcher, spyOptions = {}) =>
        Effect.gen(function* () {
          const name = spyOptions.name ?? Matching.textOf(matcher)
          const { interceptor, watch } = yield* recordCalls("spy", name)
          yield* install(group, {
            kind: "spy",
            name,
            matcher,
            options: spyOptions,
            take: (exchange, matched, passOn) => {
              passOn(watch(exchange, matched).exchange)
            }
          })
          return interceptor
        }),
      fault: (matcher, fault, faultOptions = {}) =>
        Effect.gen(function* () {
          const name = faultOptions.name ?? `${fault._tag} of ${Matching.textOf(matcher)}`
          const { interceptor, watch } = yield* recordCalls("fault", name)
          const { apply } = yield* Faults.make(fault, name, clock)
          yield* install(group, {
            kind: "fault",
            name,
            matcher,
            options: faultOptions,
            take: (exchange, matched, passOn) => {
              const recorded = watch(exchange, matched)
              apply(recorded.exchange, recorded.fail, passOn)
            }
          })
          return interceptor
        }),
      webSocket: <E, R = never>(
        matcher: RequestMatcher,
        handler: WebSocketHandler<E, R>,
        webSocketOptions: InterceptorOptions = {}
      ): Installing<WebSocketInterceptor, R> =>
        Effect.gen(function* () {
          const name = webSocketOptions.name ?? Matching.textOf(matcher)
          const { interceptor, recorder } = yield* recordWebSockets("WebSocket mock", name)
          const take = yield* WebSocketMock.make(handler, recorder)
          yield* install(group, { kind: "webSocket", name, matcher, options: webSocketOptions, take })
          return interceptor
        }),
      spyWebSocket: (matcher, spyOptions = {}) =>
        Effect.gen(function* () {
          const name = spyOptions.name ?? Matching.textOf(matcher)
          const { interceptor, recorder } = yield* recordWebSockets("WebSocket spy", name)
          yield* install(group, {
            kind: "spyWebSocket",
            name,
            matcher,
            options: spyOptions,
            take: (exchange, matched, passOn) => WebSocketSpy.watch(exchange, matched, recorder, passOn)
          })
          return interceptor
        }),
      unmatched: Effect.sync(() => group.unmatched.slice()),
      verify: verify(group),
      strict: Effect.flatMap(interceptors.group(true), (strict) =>
        Effect.as(
          Effect.addFinalizer((exit) => (Exit.isSuccess(exit) ? Effect.orDie(verify(strict)) : Effect.void)),
          serviceOf(strict)
        )
      )
    })

    return serviceOf(yield* interceptors.group(false))
  }
)

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: HttpInterceptionOptions = {}
): Layer.Layer<HttpInterception, never, HttpGateway | Discovery> => Layer.scoped(HttpInterception, make(options))

/**
 * The options as Config gives them.
 *
 * @since 0.2.0
 * @category layers
 */
export const layerConfig = (
  options: ConfigOptions.ConfigOptions<HttpInterceptionOptions> = {}
): Layer.Layer<HttpInterception, ConfigError, HttpGateway | Discovery> =>
  Layer.scoped(HttpInterception, Effect.flatMap(ConfigOptions.given(options), make))
