/**
 * Streams that the peer has opened: handlers that produce elements, and consume those of the peer's input.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Stream from "effect/Stream"
import { logCause } from "../internal/DefectLog.js"
import * as Execution from "../internal/Execution.js"
import { IdMap } from "../internal/IdMap.js"
import * as LinkedList from "../internal/LinkedList.js"
import { quote } from "../internal/Printable.js"
import * as PulledStream from "../internal/PulledStream.js"
import * as CallSpan from "../telemetry/CallSpan.js"
import { streams } from "../telemetry/Metrics.js"
import type { Connection } from "./Connection.js"
import type { ConnectionMemory } from "./ConnectionMemory.js"
import * as ElementCodec from "./ElementCodec.js"
import * as Frame from "./Frame.js"
import { Grants } from "./Grants.js"
import { failureOf } from "./HandlerFailures.js"
import type { StreamingHandler } from "./Handlers.js"
import type { Credit } from "./Hello.js"
import type { IPCSocketContext } from "./IPCSocketOptions.js"
import type { Outbox } from "./Outbox.js"
import type { Replies } from "./Replies.js"
import type { EarlyFrames } from "./RequestBacklog.js"
import { StreamReceiver } from "./StreamReceiver.js"
import { StreamSender } from "./StreamSender.js"
import type { StreamTurns } from "./StreamTurns.js"

/** A stream whose handler hasn't ended yet. */
interface ServedStream {
  readonly id: number
  readonly payloadLength: number
  readonly sender: StreamSender
  readonly input: StreamReceiver<never> | undefined
  /** The input window's share of what all of them may be. */
  readonly inputBytes: number
  running: Execution.Execution<unknown, Frame.Failure> | undefined
  cancelled: boolean
}

export class IncomingStreams<Caller> {
  private readonly entries = new IdMap<ServedStream>()
  /** What the windows of all inputs come to. */
  private inputBytes = 0

  constructor(
    private readonly context: IPCSocketContext<Caller>,
    private readonly connection: Connection<Caller>,
    private readonly outbox: Outbox,
    private readonly memory: ConnectionMemory,
    private readonly turns: StreamTurns,
    private readonly replies: Replies
  ) {}

  /** How many streams run. */
  get running(): number {
    return this.entries.size
  }

  /**
   * The frame's length is counted as long as the handler runs, which may keep the payload. `early` is what came while the
   * frame waited.
   */
  open({ data, id, path, trace }: Frame.Open, length: number, early: EarlyFrames | undefined): void {
    const handler = this.context.handlers.getStream(path)
    const head = `e:${id}::`
    if (handler === undefined) {
      return this.replies.fail(head, `no handler for ${quote(path.slice(0, 100))}`, { reason: "NoHandler" })
    }
    if (this.entries.get(id) !== undefined) {
      return this.connection.logDropped(`q:${id}:${path}`, "its id is in use already")
    }
    const fullness = this.fullness(length)
    if (fullness !== undefined) return this.replies.fail(head, fullness, { tag: "Overloaded" })
    const entry = this.makeEntry(handler, id, length)
    this.entries.add(entry)
    this.memory.streamPayloads += length
    this.memory.settle()
    streams.server(1)
    handler.opened++
    this.outbox.send(`o:${id}::`)
    entry.input?.open()
    if (early !== undefined) entry.sender.grant(early)
    if (early?.isInputEnded === true) entry.input?.end(Exit.void)
    const input = entry.input === undefined ? undefined : this.inputOf(handler, entry, entry.input)
    const { caller } = this.connection
    const call = CallSpan.ofHandler(handler, trace, caller, "server")
    const effect: Effect.Effect<unknown, Frame.Failure> = handler.answer.run(data, input, caller, entry.sender)
    const running = Execution.start(effect, handler.runFork, call?.span)
    entry.running = running
    handler.running.add(running)
    running.observe((exit) => {
      LinkedList.remove(running)
      if (call !== undefined) CallSpan.endOfHandler(call, exit)
      this.onHandled(handler, entry, exit)
    })
    // Before it first waited it may have closed the connection, or the scope it is registered in.
    if (this.connection.state !== "open" || entry.cancelled) interrupt(entry)
    else if (handler.gone) running.interrupt()
  }

  /** Whether there was such a stream. */
  cancel(id: number): boolean {
    const entry = this.entries.get(id)
    if (entry === undefined) return false
    entry.cancelled = true
    interrupt(entry)
    return true
  }

  /** The peer grants elements. */
  grant(id: number, credit: Credit): void {
    this.entries.get(id)?.sender.grant(credit)
  }

  /** Elements of the input. Those that arrive after the handler has stopped reading are dropped. */
  onInput({ data, id, size }: Frame.Elements): void {
    const entry = this.entries.get(id)
    if (entry?.input === undefined) return
    if (!Array.isArray(data)) return this.fail(entry, "its input isn't a list of elements")
    if (!entry.input.offer(data, size)) this.fail(entry, "its input is more than was granted")
  }

  /** Input that can't be read. */
  onUnreadable(id: number, issue: string): void {
    const entry = this.entries.get(id)
    if (entry?.input !== undefined) this.fail(entry, issue)
  }

  onInputEnd(id: number): void {
    this.entries.get(id)?.input?.end(Exit.void)
  }

  /** Interrupts every handler: the connection has ended. */
  clear(): void {
    for (const entry of this.entries.entries()) interrupt(entry)
  }

  /** Why no further stream with a payload of this length is handled. */
  private fullness(length: number): string | undefined {
    const { entries, memory } = this
    const most = streamsPerRequest * this.context.maxHandlersInFlight
    if (entries.size >= most) return `${most} streams of this connection run already`
    if (memory.isTooMuch(length)) return memory.fullness
    return memory.streamPayloads > 0 && memory.streamPayloads + length > memory.mark
      ? `the streams of this connection that run hold ${memory.streamPayloads} bytes of payloads`
      : undefined
  }

  private makeEntry(handler: StreamingHandler<Caller>, id: number, payloadLength: number): ServedStream {
    const sender = new StreamSender("d", id, this.connection, this.outbox, this.turns)
    const entry = { id, payloadLength, sender, input: undefined, inputBytes: 0, running: undefined, cancelled: false }
    if (!handler.answer.hasInput) return entry
    // All inputs together stay within the mark, and none is without a little.
    const left = Math.floor((this.memory.mark - this.inputBytes) / 4)
    const window = { count: inputWindow.count, bytes: Math.max(leastInputBytes, Math.min(inputWindow.bytes, left)) }
    this.inputBytes += window.bytes
    const grants = new Grants(`g:${id}::`, "items", this.connection, this.outbox)
    return { ...entry, input: new StreamReceiver<never>(window, this.memory, grants), inputBytes: window.bytes }
  }

  private inputOf(
    handler: StreamingHandler<Caller>,
    entry: ServedStream,
    input: StreamReceiver<never>
  ): Stream.Stream<unknown> {
    const decoded = ElementCodec.decodePull(handler.answer.inputCodec, input.pull, (issue) => {
      this.fail(entry, issue, "InvalidPayload")
      return Effect.never
    })
    return Stream.ensuring(
      PulledStream.make(decoded),
      Effect.sync(() => {
        if (!input.isEnded && this.connection.state === "open") this.outbox.send(`h:${entry.id}::`)
        input.close()
      })
    )
  }

  /** Ends a stream whose input can't be used. */
  private fail(entry: ServedStream, error: string, reason?: "InvalidPayload"): void {
    if (entry.cancelled) return
    this.replies.fail(`e:${entry.id}::`, error, reason === undefined ? {} : { reason })
    this.cancel(entry.id)
  }

  private onHandled(
    handler: StreamingHandler<Caller>,
    entry: ServedStream,
    exit: Exit.Exit<unknown, Frame.Failure>
  ): void {
    this.entries.delete(entry.id)
    streams.server(-1)
    this.inputBytes -= entry.inputBytes
    this.memory.streamPayloads -= entry.payloadLength
    this.memory.settle()
    entry.sender.close()
    entry.input?.close()
    if (Exit.isFailure(exit) && Cause.isDie(exit.cause)) {
      this.context.runFork(logCause(`The handler of ${quote(handler.name)} failed unexpectedly`, exit.cause))
    }
    if (entry.cancelled || this.connection.state !== "open") return
    const head = `e:${entry.id}::`
    const outcome: Frame.Success | Frame.Failure = Exit.isSuccess(exit) ? { success: true } : failureOf(exit.cause)
    this.replies.send(head, Frame.printOutcome(head, outcome))
  }
}

/** Ends the handler. One that can't be interrupted ends where it next sends elements or waits for input. */
const interrupt = ({ input, running, sender }: ServedStream): void => {
  running?.interrupt()
  sender.close()
  input?.end(Exit.interrupt(FiberId.none))
}

/** How many streams of one peer may run at once, for each request that may: a stream mostly waits. */
const streamsPerRequest = 4

const inputWindow: Credit = { count: 1024, bytes: 256 * 1024 }

const leastInputBytes = 4096
