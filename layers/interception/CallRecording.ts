/**
 * What an interceptor records of the exchanges that it takes, and the view of it that a test has.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type {
  Interceptor,
  RecordedCall,
  RecordedWebSocket,
  RecordedWebSocketMessage,
  WebSocketInterceptor
} from "../../src/HttpInterception.js"
import type { Exchange } from "../http/NodeHttpGateway.js"
import type { Matched } from "./Matching.js"
import * as RecordedExchange from "./RecordedExchange.js"
import { Recording } from "./Recording.js"
import type { RecordingBudget } from "./RecordingBudget.js"
import type { WebSocketRecorder } from "./WebSocketRecord.js"

/** How the interceptors of a gateway record. */
export interface Recorder {
  /** Of each body and message, in bytes. */
  readonly maxBytes: number
  readonly budget: RecordingBudget
  /** Milliseconds since 1970, on a monotonic clock. */
  readonly now: () => number
}

/** By the clock's monotonic time. */
export const makeRecorder = (maxBytes: number, budget: RecordingBudget, clock: Clock.Clock): Recorder => {
  const origin = clock.unsafeCurrentTimeMillis() - Number(clock.unsafeCurrentTimeNanos()) / 1e6
  return { maxBytes, budget, now: () => Math.round(origin + Number(clock.unsafeCurrentTimeNanos()) / 1e6) }
}

export interface CallRecording {
  readonly interceptor: Interceptor
  /** Records the exchange as a call. */
  readonly watch: (exchange: Exchange, matched: Matched) => RecordedExchange.RecordedExchange
}

export interface WebSocketRecording {
  readonly interceptor: WebSocketInterceptor
  readonly recorder: WebSocketRecorder
}

/** Records the calls of the interceptor until the scope closes; `label` names it in errors. */
export const ofCalls = (
  label: string,
  name: string,
  recorder: Recorder
): Effect.Effect<CallRecording, never, Scope.Scope> =>
  Effect.map(recordingOf<RecordedCall>(label), (calls) => ({
    interceptor: interceptorOf(name, calls),
    watch: (exchange, matched) => RecordedExchange.watch(exchange, matched, { ...recorder, onEnd: calls.add })
  }))

/** Records the WebSockets of the interceptor until the scope closes; `label` names it in errors. */
export const ofWebSockets = (
  label: string,
  name: string,
  recorder: Recorder
): Effect.Effect<WebSocketRecording, never, Scope.Scope> =>
  Effect.gen(function* () {
    const calls = yield* recordingOf<RecordedWebSocket>(label)
    const messages = yield* recordingOf<RecordedWebSocketMessage>(label)
    const open = new Set<() => void>()
    const interceptor: WebSocketInterceptor = {
      ...interceptorOf(name, calls),
      reset: Effect.zipRight(calls.reset, messages.reset),
      messages: messages.all,
      awaitMessage: messages.awaitNth,
      messageStream: messages.stream,
      drop: Effect.sync(() => {
        for (const drop of open) drop()
      })
    }
    return { interceptor, recorder: { ...recorder, onMessage: messages.add, onEnd: calls.add, open } }
  })

const interceptorOf = <Call>(name: string, calls: Recording<Call>): Interceptor<Call> => ({
  name,
  calls: calls.all,
  awaitCall: calls.awaitNth,
  stream: calls.stream,
  reset: calls.reset
})

const recordingOf = <A>(label: string) =>
  Effect.acquireRelease(
    Effect.sync(() => new Recording<A>(label)),
    (recording) => Effect.sync(recording.end)
  )
