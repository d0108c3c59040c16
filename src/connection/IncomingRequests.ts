/**
 * Requests and messages of the peer: handled at once, kept until there is room, or refused.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { CloseEvent } from "../CloseEvent.js"
import { CloseCode } from "../CloseEvent.js"
import * as Execution from "../internal/Execution.js"
import { IdMap } from "../internal/IdMap.js"
import { quote } from "../internal/Printable.js"
import * as SyncEffect from "../internal/SyncEffect.js"
import type { ConnectionMemory } from "./ConnectionMemory.js"
import * as Frame from "./Frame.js"
import * as FrameLimit from "./FrameLimit.js"
import type { Handler } from "./Handlers.js"
import { failureOf } from "./Handlers.js"
import type { IPCSocketContext } from "./IPCSocketOptions.js"
import type { Outbox } from "./Outbox.js"
import * as PayloadLimit from "./PayloadLimit.js"
import { RequestBacklog } from "./RequestBacklog.js"

/** What this needs of its connection. */
export interface Connection<Caller> {
  readonly state: "open" | "closing" | "closed"
  readonly target: string
  readonly caller: Caller
  readonly startClosing: (event: CloseEvent) => void
  /** Logs that a frame was dropped. */
  readonly logDropped: (text: string, issue: string) => void
}

/** A handler that hasn't ended yet. */
interface InFlight {
  readonly id: number
  readonly bytes: number
  readonly running: Execution.Execution<unknown, Frame.Failure>
  cancelled: boolean
}

export class IncomingRequests<Caller> {
  private readonly inFlight = new IdMap<InFlight>()
  private readonly backlog: RequestBacklog
  private lastMessageId = 0
  /** The bytes of failures that wait to be sent. */
  private unreadFailures = 0

  constructor(
    private readonly context: IPCSocketContext<Caller>,
    private readonly connection: Connection<Caller>,
    private readonly outbox: Outbox,
    private readonly memory: ConnectionMemory
  ) {
    this.backlog = new RequestBacklog(memory)
  }

  /** How many handlers run. */
  get running(): number {
    return this.inFlight.size
  }

  /** How many requests and messages wait. */
  get waiting(): number {
    return this.backlog.size
  }

  /** The frames that come next are of another batch. */
  beginBatch(): void {
    this.backlog.beginBatch()
  }

  /** Takes the frame of a request or message, which begins at `start` of the batch. */
  take(text: string, batch: string, start: number): void {
    if (this.backlog.size === 0 && this.hasRoom(text.length)) this.handle(text)
    else this.keep(text, batch, start)
  }

  /** Interrupts the request's handler, or forgets the request where it waits. */
  cancel(id: number): void {
    const entry = this.inFlight.get(id)
    if (entry === undefined) {
      if (this.backlog.cancel(id)) this.resume()
      return
    }
    entry.cancelled = true
    entry.running.interrupt()
  }

  /** Handles what waits, as far as there is room. */
  resume(): void {
    while (this.backlog.size > 0 && this.connection.state === "open" && this.hasRoom(this.backlog.nextLength)) {
      const text = this.backlog.shift()
      if (text !== undefined) this.handle(text)
    }
  }

  /** Interrupts every handler and forgets what waits: the connection has ended. */
  clear(): void {
    this.backlog.clear()
    for (const { running } of this.inFlight.entries()) running.interrupt()
  }

  /** Whether one more may run: what it holds, and the response that is expected of it, have room below the mark. */
  private hasRoom(length: number): boolean {
    const { inFlight, memory } = this
    if (inFlight.size >= this.context.maxHandlersInFlight) return false
    const held = memory.outbound + memory.inFlight
    return held === 0 || held + length <= memory.mark
  }

  private keep(text: string, batch: string, start: number): void {
    const { backlog, memory } = this
    const id = text.charCodeAt(0) === Frame.typeRequest ? Frame.idOf(text) : -1
    const isFirst = backlog.size === 0 && !memory.isPressed
    const fits = isFirst || memory.backlog + text.length <= memory.mark
    // A second request of the same id is told apart when it is handled.
    if (fits && (id < 0 || !backlog.has(id))) return backlog.push(batch, start, start + text.length, id)
    const issue = `too many requests wait: this connection holds ${memory.bytes} bytes, ${memory.outbound} of them unread`
    this.refuse(text, issue, "Overloaded")
    this.connection.logDropped(text, issue)
  }

  private handle(text: string): void {
    const issue = text.length > PayloadLimit.unlimitedLength ? this.overLimit(text) : undefined
    if (issue !== undefined) {
      this.connection.logDropped(text, issue)
      return this.refuse(text, issue, "InvalidPayload")
    }
    const frame = Frame.parse(text)
    if (frame.type === "r") this.onRequest(frame, text.length)
    else if (frame.type === "m") this.onMessage(frame, text.length)
    else if (frame.type === "malformed") {
      this.connection.logDropped(text, frame.issue)
      this.refuse(text, frame.issue)
    }
  }

  private overLimit(text: string): string | undefined {
    const handler = this.context.handlers.get(Frame.pathOf(text))
    return handler?.payloadLimit && PayloadLimit.issueOf(text, handler.name, handler.payloadLimit)
  }

  private onRequest(frame: Frame.Request, length: number): void {
    const { id, path } = frame
    const handler = this.context.handlers.get(path)
    if (handler === undefined) {
      const error = `no handler for ${quote(path.slice(0, 100))}`
      return this.respond(id, path, Frame.printFailure(id, path, { success: false, error, reason: "NoHandler" }))
    }
    if (this.inFlight.get(id) !== undefined || this.backlog.has(id)) {
      return this.connection.logDropped(`r:${id}:${path}`, "its id is in flight already")
    }
    this.run(handler, frame.data, id, length)
  }

  private onMessage(frame: Frame.Message, length: number): void {
    const handler = this.context.handlers.get(frame.path)
    if (handler === undefined) return this.connection.logDropped(`m::${frame.path}`, "it has no handler here")
    this.run(handler, frame.data, --this.lastMessageId, length)
  }

  /** Runs the handler, without a fiber where its effect has already ended. A message's id is negative. */
  private run(handler: Handler<Caller>, data: unknown, id: number, length: number): void {
    const effect = handler.answer(data, this.connection.caller)
    const settled = SyncEffect.exitOf(effect)
    if (settled !== undefined) return this.onHandled(handler, id, settled)
    const running = Execution.start(effect, handler.runFork)
    if (running.exit !== undefined) return this.onHandled(handler, id, running.exit)
    const entry: InFlight = { id, bytes: length + handler.responseLength, running, cancelled: false }
    this.inFlight.add(entry)
    this.memory.inFlight += entry.bytes
    handler.running.add(running)
    running.observe((exit) => {
      handler.running.delete(running)
      this.inFlight.delete(id)
      this.memory.inFlight -= entry.bytes
      this.onHandled(handler, id, exit, entry.cancelled)
      this.resume()
    })
    // Before it first waited it may have closed the connection, or the scope it is registered in.
    if (handler.gone || this.connection.state !== "open") running.interrupt()
  }

  private onHandled(
    handler: Handler<Caller>,
    id: number,
    exit: Exit.Exit<unknown, Frame.Failure>,
    cancelled = false
  ): void {
    const isRequest = id >= 0
    if (Exit.isSuccess(exit)) {
      if (!isRequest || cancelled) return
      const text = Frame.printSuccess(id, handler.name, exit.value)
      if (typeof text === "string") handler.responseLength = expected(handler.responseLength, text.length)
      return this.respond(id, handler.name, text)
    }
    // The failure of a request is its caller's to see; that of a message is seen nowhere else.
    const unexpected = isRequest ? Cause.isDie(exit.cause) : !Cause.isInterruptedOnly(exit.cause)
    if (unexpected) this.logHandlerFailure(handler.name, exit.cause)
    if (isRequest && !cancelled) {
      this.respond(id, handler.name, Frame.printFailure(id, handler.name, failureOf(exit.cause)))
    }
  }

  private respond(id: number, path: string, text: string | Frame.Unprintable): void {
    if (this.connection.state !== "open") return
    if (typeof text !== "string") return this.fail(id, path, `the response isn't JSON: ${text.issue}`)
    const { maxFrameBytes } = this.context
    if (FrameLimit.isExceeded(text, maxFrameBytes)) {
      const size = FrameLimit.utf8Length(text)
      return this.fail(id, path, `the response would be a frame of ${size} bytes; the limit is ${maxFrameBytes}`)
    }
    if (!this.outbox.isCongested()) return this.outbox.send(text)
    const { memory } = this
    if (memory.outbound + text.length > memory.responseLimit) {
      const unread = memory.outbound
      return this.fail(id, path, `the response of ${text.length} bytes was dropped: ${unread} bytes are unread already`)
    }
    this.outbox.add({ text })
  }

  /** Answers a frame that isn't handled, where its id can be read. */
  private refuse(text: string, error: string, tag?: string): void {
    const address = Frame.addressOf(text)
    if (address !== undefined) this.fail(address.id, address.path, error, tag)
  }

  /** Answers that there is no answer. It is small, whatever the request was. */
  private fail(id: number | string, path: string, error: string, tag?: string): void {
    if (this.connection.state !== "open") return
    const failure: Frame.Failure = { success: false, error: shortened(error), ...(tag === undefined ? {} : { tag }) }
    const text = Frame.printFailure(id, path.length > maxFailureLength ? "" : path, failure)
    if (typeof text !== "string") return
    if (!this.outbox.isCongested()) return this.outbox.send(text)
    if (this.unreadFailures + text.length > maxUnreadFailures) {
      const reason = `${this.memory.outbound} bytes are unread, and requests still come`
      return this.connection.startClosing({ code: CloseCode.Unread, reason })
    }
    this.unreadFailures += text.length
    this.outbox.add({
      text,
      onDeparted: () => {
        this.unreadFailures -= text.length
      }
    })
  }

  private logHandlerFailure(path: string, cause: Cause.Cause<unknown>): void {
    this.context.runFork(Effect.logError(`The handler of ${quote(path)} failed unexpectedly`, cause))
  }
}

/** Follows larger responses at once and smaller ones slowly. */
const expected = (before: number, length: number): number =>
  length >= before ? length : before - Math.ceil((before - length) / 8)

/** The longest path and error, in characters, of the answer that stands for one that can't be sent. */
const maxFailureLength = 1000

/** The bytes of such answers that may wait, beside all others, before a peer that reads none of them is dropped. */
const maxUnreadFailures = 1024 * 1024

const shortened = (text: string): string =>
  text.length > maxFailureLength ? `${text.slice(0, maxFailureLength)}…` : text
