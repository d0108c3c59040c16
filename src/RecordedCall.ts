/**
 * What is recorded of requests and WebSockets: plain objects, which any assertion can compare, copy and print.
 *
 * @since 0.2.0
 */
import type * as Duration from "effect/Duration"

/**
 * One side of a recorded exchange.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecordedMessage {
  /** Names in lower case; a header given more than once is joined by commas. */
  readonly headers: Readonly<Record<string, string>>
  /**
   * Decoded for reading: decompressed, JSON parsed, text as a string, anything else as bytes; `undefined` without one.
   */
  readonly body: unknown
  /** The body as it was sent, up to the recording limit. */
  readonly bytes: Uint8Array
  /** Whether more was sent than recorded, or less than announced. */
  readonly truncated: boolean
}

/**
 * A request as an interceptor has seen it.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecordedRequest extends RecordedMessage {
  readonly method: string
  /** The path without the query. */
  readonly path: string
  /** The values of the matcher's `:name` and `*`, percent-decoded. */
  readonly params: Readonly<Record<string, string | undefined>>
  /** A name given more than once has all its values, in order. */
  readonly query: Readonly<Record<string, string | ReadonlyArray<string>>>
}

/**
 * A response as the client got it.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecordedResponse extends RecordedMessage {
  readonly status: number
  readonly trailers: Readonly<Record<string, string>>
}

/**
 * A request and its outcome.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecordedCall {
  readonly request: RecordedRequest
  /** The response, or the part that was sent; `undefined` where the connection was closed without one. */
  readonly response: RecordedResponse | undefined
  /** Why the response isn't complete, or the handler that failed: its message. */
  readonly failure: string | undefined
  /** When the request arrived: milliseconds since 1970, on a clock that is never set. */
  readonly startedAt: number
  /** Until the end of the response. */
  readonly duration: Duration.Duration
}

/**
 * A message of a WebSocket.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecordedWebSocketMessage {
  readonly from: "client" | "service"
  /** A string of a text message, the bytes of a binary one; up to the recording limit. */
  readonly data: string | Uint8Array
  readonly truncated: boolean
  /** In milliseconds since 1970, by the gateway's clock. */
  readonly at: number
}

/**
 * A WebSocket that has closed.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecordedWebSocket {
  readonly request: RecordedRequest
  /** Its first thousand messages; `messageStream` has all. */
  readonly messages: ReadonlyArray<RecordedWebSocketMessage>
  /** The close code, RFC 6455 section 7.4; 1006 where the connection ended without one. */
  readonly code: number
  readonly reason: string
  /** Why the handler of a mock failed. */
  readonly failure: string | undefined
  readonly startedAt: number
  readonly duration: Duration.Duration
}
