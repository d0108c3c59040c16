/**
 * Records an exchange without changing it: what passes is what passed before, in the same pieces.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import type { RecordedCall, RecordedRequest } from "../../src/RecordedCall.js"
import type { Exchange } from "../http/Exchange.js"
import { pairsOf } from "../http/HeaderPairs.js"
import * as HttpBody from "../http/HttpBody.js"
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
  /** The request has arrived, with its whole body unless it is `truncated`. Called once, before `onEnd`. */
  readonly onRequest: (request: RecordedRequest) => void
  readonly onEnd: (call: RecordedCall, sent: SentHeads) => void
  /** In place of `onEnd`, where the record ends without a call. */
  readonly onDiscard: (request: RecordedRequest | undefined) => void
}

/** Heads as they were sent: a header given more than once has an entry for each value. */
export interface SentHeads {
  /** The request's path and query. */
  readonly target: string
  readonly request: HeaderPairs
  readonly response: HeaderPairs
  /** From the arrival until the head of the response, in milliseconds. */
  readonly waitMillis: number | undefined
}

type HeaderPairs = ReadonlyArray<readonly [name: string, value: string]>

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
  let arrived: RecordedRequest | undefined

  const hasBody = HttpBody.isPresent(request)
  const release = (drop: () => void) => {
    const recorded = { size: sent.size + answered.size, drop }
    recorder.budget.add(recorded)
    return recorded
  }

  const arrive = (): RecordedRequest => {
    if (arrived !== undefined) return arrived
    const truncated = sent.overflowed || (hasBody && !request.complete)
    arrived = RecordedMessage.requestOf(request, matched, { bytes: sent.bytes(), truncated })
    recorder.onRequest(arrived)
    return arrived
  }

  const end = (failure: string | undefined) => {
    if (ended) return
    ended = true
    const call: RecordedCall = {
      request: arrive(),
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
    recorder.onEnd(call, {
      target: request.url as string,
      request: pairsOf(request.rawHeaders),
      response: head?.pairs ?? [],
      waitMillis: head === undefined ? undefined : head.at - startedAt
    })
  }

  response.tap({
    onHead: (status, headers) => {
      head = { status, headers: RecordedMessage.joined(headers), pairs: headers, at: recorder.now() }
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
  const watched = (offer: Upgrade): Upgrade => ({
    ...offer,
    take: () => {
      head = { status: 101, headers: {}, pairs: [], at: recorder.now() }
      end(undefined)
      return offer.take()
    }
  })
  if (!hasBody) arrive()
  return {
    exchange: {
      request: hasBody
        ? tap(
            request,
            (chunk) => sent.add(chunk),
            () => void arrive()
          )
        : request,
      response,
      upgrade: upgrade === undefined ? undefined : watched(upgrade)
    },
    fail: end,
    note: (reason) => {
      noted = reason
    },
    discard: () => {
      if (ended) return
      ended = true
      recorder.budget.release(release(() => {}))
      recorder.onDiscard(arrived)
    }
  }
}

interface Head {
  readonly status: number
  readonly pairs: HeaderPairs
  readonly at: number
  readonly headers: Readonly<Record<string, string>>
}
