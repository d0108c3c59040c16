/**
 * Interceptors for tests without Effect.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { AwaitOptions, Interceptor, MockedWebSocket, WebSocketInterceptor } from "../../../src/HttpInterception.js"
import type {
  RecordedCall,
  RecordedRequest,
  RecordedWebSocket,
  RecordedWebSocketMessage
} from "../../../src/RecordedCall.js"
import { toAsyncIterable } from "../../promise/AsyncIterables.js"
import * as Promises from "../../promise/Promises.js"

/**
 * What an interceptor has recorded. Calls are in the order in which they ended.
 *
 * @since 0.1.0
 * @category models
 */
export interface TestCalls<Call = RecordedCall> {
  readonly name: string
  /** The calls that have ended, since the last `reset`. */
  readonly calls: () => ReadonlyArray<Call>
  /**
   * Resolves with the n-th call, counted from 1, once it was answered. Rejects where the interceptor is removed first
   * or the timeout passes; then its message lists what was recorded instead. The timeout is in real time, though timers
   * be faked.
   */
  readonly awaitCall: (n: number, options?: AwaitOptions) => Promise<Call>
  /** Resolves with the n-th request, counted from 1, once it has arrived with its whole body, answered or not. */
  readonly awaitRequest: (n: number, options?: AwaitOptions) => Promise<RecordedRequest>
  /** Every call since the last `reset` and from now on; ends when the interceptor is removed. */
  readonly stream: AsyncIterable<Call>
  /** Forgets the calls. The count for `times` isn't reset. */
  readonly reset: () => void
}

/**
 * An interceptor, installed until it is closed.
 *
 * @since 0.1.0
 * @category models
 */
export interface TestInterceptor<Call = RecordedCall> extends TestCalls<Call>, AsyncDisposable {
  /** Removes it: the interceptor beneath or the service takes its requests again. */
  readonly close: () => Promise<void>
}

/**
 * What an interceptor of WebSockets has recorded: messages as they arrive, and WebSockets as calls once they have
 * closed.
 *
 * @since 0.1.0
 * @category models
 */
export interface TestWebSockets extends TestCalls<RecordedWebSocket> {
  /** The messages of all its WebSockets, since the last `reset`. */
  readonly messages: () => ReadonlyArray<RecordedWebSocketMessage>
  /** Resolves with the n-th message, counted from 1. Rejects where the interceptor is removed first. */
  readonly awaitMessage: (n: number, options?: AwaitOptions) => Promise<RecordedWebSocketMessage>
  readonly messageStream: AsyncIterable<RecordedWebSocketMessage>
  /** Drops its open WebSockets on both sides without a close frame, as a crash of the service would. */
  readonly drop: () => void
}

/**
 * An interceptor of WebSockets, installed until it is closed.
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
  /** What the client sends: text messages as strings, binary ones as bytes. Ends when the WebSocket closes. */
  readonly messages: AsyncIterable<string | Uint8Array>
  /**
   * Sends to the client: a string as a text message, bytes as a binary one. Does nothing once the WebSocket has closed. Resolves
   * once the client has room for more; where that isn't awaited and 16 MiB are unsent, the WebSocket is dropped.
   */
  readonly send: (data: string | Uint8Array) => Promise<void>
  /** Default code 1000. */
  readonly close: (code?: number, reason?: string) => void
}

/**
 * An interceptor with promises.
 *
 * @since 0.1.0
 * @category conversions
 */
export const callsOf = <Call>({
  awaitCall,
  awaitRequest,
  calls,
  name,
  reset,
  stream
}: Interceptor<Call>): TestCalls<Call> => ({
  name,
  calls: () => Effect.runSync(calls),
  awaitCall: (n, options) => Promises.run(awaitCall(n, options)),
  awaitRequest: (n, options) => Promises.run(awaitRequest(n, options)),
  stream: toAsyncIterable(stream),
  reset: () => Effect.runSync(reset)
})

/**
 * An interceptor of WebSockets with promises.
 *
 * @since 0.1.0
 * @category conversions
 */
export const webSocketsOf = (interceptor: WebSocketInterceptor): TestWebSockets => ({
  ...callsOf(interceptor),
  messages: () => Effect.runSync(interceptor.messages),
  awaitMessage: (n, options) => Promises.run(interceptor.awaitMessage(n, options)),
  messageStream: toAsyncIterable(interceptor.messageStream),
  drop: () => Effect.runSync(interceptor.drop)
})

/**
 * A WebSocket for a handler without Effect.
 *
 * @since 0.1.0
 * @category conversions
 */
export const webSocketOf = ({ close, messages, request, send }: MockedWebSocket): TestWebSocket => ({
  request,
  messages: toAsyncIterable(messages),
  send: (data) => Promises.run(send(data)),
  close: (code, reason) => Promises.runSync(close(code, reason))
})
