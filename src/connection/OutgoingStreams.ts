/**
 * Streams that this end has opened at the peer.
 *
 * | event | waits to be sent | opened | accepted |
 * | --- | --- | --- | --- |
 * | the peer accepts | – | is accepted | – |
 * | elements arrive | – | are kept until they are taken | are kept until they are taken |
 * | more elements than were granted arrive, or what can't be read | – | `InvalidResponse`, cancels | `InvalidResponse`, cancels |
 * | the peer ends it | – | ends, after the elements that came before | ends, after the elements that came before |
 * | the accept deadline passes | `RequestTimeout` | `RequestTimeout`, cancels | – |
 * | the consumer has enough | isn't sent | cancels | cancels |
 * | the input fails | fails with it, isn't sent | fails with it, cancels | fails with it, cancels |
 * | the connection ends | `ConnectionClosed` | `ConnectionClosed` | `ConnectionClosed`, after the elements that came before |
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import type * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { StreamError } from "../IPCError.js"
import { FrameTooLarge, InvalidResponse, StreamsUnsupported } from "../IPCError.js"
import type { StreamOptions, UntypedStream } from "../IPCStream.js"
import { durationIssue, numberIssue } from "../internal/ArgumentIssue.js"
import type { Expiring } from "../internal/Deadlines.js"
import { IdMap } from "../internal/IdMap.js"
import type { Linked } from "../internal/LinkedList.js"
import { check, issueOf, type OptionNames } from "../internal/OptionNames.js"
import * as PulledStream from "../internal/PulledStream.js"
import { wholeNumber } from "../internal/WholeNumber.js"
import { streams } from "../telemetry/Metrics.js"
import type { Connection } from "./Connection.js"
import type { ConnectionMemory } from "./ConnectionMemory.js"
import type { Departure } from "./Departure.js"
import * as ElementCodec from "./ElementCodec.js"
import { forEachChunk } from "./ForEachChunk.js"
import type * as Frame from "./Frame.js"
import { Grants } from "./Grants.js"
import type { Credit } from "./Hello.js"
import type { SharedContext } from "./IPCSocketOptions.js"
import type { Outbox } from "./Outbox.js"
import type { OutgoingRequests } from "./OutgoingRequests.js"
import * as ResponseDecoder from "./ResponseDecoder.js"
import { StreamReceiver } from "./StreamReceiver.js"
import { StreamSender } from "./StreamSender.js"
import type { StreamTurns } from "./StreamTurns.js"
import type { Packet } from "./Transport.js"

export class OutgoingStreams {
  private readonly entries = new IdMap<OpenedStream>()

  constructor(
    private readonly context: SharedContext,
    private readonly connection: Connection,
    private readonly outbox: Outbox,
    private readonly memory: ConnectionMemory,
    private readonly turns: StreamTurns,
    private readonly requests: OutgoingRequests
  ) {}

  /** How many streams are open. */
  get open(): number {
    return this.entries.size
  }

  /** Opens a stream each time that it is run. */
  stream(
    definition: UntypedStream,
    payload: unknown,
    input: Stream.Stream<unknown, unknown, unknown> | undefined,
    options: StreamOptions = {}
  ): Stream.Stream<unknown, unknown, unknown> {
    const opened = Effect.acquireRelease(this.begin(definition, payload, options), (entry) =>
      Effect.sync(() => this.leave(entry))
    )
    return Stream.unwrapScoped(
      Effect.gen(this, function* () {
        const entry = yield* opened
        if (input !== undefined) entry.inputFiber = yield* Effect.forkScoped(this.sendInput(definition, entry, input))
        return PulledStream.make(this.elements(definition, entry, options))
      })
    )
  }

  onAccept(id: number): void {
    const entry = this.entries.get(id)
    if (entry !== undefined) this.context.deadlines.remove(entry)
  }

  /** Late elements, of a stream that the consumer has left, are dropped. */
  onElements({ data, id, size }: Frame.Elements): void {
    const entry = this.entries.get(id)
    if (entry === undefined) return
    if (!Array.isArray(data)) return this.refuse(entry, "its elements aren't a list")
    if (!entry.receiver.offer(data, size)) this.refuse(entry, "it has more elements than were granted")
  }

  onEnd({ data, id }: Frame.End): void {
    const entry = this.entries.get(id)
    if (entry === undefined) return
    const { codecs, name } = entry.definition
    const outcome = ResponseDecoder.decodeEnd(name, codecs?.failure, this.connection.target, data)
    this.end(entry, outcome)
  }

  /** Elements, or an end, that can't be read. */
  onUnreadable(id: number, issue: string): void {
    const entry = this.entries.get(id)
    if (entry !== undefined) this.refuse(entry, issue)
  }

  /** The peer grants elements of the input. */
  grant(id: number, credit: Credit): void {
    this.entries.get(id)?.sender?.grant(credit)
  }

  /** The peer wants no more input. */
  onInputRefused(id: number): void {
    const entry = this.entries.get(id)
    entry?.sender?.close()
    if (entry?.inputFiber !== undefined) this.context.runFork(Fiber.interrupt(entry.inputFiber))
  }

  /** Every stream ends: the connection has. */
  clear(): void {
    for (const entry of this.entries.entries()) {
      this.end(entry, Exit.fail(this.requests.connectionClosed(entry.definition.name, true)))
    }
  }

  private begin(
    definition: UntypedStream,
    payload: unknown,
    options: StreamOptions
  ): Effect.Effect<OpenedStream, StreamError> {
    const { name } = definition
    return Effect.suspend((): Effect.Effect<OpenedStream, StreamError> => {
      if (this.connection.agreement.version < 2) {
        return this.connection.state === "open"
          ? new StreamsUnsupported({ request: name, target: this.connection.target })
          : Effect.fail(this.requests.connectionClosed(name))
      }
      return Effect.flatMap(this.requests.encodeWith(name, definition.codecs?.payload, payload), (encoded) =>
        Effect.withFiberRuntime((fiber): Effect.Effect<OpenedStream, StreamError> => {
          const id = this.requests.nextId()
          const packet = this.requests.print("q", id, name, encoded, fiber.currentSpan)
          if (packet instanceof Error) return Effect.fail(packet)
          return Effect.succeed(this.send(definition, id, packet, options))
        })
      )
    })
  }

  private send(definition: UntypedStream, id: number, packet: Packet, options: StreamOptions): OpenedStream {
    const millis = acceptMillis(options, this.context.requestTimeoutMillis)
    const grants = new Grants(`w:${id}::`, "items", this.connection, this.outbox)
    const entry = new OpenedStream(
      this,
      id,
      definition,
      millis,
      new StreamReceiver(windowOf(options), this.memory, grants),
      definition.hasInput ? new StreamSender("i", id, this.connection, this.outbox, this.turns) : undefined
    )
    this.entries.add(entry)
    streams.client(1)
    this.context.deadlines.add(entry)
    if (this.outbox.request(packet, entry)) entry.onDeparted()
    return entry
  }

  /** Elements as the application takes them. */
  private elements(
    definition: UntypedStream,
    entry: OpenedStream,
    { idleTimeout }: StreamOptions
  ): Effect.Effect<Chunk.Chunk<unknown>, Option.Option<unknown>> {
    const millis = idleTimeout === undefined ? Number.POSITIVE_INFINITY : Duration.toMillis(idleTimeout)
    const { target } = this.connection
    const pull =
      millis === Number.POSITIVE_INFINITY ? entry.receiver.pull : this.withinIdle(entry, millis, entry.receiver.pull)
    return ElementCodec.decodePull(definition.codecs?.element, pull, (issue) =>
      Effect.fail(Option.some(new InvalidResponse({ request: definition.name, target, issue })))
    )
  }

  private withinIdle<A, E>(entry: OpenedStream, millis: number, pull: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.suspend(() => {
      const expiring: Expiring = {
        dueAt: 0,
        millis,
        onDeadline: () => {
          this.requests.cancelAtPeer(entry.id)
          this.end(entry, Exit.fail(this.requests.timeout(entry.definition.name, millis)))
        }
      }
      this.context.deadlines.add(expiring)
      return Effect.ensuring(
        pull,
        Effect.sync(() => this.context.deadlines.remove(expiring))
      )
    })
  }

  private sendInput(
    { codecs, name }: UntypedStream,
    entry: OpenedStream,
    input: Stream.Stream<unknown, unknown, unknown>
  ): Effect.Effect<void, never, unknown> {
    const { sender } = entry
    if (sender === undefined) return Effect.void
    const sendEncoded = ({ issue, values }: ElementCodec.Converted): Effect.Effect<void, string> =>
      issue === undefined ? sender.send(values) : Effect.fail(issue)
    const invalid = (issue: string) => this.requests.invalidPayload(name, issue)
    const sending = Effect.zipRight(
      forEachChunk(
        input,
        (elements) => Effect.flatMap(ElementCodec.encode(codecs?.input, elements), sendEncoded),
        invalid
      ),
      Effect.mapError(sender.flush, invalid)
    )
    return Effect.matchCauseEffect(sending, {
      onFailure: (cause) =>
        Effect.sync(() => {
          // The peer has had enough of it, or the consumer has.
          if (Cause.isInterruptedOnly(cause)) return sender.close()
          this.cancel(entry)
          this.end(entry, Exit.failCause(cause))
        }),
      onSuccess: () =>
        Effect.sync(() => {
          entry.inputEnded = true
          if (entry.packet === undefined) this.tellInputEnd(entry)
        })
    })
  }

  /** The peer doesn't keep to the protocol. */
  private refuse(entry: OpenedStream, issue: string): void {
    this.cancel(entry)
    const { target } = this.connection
    this.end(entry, Exit.fail(new InvalidResponse({ request: entry.definition.name, target, issue })))
  }

  /** The consumer has enough. */
  private leave(entry: OpenedStream): void {
    if (this.entries.get(entry.id) === entry) {
      this.cancel(entry)
      this.end(entry, Exit.void)
    }
    entry.receiver.close()
  }

  private cancel(entry: OpenedStream): void {
    if (entry.packet === undefined) this.requests.cancelAtPeer(entry.id)
    else this.outbox.withdraw(entry)
  }

  private end(entry: OpenedStream, exit: Effect.Effect<void, unknown>): void {
    if (!this.entries.delete(entry.id)) return
    streams.client(-1)
    this.context.deadlines.remove(entry)
    entry.sender?.close()
    entry.receiver.end(exit)
  }

  /** The stream's own frame has been sent. */
  depart(entry: OpenedStream): void {
    entry.receiver.open()
    if (entry.inputEnded) this.tellInputEnd(entry)
  }

  private tellInputEnd(entry: OpenedStream): void {
    if (this.entries.get(entry.id) === entry && this.connection.state === "open") this.outbox.send(`j:${entry.id}::`)
  }

  expire(entry: OpenedStream): void {
    this.cancel(entry)
    this.end(entry, Exit.fail(this.requests.timeout(entry.definition.name, entry.millis)))
  }

  tooLarge(entry: OpenedStream, size: number, limit: number): void {
    this.cancel(entry)
    const { target } = this.connection
    this.end(entry, Exit.fail(new FrameTooLarge({ request: entry.definition.name, target, size, limit })))
  }
}

/** It is its own deadline for the peer's acceptance, and its own place in the outbox. */
class OpenedStream implements Expiring, Departure {
  dueAt = 0
  previous: Linked | undefined = undefined
  next: Linked | undefined = undefined
  packet: Packet | undefined = undefined
  inputFiber: Fiber.RuntimeFiber<void> | undefined = undefined
  inputEnded = false

  constructor(
    private readonly streams: OutgoingStreams,
    readonly id: number,
    readonly definition: UntypedStream,
    readonly millis: number,
    readonly receiver: StreamReceiver<unknown>,
    readonly sender: StreamSender | undefined
  ) {}

  onDeparted(): void {
    this.streams.depart(this)
  }

  onDeadline(): void {
    this.streams.expire(this)
  }

  onTooLarge(size: number, limit: number): void {
    this.streams.tooLarge(this, size, limit)
  }
}

/**
 * How long the peer may take to accept a stream, in milliseconds. Throws a `TypeError` where the stream's options are
 * wrong.
 */
export const acceptMillis = (options: StreamOptions | undefined, otherwise: number): number => {
  check("A stream", options, optionNames)
  return options?.acceptTimeout === undefined ? otherwise : Duration.toMillis(options.acceptTimeout)
}

const optionNames: OptionNames<StreamOptions> = {
  acceptTimeout: durationIssue,
  idleTimeout: durationIssue,
  window: (name, window) => issueOf(name, window, { items: numberIssue, bytes: numberIssue })
}

const windowOf = ({ window: { bytes, items } = {} }: StreamOptions): Credit => ({
  count: wholeNumber(items, 1024),
  bytes: wholeNumber(bytes, 256 * 1024)
})
