/**
 * Requests and messages of the peer: handled at once, kept until there is room, or refused.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import { logCause } from "../internal/DefectLog.js"
import * as Execution from "../internal/Execution.js"
import { IdMap } from "../internal/IdMap.js"
import * as LinkedList from "../internal/LinkedList.js"
import { quote } from "../internal/Printable.js"
import * as SyncEffect from "../internal/SyncEffect.js"
import * as ActiveSpan from "../telemetry/ActiveSpan.js"
import * as CallSpan from "../telemetry/CallSpan.js"
import * as Metrics from "../telemetry/Metrics.js"
import type { Connection } from "./Connection.js"
import type { ConnectionMemory } from "./ConnectionMemory.js"
import { granularity } from "./ConnectionMemory.js"
import { CreditReturn } from "./CreditReturn.js"
import * as Frame from "./Frame.js"
import * as FrameBytes from "./FrameBytes.js"
import { Grants } from "./Grants.js"
import { failureOf } from "./HandlerFailures.js"
import type { Handler } from "./Handlers.js"
import type { Credit } from "./Hello.js"
import type { IncomingStreams } from "./IncomingStreams.js"
import type { IPCSocketContext } from "./IPCSocketOptions.js"
import type { Outbox } from "./Outbox.js"
import * as PayloadLimit from "./PayloadLimit.js"
import * as PayloadWeight from "./PayloadWeight.js"
import type { Replies } from "./Replies.js"
import { headOf } from "./Replies.js"
import { type EarlyFrames, RequestBacklog } from "./RequestBacklog.js"
import type { Packet } from "./Transport.js"

/** A handler that hasn't ended yet. */
interface InFlight {
  readonly id: number
  readonly running: Execution.Execution<unknown, Frame.Failure>
  cancelled: boolean
}

/** The streams that the peer has opened, made when one of them is first wanted. */
export interface ServedStreams<Caller> {
  readonly served: IncomingStreams<Caller>
  /** Interrupts a stream. Whether there was such a one. */
  readonly cancelStream: (id: number) => boolean
}

export class IncomingRequests<Caller> {
  private readonly inFlight = new IdMap<InFlight>()
  /** Made when the first frame has to wait. */
  private backlog: RequestBacklog | undefined
  private readonly credit: CreditReturn | undefined
  private lastMessageId = 0
  /** What the payload that is being handled takes beside its text. */
  private parsedBytes = 0

  constructor(
    private readonly context: IPCSocketContext<Caller>,
    private readonly connection: Connection<Caller>,
    outbox: Outbox,
    private readonly memory: ConnectionMemory,
    private readonly replies: Replies,
    private readonly streams: ServedStreams<Caller>
  ) {
    if (connection.agreement.version === 2) {
      this.credit = new CreditReturn(context.requestCredit, new Grants("k:::", "requests", connection, outbox))
    }
  }

  /** How many handlers run. */
  get running(): number {
    return this.inFlight.size
  }

  /** How many requests and messages wait. */
  get waiting(): number {
    return this.backlog?.size ?? 0
  }

  /** The frames that come next are of another batch. */
  beginBatch(): void {
    this.backlog?.beginBatch()
  }

  /** Takes the frame of a request or message, which begins at `start` of the batch. */
  take(packet: Packet, batch: Packet, start: number): void {
    if (this.waiting === 0 && this.hasRoom(packet.length)) this.handle(packet)
    else this.keep(packet, batch, start)
  }

  /** Interrupts the request's handler, or forgets the request where it waits. */
  cancel(id: number): void {
    const entry = this.inFlight.get(id)
    if (entry === undefined) {
      if (this.streams.cancelStream(id)) return
      const length = this.backlog?.cancel(id) ?? -1
      if (length < 0) return
      this.credit?.add(1, length)
      return this.resume()
    }
    entry.cancelled = true
    entry.running.interrupt()
  }

  /** The peer grants elements of a stream, which may still wait to be opened. */
  grant(id: number, credit: Credit): void {
    const early = this.backlog?.earlyFramesOf(id)
    if (early === undefined) return this.streams.served.grant(id, credit)
    early.count += credit.count
    early.bytes += credit.bytes
  }

  /** The input of a stream ends, which may still wait to be opened. */
  endInput(id: number): void {
    const early = this.backlog?.earlyFramesOf(id)
    if (early === undefined) this.streams.served.onInputEnd(id)
    else early.isInputEnded = true
  }

  /** Handles what waits, as far as there is room. */
  resume(): void {
    const { backlog } = this
    if (backlog === undefined || backlog.size === 0) return
    const { timer } = this.context
    timer.begin()
    while (backlog.size > 0 && this.connection.state === "open" && this.hasRoom(backlog.nextLength)) {
      const taken = backlog.shift()
      if (taken !== undefined) this.handle(taken.packet, taken.early)
    }
    timer.end()
  }

  /** Interrupts every handler and forgets what waits: the connection has ended. */
  clear(): void {
    this.backlog?.clear()
    for (const { running } of this.inFlight.entries()) running.interrupt()
  }

  /** Whether one more may run: what it holds, and the response that is expected of it, have room below the mark. */
  private hasRoom(length: number): boolean {
    const { inFlight, memory } = this
    if (inFlight.size >= this.context.maxHandlersInFlight) return false
    const held = memory.outbound + memory.inFlight
    return held === 0 || held + length <= memory.mark
  }

  private keep(packet: Packet, batch: Packet, start: number): void {
    const { memory } = this
    this.backlog ??= new RequestBacklog(memory)
    const { backlog } = this
    const text = FrameBytes.textOf(packet)
    const id = text.charCodeAt(0) === Frame.typeMessage ? -1 : Frame.idOf(text)
    const isFirst = backlog.size === 0 && !memory.isPressed
    const fits = isFirst || memory.backlog + packet.length <= memory.mark
    // A second request of the same id is told apart when it is handled.
    if (fits && (id < 0 || !backlog.has(id))) return backlog.push(batch, start, start + packet.length, id)
    const issue = `too many requests wait: this connection holds ${memory.bytes} bytes, ${memory.outbound} of them unread`
    this.drop(packet, issue, "Overloaded")
    this.credit?.add(1, packet.length)
  }

  private handle(packet: Packet, early?: EarlyFrames): void {
    // What runs on gives its credit back when it ends.
    if (!this.begin(packet, early)) this.credit?.add(1, packet.length)
  }

  /** Whether a handler runs on. */
  private begin(packet: Packet, early: EarlyFrames | undefined): boolean {
    const over = packet.length > PayloadLimit.unlimitedLength ? this.overLimit(packet) : undefined
    if (over !== undefined) return this.drop(packet, over, "InvalidPayload")
    const { agreement } = this.connection
    const weight = PayloadWeight.of(packet, agreement.serialization)
    if (typeof weight === "string") return this.drop(packet, weight)
    const issue = weight > 0 ? this.memory.parsingIssue(packet.length + weight) : undefined
    if (issue !== undefined) return this.drop(packet, issue, "Overloaded")
    this.parsedBytes = weight
    const frame =
      typeof packet === "string"
        ? Frame.parse(packet, agreement.version)
        : FrameBytes.parse(packet, agreement.serialization)
    if (frame.type === "r") return this.onRequest(frame, packet.length)
    if (frame.type === "m") return this.onMessage(frame, packet.length)
    if (frame.type === "q") {
      this.streams.served.open(frame, packet.length + weight, early)
      return false
    }
    return this.drop(packet, frame.type === "malformed" ? frame.issue : "its type is unknown")
  }

  private overLimit(packet: Packet): string | undefined {
    const handler = this.context.handlers.get(Frame.pathOf(FrameBytes.textOf(packet)))
    return handler?.payloadLimit && PayloadLimit.issueOf(packet, handler.name, handler.payloadLimit)
  }

  /** Answers a frame that isn't handled, where its id can be read. */
  private drop(packet: Packet, issue: string, tag?: string): false {
    this.connection.logDropped(packet, issue)
    const address = Frame.addressOf(FrameBytes.textOf(packet))
    if (address !== undefined) {
      const head = address.type === "q" ? `e:${address.id}::` : headOf(address.id, address.path)
      this.replies.fail(head, issue, tag === undefined ? {} : { tag })
    }
    return false
  }

  private onRequest({ data, id, path, trace }: Frame.Request, length: number): boolean {
    const handler = this.context.handlers.get(path)
    if (handler === undefined) {
      this.replies.fail(headOf(id, path), `no handler for ${quote(path.slice(0, 100))}`, { reason: "NoHandler" })
      return false
    }
    if (this.inFlight.get(id) !== undefined || this.backlog?.has(id) === true) {
      this.connection.logDropped(`r:${id}:${path}`, "its id is in flight already")
      return false
    }
    if (this.memory.isTooMuch(length + handler.responseLength)) {
      this.replies.fail(headOf(id, path), this.memory.fullness, { tag: "Overloaded" })
      return false
    }
    return this.run(handler, data, id, length, trace)
  }

  private onMessage({ data, path, trace }: Frame.Message, length: number): boolean {
    const handler = this.context.handlers.get(path)
    if (handler !== undefined) return this.run(handler, data, --this.lastMessageId, length, trace)
    this.connection.logDropped(`m::${path}`, "it has no handler here")
    return false
  }

  /** Runs the handler, without a fiber where its effect has already ended. A message's id is negative. */
  private run(handler: Handler<Caller>, data: unknown, id: number, length: number, trace: string | undefined): boolean {
    const { caller } = this.connection
    const { timer } = this.context
    const startedAt = timer.arrival
    // The handler may end another one, in whose place a request that waits is handled at once.
    const { parsedBytes } = this
    const call =
      trace === undefined && !handler.tracing.isOn
        ? undefined
        : CallSpan.ofHandler(handler, trace, caller, id < 0 ? "consumer" : "server")
    const effect =
      call === undefined
        ? handler.answer(data, caller)
        : ActiveSpan.during(call.span, () => handler.answer(data, caller))
    const settled = SyncEffect.exitOf(effect)
    if (settled !== undefined) {
      if (call !== undefined) CallSpan.endOfHandler(call, settled)
      timer.onAnswered(handler.durations, settled)
      this.onHandled(handler, id, settled)
      return false
    }
    const running = Execution.start(effect, handler.runFork, call?.span)
    if (running.exit !== undefined) {
      if (call !== undefined) CallSpan.endOfHandler(call, running.exit)
      timer.onAnswered(handler.durations, running.exit)
      this.onHandled(handler, id, running.exit)
      return false
    }
    // What it holds: its payload, and the response that is expected of it.
    const bytes = length + parsedBytes + handler.responseLength
    const entry: InFlight = { id, running, cancelled: false }
    this.inFlight.add(entry)
    Metrics.activeCalls(1)
    this.memory.inFlight += bytes
    if (this.memory.inFlight > granularity) this.memory.settle()
    handler.running.add(running)
    running.observe((exit) => {
      LinkedList.remove(running)
      this.inFlight.delete(id)
      Metrics.activeCalls(-1)
      const wasMuch = this.memory.inFlight > granularity
      this.memory.inFlight -= bytes
      if (wasMuch) this.memory.settle()
      timer.onEnded(handler.durations, startedAt, exit)
      if (call !== undefined) CallSpan.endOfHandler(call, exit)
      this.onHandled(handler, id, exit, entry.cancelled)
      this.credit?.add(1, length)
      this.resume()
    })
    // Before it first waited it may have closed the connection, or the scope it is registered in.
    if (handler.gone || this.connection.state !== "open") running.interrupt()
    return true
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
      const packet = FrameBytes.printSuccess(id, handler.name, exit.value, this.connection.agreement)
      if (Frame.isPrinted(packet)) handler.responseLength = expected(handler.responseLength, packet.length)
      return this.replies.send(headOf(id, handler.name), packet)
    }
    // The failure of a request is its caller's to see; that of a message is seen nowhere else.
    const unexpected = isRequest ? Cause.isDie(exit.cause) : !Cause.isInterruptedOnly(exit.cause)
    if (unexpected) this.logHandlerFailure(handler.name, exit.cause)
    if (!isRequest || cancelled) return
    const head = headOf(id, handler.name)
    this.replies.send(head, Frame.printOutcome(head, failureOf(exit.cause)))
  }

  private logHandlerFailure(path: string, cause: Cause.Cause<unknown>): void {
    this.context.runFork(logCause(`The handler of ${quote(path)} failed unexpectedly`, cause))
  }
}

/** Follows larger responses at once and smaller ones slowly. */
const expected = (before: number, length: number): number =>
  length >= before ? length : before - Math.ceil((before - length) / 8)
