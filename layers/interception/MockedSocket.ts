/**
 * A WebSocket that a handler of the test's answers: what waits to be read or sent is bounded in bytes.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Ws from "ws"
import type { MockedWebSocket } from "../../src/HttpInterception.js"
import * as ArgumentIssue from "../../src/internal/ArgumentIssue.js"
import { kindOf } from "../../src/internal/OptionNames.js"
import type { Account, Budget } from "../../src/MemoryBudget.js"
import type { WebSocketRecord } from "./WebSocketRecord.js"

type Message = string | Uint8Array

export class MockedSocket {
  readonly #webSocket: Ws.WebSocket
  readonly #record: WebSocketRecord
  readonly #budget: Budget
  readonly #account: Account
  readonly #inbox = Effect.runSync(Mailbox.make<Message>())
  /** Of the inbox, in bytes. */
  #unread = 0
  /** Of messages whose senders wait, in bytes. */
  #waiting = 0
  readonly #sending = Effect.unsafeMakeSemaphore(1)
  readonly #senders = new Set<() => void>()
  readonly #onOverflow: (failure: string) => void

  /** `onOverflow` is told why the WebSocket was dropped. */
  constructor(webSocket: Ws.WebSocket, record: WebSocketRecord, budget: Budget, onOverflow: (failure: string) => void) {
    this.#webSocket = webSocket
    this.#record = record
    this.#budget = budget
    this.#account = budget.open()
    this.#onOverflow = onOverflow
    webSocket.on("message", (data, isBinary) => {
      const bytes = bytesOf(data)
      const received = isBinary ? bytes : bytes.toString("utf8")
      record.message("client", received)
      // Once the handler has ended, nothing is read.
      if (!this.#inbox.unsafeOffer(received)) return
      this.#unread += bytes.length
      this.#settle()
      // The client waits for a handler that reads slowly, as for a service that does.
      if (this.#unread > this.#mark) webSocket.pause()
    })
    webSocket.on("error", () => {})
    webSocket.on("close", (code, reason) => {
      this.#inbox.unsafeDone(Exit.void)
      this.#account.close()
      this.#wakeSenders()
      record.end(code, reason.toString("utf8"))
    })
  }

  /** What the handler gets. */
  get mocked(): MockedWebSocket {
    return {
      request: this.#record.request,
      // One by one: a handler may read some in one place, and the rest in another.
      messages: Stream.repeatEffectOption(Effect.mapError(this.#next, () => Option.none())),
      send: this.#send,
      close: (code, reason) =>
        Effect.sync(() => {
          ArgumentIssue.refuse("close", codeIssue(code) ?? reasonIssue(reason))
          this.close(code, reason)
        })
    }
  }

  /** Nothing more is read for the handler; the client's close frame is. */
  close(code = 1000, reason = ""): void {
    this.#webSocket.close(code, reason)
    this.#webSocket.resume()
  }

  /** The handler has ended. */
  end(): void {
    Effect.runSync(this.#inbox.shutdown)
    this.#unread = 0
  }

  readonly #next = Effect.suspend(() =>
    Effect.tap(this.#inbox.take, (message) =>
      Effect.sync(() => {
        this.#unread -= sizeOf(message)
        this.#settle()
        if (this.#webSocket.isPaused && this.#unread <= this.#mark / 2) this.#webSocket.resume()
      })
    )
  )

  /** In the order of the calls; waits where the client is slow to read. */
  readonly #send = (data: Message): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (typeof data !== "string" && !(data instanceof Uint8Array)) {
        return Effect.die(new TypeError(`send: a message is a string or a Uint8Array, not ${kindOf(data)}.`))
      }
      // At once where no sender waits: the handler may close it next.
      if (!this.#isOpen || (this.#waiting === 0 && this.#hasRoom)) return this.#sendNow(data)
      const size = sizeOf(data)
      const unsent = this.#webSocket.bufferedAmount + this.#waiting
      if (this.#waiting > 0 && unsent + size > MAX_WAITING) return this.#drop(unsent)
      this.#waiting += size
      return Effect.ensuring(
        this.#sending.withPermits(1)(Effect.zipRight(this.#room, this.#sendNow(data))),
        Effect.sync(() => {
          this.#waiting -= size
          this.#settle()
        })
      )
    })

  #sendNow(data: Message): Effect.Effect<void> {
    return Effect.sync(() => {
      if (!this.#isOpen) return
      this.#record.message("service", data)
      this.#webSocket.send(data, () => {
        this.#settle()
        this.#wakeSenders()
      })
      this.#settle()
    })
  }

  /** Waits until the client has read enough. */
  readonly #room = Effect.suspend(() => {
    if (this.#hasRoom) return Effect.void
    return Effect.async<void>((resume) => {
      const look = () => {
        if (!this.#hasRoom) return
        this.#senders.delete(look)
        resume(Effect.void)
      }
      this.#senders.add(look)
      // There may be room since the fiber has yielded.
      look()
      return Effect.sync(() => this.#senders.delete(look))
    })
  })

  #drop(unsent: number): Effect.Effect<void> {
    return Effect.sync(() => {
      const failure = `the handler sends faster than its client reads: ${unsent} bytes wait. Await each send`
      this.#record.note(failure)
      this.#onOverflow(failure)
      this.#webSocket.terminate()
    })
  }

  get #isOpen(): boolean {
    return this.#webSocket.readyState === Ws.WebSocket.OPEN
  }

  get #hasRoom(): boolean {
    return !this.#isOpen || this.#webSocket.bufferedAmount <= this.#mark
  }

  /** What may wait in each direction, in bytes: less while the process holds too much. */
  get #mark(): number {
    return this.#budget.isExceeded ? Math.min(HIGH_WATER_MARK, this.#budget.share) : HIGH_WATER_MARK
  }

  #settle(): void {
    this.#account.set(this.#unread + this.#waiting + this.#webSocket.bufferedAmount)
  }

  #wakeSenders(): void {
    for (const look of [...this.#senders]) look()
  }
}

/** Those that an end may send (RFC 6455 section 7.4). */
const codeIssue = (code: unknown): string | undefined =>
  code === undefined ||
  (Number.isInteger(code) &&
    (((code as number) >= 1000 && (code as number) <= 1014 && !UNSENT_CODES.has(code as number)) ||
      ((code as number) >= 3000 && (code as number) <= 4999)))
    ? undefined
    : `its code is 1000, another that may be sent, or one from 3000 to 4999, not ${ArgumentIssue.shown(code)}`

const UNSENT_CODES: ReadonlySet<number> = new Set([1004, 1005, 1006])

/** A control frame has 125 bytes, of which two are the code. */
const reasonIssue = (reason: unknown): string | undefined =>
  reason === undefined || (typeof reason === "string" && Buffer.byteLength(reason) <= 123)
    ? undefined
    : `its reason is a string of at most 123 bytes, not ${typeof reason === "string" ? "a longer one" : kindOf(reason)}`

const sizeOf = (message: Message): number => Buffer.byteLength(message)

const bytesOf = (data: Ws.RawData): Buffer =>
  Array.isArray(data) ? Buffer.concat(data) : Buffer.isBuffer(data) ? data : Buffer.from(data)

/** As that of connections between programs, in bytes. */
const HIGH_WATER_MARK = 4 * 1024 * 1024

/** What a handler that doesn't wait may have unsent, in bytes. */
const MAX_WAITING = 4 * HIGH_WATER_MARK
