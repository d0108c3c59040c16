/**
 * What a test that doesn't use Effect has of an interceptor.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type {
  Interceptor,
  MockedWebSocket,
  RecordedCall,
  RecordedRequest,
  RecordedWebSocket,
  RecordedWebSocketMessage,
  WebSocketInterceptor
} from "../../../src/HttpInterception.js"
import { toAsyncIterable } from "../../promise/AsyncIterables.js"
import * as Promises from "../../promise/Promises.js"

/**
 * What an interceptor has seen. Calls are in the order in which they ended.
 *
 * @since 0.1.0
 * @category models
 */
export interface TestCalls<Call = RecordedCall> {
  readonly name: string
  /** The calls that have ended, since the last `reset`. */
  readonly calls: () => ReadonlyArray<Call>
  /** Resolves with the n-th call, counted from 1. Rejects where the interceptor goes before it came. */
  readonly awaitCall: (n: number) => Promise<Call>
  /** Every call since the last `reset` and to come; ends when the interceptor goes. */
  readonly stream: AsyncIterable<Call>
  /** Forgets the calls. A limited number of calls isn't counted anew. */
  readonly reset: () => void
}

/**
 * An interceptor, in its place until it is closed.
 *
 * @since 0.1.0
 * @category models
 */
export interface TestInterceptor<Call = RecordedCall> extends TestCalls<Call>, AsyncDisposable {
  /** Removes it: what was beneath is back. */
  readonly close: () => Promise<void>
}

/**
 * What an interceptor of WebSockets has seen: messages as they come, and calls once they have closed.
 *
 * @since 0.1.0
 * @category models
 */
export interface TestWebSockets extends TestCalls<RecordedWebSocket> {
  /** The messages of all its WebSockets, since the last `reset`. */
  readonly messages: () => ReadonlyArray<RecordedWebSocketMessage>
  /** Resolves with the n-th message, counted from 1. Rejects where the interceptor goes before it came. */
  readonly awaitMessage: (n: number) => Promise<RecordedWebSocketMessage>
  readonly messageStream: AsyncIterable<RecordedWebSocketMessage>
  /** Drops those of its WebSockets that are open, on both sides and without a close frame: as a crash of the service does. */
  readonly drop: () => void
}

/**
 * An interceptor of WebSockets, in its place until it is closed.
 *
 * @since 0.1.0
 * @category models
 */
export interface TestWebSocketInterceptor extends TestWebSockets, TestInterceptor<RecordedWebSocket> {}

/**
 * A WebSocket that is answered in place of the service.
 *
 * @since 0.1.0
 * @category models
 */
export interface TestWebSocket {
  /** The request that opened it. */
  readonly request: RecordedRequest
  /** What the client sends: a string of a text message, the bytes of a binary one. Ends when it closes. */
  readonly messages: AsyncIterable<string | Uint8Array>
  /** Sends to the client; a string as a text message, bytes as a binary one. Nothing happens once it has closed. */
  readonly send: (data: string | Uint8Array) => void
  /** Default code 1000. */
  readonly close: (code?: number, reason?: string) => void
}

/**
 * What an interceptor has seen, behind promises.
 *
 * @since 0.1.0
 * @category conversions
 */
export const callsOf = <Call>({ awaitCall, calls, name, reset, stream }: Interceptor<Call>): TestCalls<Call> => ({
  name,
  calls: () => Effect.runSync(calls),
  awaitCall: (n) => Promises.run(awaitCall(n)),
  stream: toAsyncIterable(stream),
  reset: () => Effect.runSync(reset)
})

/**
 * What an interceptor of WebSockets has seen, behind promises.
 *
 * @since 0.1.0
 * @category conversions
 */
export const webSocketsOf = (interceptor: WebSocketInterceptor): TestWebSockets => ({
  ...callsOf(interceptor),
  messages: () => Effect.runSync(interceptor.messages),
  awaitMessage: (n) => Promises.run(interceptor.awaitMessage(n)),
  messageStream: toAsyncIterable(interceptor.messageStream),
  drop: () => Effect.runSync(interceptor.drop)
})

/**
 * A WebSocket as a handler without Effect answers it.
 *
 * @since 0.1.0
 * @category conversions
 */
export const webSocketOf = ({ close, messages, request, send }: MockedWebSocket): TestWebSocket => ({
  request,
  messages: toAsyncIterable(messages),
  send: (data) => Effect.runSync(send(data)),
  close: (code, reason) => Effect.runSync(close(code, reason))
})
