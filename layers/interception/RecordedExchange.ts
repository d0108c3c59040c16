/**
 * Records an exchange without changing it: what passes is what passed before, in the same pieces.
 */
import * as Duration from "effect/Duration"
import type { RecordedCall } from "../../src/HttpInterception.js"
import * as HttpBody from "../http/HttpBody.js"
import type { Exchange } from "../http/NodeHttpGateway.js"
import type { Upgrade } from "../http/proxy/Forwarder.js"
import { tap } from "../http/StandInRequest.js"
import type { Matched } from "./Matching.js"
import { RecordedBody } from "./RecordedBody.js"
import * as RecordedMessage from "./RecordedMessage.js"
import type { RecordingBudget } from "./RecordingBudget.js"

export interface CallRecorder {
  /** Of each body, in bytes. */
  readonly maxBytes: number
  readonly budget: RecordingBudget
  /** Milliseconds since 1970, on a monotonic clock. */
  readonly now: () => number
  readonly onEnd: (call: RecordedCall) => void
}

/** An exchange that is recorded. */
export interface RecordedExchange {
  /** The exchange to go on with: what passes through it is recorded. */
  readonly exchange: Exchange
  /** Ends the record: why the response won't come whole, before it is cut off. */
  readonly fail: (reason: string) => void
  /** Why the response that follows is an error. */
  readonly note: (reason: string) => void
  /** Ends the record without a call. */
  readonly discard: () => void
}

/** Begins to record. */
export const watch = (exchange: Exchange, matched: Matched, recorder: CallRecorder): RecordedExchange => {
  const { request, response, upgrade } = exchange
  const startedAt = recorder.now()
  const sent = new RecordedBody(recorder.maxBytes, recorder.budget)
  const answered = new RecordedBody(recorder.maxBytes, recorder.budget)
  let head: Head | undefined
  let trailers: Readonly<Record<string, string>> = {}
  let noted: string | undefined
  let ended = false

  const hasBody = HttpBody.isPresent(request)
  const release = (drop: () => void) => {
    const recorded = { size: sent.size + answered.size, drop }
    recorder.budget.add(recorded)
    return recorded
  }

  const end = (failure: string | undefined) => {
    if (ended) return
    ended = true
    const call: RecordedCall = {
      request: RecordedMessage.requestOf(request, matched, {
        bytes: sent.bytes(),
        truncated: sent.overflowed || (hasBody && !request.complete)
      }),
      response:
        head === undefined
          ? undefined
          : RecordedMessage.responseOf(head.status, head.headers, trailers, {
              bytes: answered.bytes(),
              truncated: answered.overflowed || failure !== undefined
            }),
      failure: failure ?? noted,
      startedAt,
      duration: Duration.millis(recorder.now() - startedAt)
    }
    release(() => {
      RecordedMessage.drop(call.request)
      if (call.response !== undefined) RecordedMessage.drop(call.response)
    })
    recorder.onEnd(call)
  }

  response.tap({
    onHead: (status, headers) => {
      head = { status, headers: RecordedMessage.joined(headers) }
    },
    onBody: (bytes) => {
      answered.add(bytes)
      return true
    },
    onTrailers: (pairs) => {
      trailers = RecordedMessage.joined(pairs)
    },
    // Before the last byte is sent: a client that has the whole answer finds the call recorded.
    onEnd: () => {
      end(undefined)
      return true
    }
  })
  response.once("close", () => end(noted ?? "the connection closed before the answer was complete"))
  const onSwitched: Upgrade["onSwitched"] = (...args) => {
    upgrade?.onSwitched?.(...args)
    head = { status: 101, headers: {} }
    end(undefined)
  }
  return {
    exchange: {
      request: hasBody ? tap(request, (chunk) => sent.add(chunk)) : request,
      response,
      upgrade: upgrade === undefined ? undefined : { ...upgrade, onSwitched }
    },
    fail: end,
    note: (reason) => {
      noted = reason
    },
    discard: () => {
      if (ended) return
      ended = true
      recorder.budget.release(release(() => {}))
    }
  }
}

interface Head {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
}
