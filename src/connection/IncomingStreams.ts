/**
 * Streams that the peer has opened: handlers that produce elements, and consume those of the peer's input.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import * as Execution from "../internal/Execution.js"
import { IdMap } from "../internal/IdMap.js"
import { quote } from "../internal/Printable.js"
import * as CallSpan from "../telemetry/CallSpan.js"
import type { Connection } from "./Connection.js"
import type { ConnectionMemory } from "./ConnectionMemory.js"
import * as Frame from "./Frame.js"
import { failureOf } from "./HandlerFailures.js"
import type { StreamingHandler } from "./Handlers.js"
import type { Credit } from "./Hello.js"
import * as Hello from "./Hello.js"
import type { IPCSocketContext } from "./IPCSocketOptions.js"
import type { Outbox } from "./Outbox.js"
import type { Replies } from "./Replies.js"
import { StreamReceiver } from "./StreamReceiver.js"
import { StreamSender } from "./StreamSender.js"
import type { StreamTurns } from "./StreamTurns.js"

/** A stream whose handler hasn't ended yet. */
interface ServedStream {
  readonly id: number
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

  open({ data, id, path, trace }: Frame.Open): void {
    const handler = this.context.handlers.getStream(path)
    const head = `e:${id}::`
    if (handler === undefined) {
      return this.replies.fail(head, `no handler for ${quote(path.slice(0, 100))}`, { reason: "NoHandler" })
    }
    if (this.entries.get(id) !== undefined) {
      return this.connection.logDropped(`q:${id}:${path}`, "its id is in use already")
    }
    if (this.entries.size >= maxStreams) {
      return this.replies.fail(head, `${maxStreams} streams of this connection run already`, { tag: "Overloaded" })
    }
    const entry = this.makeEntry(handler, id)
    this.entries.add(entry)
    this.outbox.send(`o:${id}::`)
    const input = entry.input === undefined ? undefined : this.inputOf(handler, entry, entry.input)
    const { caller } = this.connection
    const call = CallSpan.ofHandler(handler, trace, caller, "server")
    const effect: Effect.Effect<unknown, Frame.Failure> = handler.answer.run(data, input, caller, (elements) =>
      entry.sender.send(elements)
    )
    const running =
      call === undefined ? Execution.start(effect, handler.runFork) : Execution.fork(effect, handler.runFork, call.span)
    entry.running = running
    handler.running.add(running)
    running.observe((exit) => {
      handler.running.delete(running)
      if (call !== undefined) CallSpan.endOfHandler(call, exit)
      this.onHandled(handler, entry, exit)
    })
    // Before it first waited it may have closed the connection, or the scope it is registered in.
    if (handler.gone || this.connection.state !== "open" || entry.cancelled) running.interrupt()
  }

  /** Whether there was such a stream. */
  cancel(id: number): boolean {
    const entry = this.entries.get(id)
    if (entry === undefined) return false
    entry.cancelled = true
    entry.running?.interrupt()
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

  onInputEnd(id: number): void {
    this.entries.get(id)?.input?.end(Exit.void)
  }

  /** Interrupts every handler: the connection has ended. */
  clear(): void {
    for (const { running } of this.entries.entries()) running?.interrupt()
  }

  private makeEntry(handler: StreamingHandler<Caller>, id: number): ServedStream {
    const sender = new StreamSender("d", id, this.connection, this.outbox, this.turns)
    if (!handler.answer.hasInput)
      return { id, sender, input: undefined, inputBytes: 0, running: undefined, cancelled: false }
    // All inputs together stay within the mark, and none is without a little.
    const left = (this.memory.mark - this.inputBytes) / 4
    const window = { count: inputWindow.count, bytes: Math.max(leastInputBytes, Math.min(inputWindow.bytes, left)) }
    this.inputBytes += window.bytes
    const grant = (credit: Credit) => {
      if (this.connection.state === "open") this.outbox.send(`g:${id}::${Hello.printCredit(credit, "items")}`)
    }
    const input = new StreamReceiver<never>(window, this.memory, grant)
    queueMicrotask(() => grant(window))
    return { id, sender, input, inputBytes: window.bytes, running: undefined, cancelled: false }
  }

  private inputOf(
    handler: StreamingHandler<Caller>,
    entry: ServedStream,
    input: StreamReceiver<never>
  ): Stream.Stream<unknown> {
    const decoded = Effect.flatMap(input.pull, (elements) =>
      Effect.catchAll(handler.answer.decodeInput(elements), (issue) => {
        this.fail(entry, issue, "InvalidPayload")
        return Effect.never
      })
    )
    return Stream.ensuring(
      Stream.repeatEffectChunkOption(decoded),
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
    this.inputBytes -= entry.inputBytes
    entry.sender.close()
    entry.input?.close()
    if (Exit.isFailure(exit) && Cause.isDie(exit.cause)) {
      this.context.runFork(Effect.logError(`The handler of ${quote(handler.name)} failed unexpectedly`, exit.cause))
    }
    if (entry.cancelled || this.connection.state !== "open") return
    const head = `e:${entry.id}::`
    const outcome: Frame.Success | Frame.Failure = Exit.isSuccess(exit) ? { success: true } : failureOf(exit.cause)
    this.replies.send(head, Frame.printOutcome(head, outcome))
  }
}

/** How many streams of one peer may run at once. */
const maxStreams = 4096

const inputWindow: Credit = { count: 1024, bytes: 256 * 1024 }

const leastInputBytes = 4096
