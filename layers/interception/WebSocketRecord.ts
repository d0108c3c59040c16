/**
 * The record of one WebSocket, while it is open and once it has closed.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import type { RecordedRequest, RecordedWebSocket, RecordedWebSocketMessage } from "../../src/RecordedCall.js"
import type { Exchange } from "../http/Exchange.js"
import type { Matched } from "./Matching.js"
import * as RecordedMessage from "./RecordedMessage.js"
import type { RecordingBudget } from "./RecordingBudget.js"

export interface WebSocketRecorder {
  /** Of each message, in bytes. */
  readonly maxBytes: number
  readonly budget: RecordingBudget
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly onRequest: (request: RecordedRequest) => void
  readonly onMessage: (message: RecordedWebSocketMessage) => void
  readonly onEnd: (webSocket: RecordedWebSocket) => void
  /** Drops each WebSocket that is open. */
  readonly open: Set<() => void>
}

export interface WebSocketRecord {
  readonly request: RecordedRequest
  readonly message: (from: "client" | "service", data: string | Uint8Array) => void
  /** Why the handler of a mock failed. */
  readonly note: (failure: string) => void
  readonly end: (code: number, reason: string) => void
}

/** Begins the record of a WebSocket that has just opened; `drop` closes it without a close frame. */
export const make = (
  recorder: WebSocketRecorder,
  { request: source }: Pick<Exchange, "request">,
  matched: Matched,
  drop: () => void
): WebSocketRecord => {
  const request = RecordedMessage.requestOf(source, matched, { bytes: Buffer.alloc(0), truncated: false })
  const startedAt = recorder.now()
  recorder.open.add(drop)
  recorder.onRequest(request)
  const messages: Array<RecordedWebSocketMessage> = []
  let failure: string | undefined
  return {
    request,
    note: (reason) => {
      failure = reason
    },
    message: (from, data) => {
      const message = keep(recorder, from, data)
      if (messages.length < MAX_MESSAGES) messages.push(message)
      recorder.onMessage(message)
    },
    end: (code, reason) => {
      recorder.open.delete(drop)
      recorder.onEnd({
        request,
        messages,
        code,
        reason,
        failure,
        startedAt,
        duration: Duration.millis(recorder.now() - startedAt)
      })
    }
  }
}

const keep = (
  { budget, maxBytes, now }: WebSocketRecorder,
  from: "client" | "service",
  data: string | Uint8Array
): RecordedWebSocketMessage => {
  const whole = typeof data === "string" ? Buffer.from(data) : data
  const size = Math.min(whole.length, maxBytes)
  const isKept = budget.reserve(size)
  const bytes = whole.subarray(0, isKept ? size : 0)
  const message: { -readonly [Name in keyof RecordedWebSocketMessage]: RecordedWebSocketMessage[Name] } = {
    from,
    // A copy: the memory may be used again.
    data: typeof data === "string" ? Buffer.from(bytes).toString("utf8") : new Uint8Array(bytes),
    truncated: bytes.length < whole.length,
    at: now()
  }
  if (!isKept) return message
  const drop = () => {
    message.data = typeof data === "string" ? "" : new Uint8Array()
    message.truncated = true
  }
  budget.add({ size, drop })
  return message
}

const MAX_MESSAGES = 1_000
