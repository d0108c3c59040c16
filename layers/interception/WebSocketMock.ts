/**
 * Answers WebSockets in place of the service.
 */
import { setTimeout } from "node:timers"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { RuntimeFiber } from "effect/Fiber"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Ws from "ws"
import type { MockedWebSocket, WebSocketHandler } from "../../src/HttpInterception.js"
import { messageOf } from "../../src/internal/ErrorMessage.js"
import * as RunFork from "../../src/internal/RunFork.js"
import type { RecordedRequest } from "../../src/RecordedCall.js"
import type { Taken } from "./Installation.js"
import * as WebSocketRecord from "./WebSocketRecord.js"

/**
 * Answers WebSockets with the handler until the scope closes: then the open ones are closed with 1001, and their handlers
 * interrupted.
 */
export const make = <E, R>(
  handler: WebSocketHandler<E, R>,
  recorder: WebSocketRecord.WebSocketRecorder,
  onFailure: (request: RecordedRequest, failure: string, error: unknown) => void
): Effect.Effect<(taken: Taken) => void, never, R | Scope.Scope> =>
  Effect.gen(function* () {
    const runtime = yield* RunFork.runtime<R>()
    const server = new Ws.WebSocketServer({
      noServer: true,
      clientTracking: true,
      perMessageDeflate: false,
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

    const run = (
      mocked: MockedWebSocket,
      record: WebSocketRecord.WebSocketRecord,
      close: (code: number, reason?: string) => void
    ) => {
      const fiber = Runtime.runFork(runtime)(Effect.suspend(() => handler(mocked)))
      fibers.add(fiber)
      fiber.addObserver((exit) => {
        fibers.delete(fiber)
        if (Exit.isSuccess(exit)) return close(1000)
        if (Cause.isInterruptedOnly(exit.cause)) return close(1001, REMOVED)
        const error = Cause.squash(exit.cause)
        const failure = `the handler failed: ${messageOf(error)}`
        record.note(failure)
        onFailure(record.request, failure, error)
        close(1011, shortened(messageOf(error)))
      })
    }

    return ({ exchange: { request, upgrade }, matched }) => {
      if (upgrade === undefined) return
      server.handleUpgrade(request, upgrade.take(), upgrade.head, (webSocket) => {
        const record = WebSocketRecord.make(recorder, { request }, matched, () => webSocket.terminate())
        const inbox = Effect.runSync(Mailbox.make<string | Uint8Array>())
        webSocket.on("message", (data, isBinary) => {
          const received = isBinary ? bytesOf(data) : bytesOf(data).toString("utf8")
          record.message("client", received)
          inbox.unsafeOffer(received)
        })
        webSocket.on("error", () => {})
        webSocket.on("close", (code, reason) => {
          inbox.unsafeDone(Exit.void)
          record.end(code, reason.toString("utf8"))
        })
        const mocked: MockedWebSocket = {
          request: record.request,
          // One by one: a handler may read some in one place, and the rest in another.
          messages: Stream.repeatEffectOption(Effect.mapError(inbox.take, () => Option.none())),
          send: (data) =>
            Effect.sync(() => {
              if (webSocket.readyState !== Ws.WebSocket.OPEN) return
              record.message("service", data)
              webSocket.send(data)
            }),
          close: (code = 1000, reason = "") => Effect.sync(() => webSocket.close(code, reason))
        }
        run(mocked, record, (code, reason) => webSocket.close(code, reason))
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
      // A client that doesn't answer the close frame.
      setTimeout(() => webSocket.terminate(), CLOSE_MILLIS).unref()
    }
  })

const bytesOf = (data: Ws.RawData): Buffer =>
  Array.isArray(data) ? Buffer.concat(data) : Buffer.isBuffer(data) ? data : Buffer.from(data)

/** A close frame holds a reason of at most 123 bytes (RFC 6455 section 5.5). */
const shortened = (reason: string): string => {
  let end = Math.min(reason.length, 123)
  while (Buffer.byteLength(reason.slice(0, end)) > 123) end--
  return reason.slice(0, end)
}

const REMOVED = "the interceptor was removed"

const CLOSE_MILLIS = 1_000
