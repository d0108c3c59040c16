/**
 * The record of one WebSocket, while it is open and once it has closed.
 */
import * as Duration from "effect/Duration"
import type { RecordedRequest, RecordedWebSocket, RecordedWebSocketMessage } from "../../src/HttpInterception.js"
import type { Exchange } from "../http/NodeHttpGateway.js"
import type { Matched } from "./Matching.js"
import * as RecordedExchange from "./RecordedExchange.js"

export interface WebSocketRecorder {
  /** Of each message, in bytes. */
  readonly maxBytes: number
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly onMessage: (message: RecordedWebSocketMessage) => void
  readonly onEnd: (webSocket: RecordedWebSocket) => void
  /** Drops each WebSocket that is open. */
  readonly open: Set<() => void>
}

export interface WebSocketRecord {
  readonly request: RecordedRequest
  readonly message: (from: "client" | "service", data: string | Uint8Array) => void
  readonly end: (code: number, reason: string) => void
}

/** Begins the record of a WebSocket that has just opened; `drop` closes it without a close frame. */
export const make = (
  recorder: WebSocketRecorder,
  { request: source }: Pick<Exchange, "request">,
  matched: Matched,
  drop: () => void
): WebSocketRecord => {
  const request = RecordedExchange.requestOf(source, matched, () => Buffer.alloc(0), false)
  const startedAt = recorder.now()
  recorder.open.add(drop)
  const messages: Array<RecordedWebSocketMessage> = []
  return {
    request,
    message: (from, data) => {
      const truncated = data.length > recorder.maxBytes
      const kept = typeof data === "string" ? data.slice(0, recorder.maxBytes) : data.slice(0, recorder.maxBytes)
      const message: RecordedWebSocketMessage = { from, data: kept, truncated, at: recorder.now() }
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
        startedAt,
        duration: Duration.millis(recorder.now() - startedAt)
      })
    }
  }
}

const MAX_MESSAGES = 1_000
