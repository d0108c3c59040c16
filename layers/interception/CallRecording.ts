/**
 * What an interceptor records of the exchanges that it takes, and the view of it that a test has.
 *
 * @internal
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Interceptor, WebSocketInterceptor } from "../../src/HttpInterception.js"
import type {
  RecordedCall,
  RecordedRequest,
  RecordedWebSocket,
  RecordedWebSocketMessage
} from "../../src/RecordedCall.js"
import type { Exchange } from "../http/Exchange.js"
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

/** Whose calls are recorded, for errors. */
export interface Recorded {
  /** Such as "The mock GET /users". */
  readonly label: string
  readonly name: string
  /** Tells what has arrived instead. */
  readonly explain: Effect.Effect<string>
}

/** Records the calls of the interceptor until the scope closes. */
export const ofCalls = (recorded: Recorded, recorder: Recorder): Effect.Effect<CallRecording, never, Scope.Scope> =>
  Effect.gen(function* () {
    const calls = yield* recordingOf<RecordedCall>(recorded, "recorded")
    const requests = yield* recordingOf<RecordedRequest>(recorded, "received")
    const onDiscard = (request: RecordedRequest | undefined) => {
      if (request !== undefined) requests.remove(request)
    }
    return {
      interceptor: interceptorOf(recorded.name, calls, requests),
      watch: (exchange, matched) =>
        RecordedExchange.watch(exchange, matched, { ...recorder, onRequest: requests.add, onEnd: calls.add, onDiscard })
    }
  })

/** Records the WebSockets of the interceptor until the scope closes. */
export const ofWebSockets = (
  recorded: Recorded,
  recorder: Recorder
): Effect.Effect<WebSocketRecording, never, Scope.Scope> =>
  Effect.gen(function* () {
    const calls = yield* recordingOf<RecordedWebSocket>(recorded, "recorded")
    const requests = yield* recordingOf<RecordedRequest>(recorded, "received")
    const messages = yield* recordingOf<RecordedWebSocketMessage>(recorded, "recorded")
    const open = new Set<() => void>()
    const ofCalls = interceptorOf(recorded.name, calls, requests)
    const interceptor: WebSocketInterceptor = {
      ...ofCalls,
      reset: Effect.zipRight(ofCalls.reset, messages.reset),
      messages: messages.all,
      awaitMessage: messages.awaitNth("awaitMessage"),
      messageStream: messages.stream,
      drop: Effect.sync(() => {
        for (const drop of open) drop()
      })
    }
    return {
      interceptor,
      recorder: { ...recorder, onRequest: requests.add, onMessage: messages.add, onEnd: calls.add, open }
    }
  })

const interceptorOf = <Call>(
  name: string,
  calls: Recording<Call>,
  requests: Recording<RecordedRequest>
): Interceptor<Call> => ({
  name,
  calls: calls.all,
  awaitCall: calls.awaitNth("awaitCall"),
  awaitRequest: requests.awaitNth("awaitRequest"),
  stream: calls.stream,
  reset: Effect.zipRight(calls.reset, requests.reset)
})

const recordingOf = <A>({ explain, label }: Recorded, done: string) =>
  Effect.acquireRelease(
    Effect.sync(() => new Recording<A>(label, done, explain)),
    (recording) => Effect.sync(recording.end)
  )
