/**
 * How a server ends its HTTP exchanges: those in flight may end within a timeout, and no other begins on their connections.
 *
 * @internal
 */
import type { ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { boundedRelease } from "../../src/internal/BoundedRelease.js"
import { responseOn } from "./upgrade/ClientSocket.js"

/**
 * Closes each connection once the response that is being sent on it is sent.
 *
 * @internal
 */
export const closeAfterResponses = (sockets: Iterable<Duplex>): void => {
  for (const response of responsesOn(sockets)) {
    response.shouldKeepAlive = false
    // What Node looks at when the head has been sent already.
    Object.assign(response, { _last: true })
  }
}

/**
 * Waits until the responses that are being sent have ended, for at most the timeout.
 *
 * @internal
 */
export const drain = (sockets: Iterable<Duplex>, timeout: Duration.DurationInput): Effect.Effect<void> =>
  Effect.suspend(() => {
    const responses = responsesOn(sockets)
    if (responses.length === 0 || Duration.toMillis(timeout) === 0) return Effect.void
    const ended = Effect.forEach(responses, ending, { concurrency: "unbounded", discard: true })
    return boundedRelease(ended, timeout)
  })

const responsesOn = (sockets: Iterable<Duplex>): ReadonlyArray<ServerResponse> =>
  Array.from(sockets).flatMap((socket) => responseOn(socket) ?? [])

const ending = (response: ServerResponse): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    // It may have ended while the fiber had yielded.
    if (response.closed) return resume(Effect.void)
    const onClose = () => resume(Effect.void)
    response.once("close", onClose)
    return Effect.sync(() => {
      response.off("close", onClose)
    })
  })
