/**
 * Answers WebSockets in place of the service.
 *
 * @internal
 */
import { setTimeout } from "node:timers"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { RuntimeFiber } from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as Ws from "ws"
import type { WebSocketHandler } from "../../src/HttpInterception.js"
import { messageOf } from "../../src/internal/ErrorMessage.js"
import * as RunFork from "../../src/internal/RunFork.js"
import type { Budget } from "../../src/MemoryBudget.js"
import type { RecordedRequest } from "../../src/RecordedCall.js"
import type { Taken } from "./Installation.js"
import { MockedSocket } from "./MockedSocket.js"
import * as WebSocketRecord from "./WebSocketRecord.js"

/**
 * Answers WebSockets with the handler until the scope closes: then the open ones are closed with 1001, and their handlers
 * interrupted.
 */
export const make = <E, R>(
  handler: WebSocketHandler<E, R>,
  recorder: WebSocketRecord.WebSocketRecorder,
  budget: Budget,
  onFailure: (request: RecordedRequest, failure: string, error: unknown) => void
): Effect.Effect<(taken: Taken) => void, never, R | Scope.Scope> =>
  Effect.gen(function* () {
    const runtime = yield* RunFork.runtime<R>()
    const server = new Ws.WebSocketServer({
      noServer: true,
      clientTracking: true,
      perMessageDeflate: false,
      maxPayload: MAX_PAYLOAD,
      handleProtocols: (offered) => offered.values().next().value ?? false
    })
    const fibers = new Set<RuntimeFiber<unknown, unknown>>()
    yield* Effect.addFinalizer(() =>
      Effect.zipRight(
        Effect.sync(() => {
          for (const fiber of fibers) fiber.unsafeInterruptAsFork(fiber.id())
        }),
        closeAll(server)
      )
    )

    const run = (socket: MockedSocket, record: WebSocketRecord.WebSocketRecord) => {
      const fiber = Runtime.runFork(runtime)(Effect.suspend(() => handler(socket.mocked)))
      fibers.add(fiber)
      fiber.addObserver((exit) => {
        fibers.delete(fiber)
        socket.end()
        if (Exit.isSuccess(exit)) return socket.close(1000)
        if (Cause.isInterruptedOnly(exit.cause)) return socket.close(1001, REMOVED)
        const error = Cause.squash(exit.cause)
        const failure = `the handler failed: ${messageOf(error)}`
        record.note(failure)
        onFailure(record.request, failure, error)
        socket.close(1011, shortened(messageOf(error)))
      })
    }

    return ({ exchange: { request, upgrade }, matched }) => {
      if (upgrade === undefined) return
      server.handleUpgrade(request, upgrade.take(), upgrade.head, (webSocket) => {
        const record = WebSocketRecord.make(recorder, { request }, matched, () => webSocket.terminate())
        const onOverflow = (failure: string) => onFailure(record.request, failure, new Error(failure))
        run(new MockedSocket(webSocket, record, budget, onOverflow), record)
      })
    }
  })

const closeAll = (server: Ws.WebSocketServer): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    const open = Array.from(server.clients)
    if (open.length === 0) return resume(Effect.void)
    let left = open.length
    for (const webSocket of open) {
      webSocket.once("close", () => {
        if (--left === 0) resume(Effect.void)
      })
      webSocket.close(1001, REMOVED)
      // The answer to the close frame may be behind what wasn't read.
      webSocket.resume()
      // A client that doesn't answer the close frame.
      setTimeout(() => webSocket.terminate(), CLOSE_MILLIS).unref()
    }
  })

/** A close frame holds a reason of at most 123 bytes (RFC 6455 section 5.5). */
const shortened = (reason: string): string => {
  let end = Math.min(reason.length, 123)
  while (Buffer.byteLength(reason.slice(0, end)) > 123) end--
  return reason.slice(0, end)
}

const REMOVED = "the interceptor was removed"

const CLOSE_MILLIS = 1_000

/** Of one message, in bytes: a larger one closes the WebSocket with 1009. */
const MAX_PAYLOAD = 16 * 1024 * 1024
