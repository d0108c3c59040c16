/**
 * Small responses that are ready one soon after another leave together, at the end of the event loop's turn. A write wakes
 * the client that waits for it, which costs as much as all else that such a response takes, unless the client is still busy
 * with the one before.
 *
 * @internal
 */
import type { ServerResponse } from "node:http"
import { setImmediate } from "node:timers"

/**
 * Ends a response whose head has been written: at once, or with others at the end of the turn.
 *
 * @internal
 */
export const end = (response: ServerResponse, body: string, encoding: BufferEncoding): void => {
  const now = performance.now()
  const isAlone = now - lastAt > nearMillis
  lastAt = now
  if (isAlone) {
    flush()
    response.end(body, encoding)
    return
  }
  if (waiting.length === 0) setImmediate(flush)
  waiting.push({ response, body, encoding })
  if (waiting.length === most) flush()
}

interface Ending {
  readonly response: ServerResponse
  readonly body: string
  readonly encoding: BufferEncoding
}

const flush = (): void => {
  if (waiting.length === 0) return
  const ending = waiting
  waiting = []
  for (const { body, encoding, response } of ending) {
    // The client may have disconnected meanwhile.
    if (!response.destroyed) response.end(body, encoding)
  }
}

let waiting: Array<Ending> = []
let lastAt = 0

/** Responses that lie further apart don't wait for each other: a handler that takes long holds back none. */
const nearMillis = 0.1

/** So many don't wait for more. */
const most = 64
