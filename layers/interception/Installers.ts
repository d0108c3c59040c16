/**
 * The interceptors that a test installs: mocks, spies and faults, of requests and of WebSockets.
 *
 * @internal
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type {
  HttpInterception,
  Installing,
  InterceptorOptions,
  WebSocketHandler,
  WebSocketInterceptor
} from "../../src/HttpInterception.js"
import type { Budget } from "../../src/MemoryBudget.js"
import type { RequestMatcher } from "../../src/RequestMatcher.js"
import type { NodeHttpGateway } from "../http/NodeHttpGateway.js"
import * as CallRecording from "./CallRecording.js"
import * as Faults from "./Faults.js"
import type { Forwarding } from "./Forwarding.js"
import type { Install } from "./Installation.js"
import { type Group, type Kind, noteFailure } from "./Interceptors.js"
import * as Matching from "./Matching.js"
import * as Mock from "./Mock.js"
import * as Validation from "./Validation.js"
import * as WebSocketMock from "./WebSocketMock.js"
import * as WebSocketSpy from "./WebSocketSpy.js"

export interface InstallersContext {
  readonly gateway: NodeHttpGateway
  readonly install: Install
  readonly recorder: CallRecording.Recorder
  readonly forwarding: Forwarding
  readonly memory: Budget
  /** The gateway's. */
  readonly clock: Clock.Clock
  /** The `cors` of mocks that don't set it. */
  readonly cors: boolean
  /** Describes the requests that have arrived for the group, and how they differ from the expected one. */
  readonly arrived: (group: Group, matcher: RequestMatcher) => Effect.Effect<string>
}

export type Installers = Pick<HttpInterception.Service, "mock" | "spy" | "fault" | "webSocket" | "spyWebSocket">

/** The installers of one gateway, by group. */
export const make = (context: InstallersContext): ((group: Group) => Installers) => {
  const { clock, forwarding, gateway, install, memory, recorder } = context
  const recorded = (group: Group, kind: Kind, name: string, matcher: RequestMatcher): CallRecording.Recorded => ({
    label: `The ${kind} ${name}`,
    name,
    explain: context.arrived(group, matcher)
  })
  return (group) => ({
    mock: (match, handler, mockOptions = {}) =>
      Effect.gen(function* () {
        const matcher: RequestMatcher = match
        yield* Validation.check(matcher, Validation.mockOptions, mockOptions)
        yield* Validation.checkHandler(handler)
        const name = mockOptions.name ?? Matching.textOf(matcher)
        const { interceptor, watch } = yield* CallRecording.ofCalls(recorded(group, "mock", name, matcher), recorder)
        const cors = mockOptions.cors ?? context.cors
        const take = yield* Mock.make(gateway, {
          matcher,
          handler,
          cors,
          delay: mockOptions.delay,
          clock,
          forwarding,
          watch,
          onFailure: ({ method, path }, failure, error) =>
            noteFailure(group, { name: `mock ${name}`, method, path, failure, error })
        })
        yield* install(group, { kind: "mock", name, matcher, options: { ...mockOptions, cors }, take })
        return interceptor
      }),
    spy: (matcher, spyOptions = {}) =>
      Effect.gen(function* () {
        yield* Validation.check(matcher, Validation.interceptorOptions, spyOptions)
        const name = spyOptions.name ?? Matching.textOf(matcher)
        const { interceptor, watch } = yield* CallRecording.ofCalls(recorded(group, "spy", name, matcher), recorder)
        yield* install(group, {
          kind: "spy",
          name,
          matcher,
          options: spyOptions,
          take: ({ exchange, matched, passOn }) => passOn(watch(exchange, matched).exchange)
        })
        return interceptor
      }),
    fault: (matcher, fault, faultOptions = {}) =>
      Effect.gen(function* () {
        yield* Validation.check(matcher, Validation.interceptorOptions, faultOptions)
        yield* Validation.checkFault(fault)
        const name = faultOptions.name ?? `${fault._tag} of ${Matching.textOf(matcher)}`
        const { interceptor, watch } = yield* CallRecording.ofCalls(recorded(group, "fault", name, matcher), recorder)
        const { apply } = yield* Faults.make(fault, name, clock)
        yield* install(group, {
          kind: "fault",
          name,
          matcher,
          options: faultOptions,
          passesOn: fault._tag === "Delay" || fault._tag === "ResetInBody",
          take: ({ exchange, matched, passOn }) => {
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
        yield* Validation.check(matcher, Validation.interceptorOptions, webSocketOptions)
        yield* Validation.checkHandler(handler)
        const name = webSocketOptions.name ?? Matching.textOf(matcher)
        const recording = yield* CallRecording.ofWebSockets(recorded(group, "WebSocket mock", name, matcher), recorder)
        const take = yield* WebSocketMock.make(
          handler,
          recording.recorder,
          memory,
          ({ method, path }, failure, error) =>
            noteFailure(group, { name: `WebSocket mock ${name}`, method, path, failure, error })
        )
        yield* install(group, { kind: "WebSocket mock", name, matcher, options: webSocketOptions, take })
        return recording.interceptor
      }),
    spyWebSocket: (matcher, spyOptions = {}) =>
      Effect.gen(function* () {
        yield* Validation.check(matcher, Validation.interceptorOptions, spyOptions)
        const name = spyOptions.name ?? Matching.textOf(matcher)
        const recording = yield* CallRecording.ofWebSockets(recorded(group, "WebSocket spy", name, matcher), recorder)
        yield* install(group, {
          kind: "WebSocket spy",
          name,
          matcher,
          options: spyOptions,
          take: ({ exchange, matched, passOn }) => WebSocketSpy.watch(exchange, matched, recording.recorder, passOn)
        })
        return recording.interceptor
      })
  })
}
