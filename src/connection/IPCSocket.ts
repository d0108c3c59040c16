/**
 * One connection's engine, the same at both ends and on any {@link Transport}: correlation, deadlines, handlers,
 * cancellation, heartbeat and backpressure.
 *
 * A connection is `open`, then `closing` (this end has sent its close event), then `closed`:
 *
 * | event | open | closing | closed |
 * | --- | --- | --- | --- |
 * | a request or message is sent | goes out; waits while too much is unsent, or until the peer grants credit | `ConnectionClosed` | `ConnectionClosed` |
 * | a request or message arrives | is handled; waits while too much is in flight or unsent; is refused where too many wait | is ignored | is ignored |
 * | a response or cancellation arrives | is handled | is ignored | is ignored |
 * | the peer's hello or a grant arrives | what waited for credit goes out; what is over the peer's limit fails | is ignored | is ignored |
 * | a frame over the limit arrives | `close` with 1009 | is ignored | is ignored |
 * | a handler ends | its response goes out; waits while too much is unsent; is replaced by a failure where too much waits | dropped: it was interrupted | dropped |
 * | the peer reads nothing and sends on | `close` with 4003 once its refusals are too many | – | – |
 * | a deadline passes | `RequestTimeout` | – | – |
 * | a stream is opened, here or by the peer | see OutgoingStreams and IncomingStreams | `ConnectionClosed`; is ignored | `ConnectionClosed`; is ignored |
 * | two heartbeats pass in silence | terminates | – | – |
 * | `close` | requests in flight fail, handlers are interrupted, the close event is sent | waits for the end | nothing |
 * | the transport ends | requests in flight fail, handlers are interrupted | is closed | – |
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { AnySpan } from "effect/Tracer"
import type { CloseEvent } from "../CloseEvent.js"
import { CloseCode } from "../CloseEvent.js"
import type { ConnectionClosed, FrameTooLarge, NotifyError, RequestError } from "../IPCError.js"
import type { Direction, RequestOptions, Shaped, UntypedRequest } from "../IPCRequest.js"
import { nameOf, untyped } from "../IPCRequest.js"
import type { StreamOptions, UntypedStream } from "../IPCStream.js"
import { CallbackEffect } from "../internal/CallbackEffect.js"
import type { Expiring } from "../internal/Deadlines.js"
import type { Linked } from "../internal/LinkedList.js"
import { quote } from "../internal/Printable.js"
import * as ResumedFibers from "../internal/ResumedFibers.js"
import { Waiters } from "../internal/Waiters.js"
import type { OnEnd, Waiting } from "../internal/Waiting.js"
import type { FrameReader } from "./ArrivedPackets.js"
import { ArrivedPackets } from "./ArrivedPackets.js"
import type { Connection, State } from "./Connection.js"
import { ConnectionMemory } from "./ConnectionMemory.js"
import { ConnectionParts } from "./ConnectionParts.js"
import * as Frame from "./Frame.js"
import * as FrameBytes from "./FrameBytes.js"
import * as FrameLimit from "./FrameLimit.js"
import * as Hello from "./Hello.js"
import type { IPCSocketContext } from "./IPCSocketOptions.js"
import { timeoutMillis } from "./IPCSocketOptions.js"
import { Outbox } from "./Outbox.js"
import * as PayloadWeight from "./PayloadWeight.js"
import type { Agreement } from "./Subprotocol.js"
import type { Packet, Transport, TransportListener } from "./Transport.js"

type OnceClosed<Caller> = (event: CloseEvent, socket: IPCSocket<Caller>) => void

/** Requests and messages over one open transport. It is the deadline of its own heartbeat. */
export class IPCSocket<Caller> implements Connection<Caller>, TransportListener, FrameReader, Expiring {
  state: State = "open"
  closeEvent: CloseEvent = lost
  readonly agreement: Agreement
  maxFrameBytes: number
  private readonly memory: ConnectionMemory
  private readonly outbox: Outbox
  private readonly arrived: ArrivedPackets
  private readonly parts: ConnectionParts<Caller>
  private awaitingEnd: Waiters | undefined
  private onceClosedListeners: Array<OnceClosed<Caller>> | undefined
  private greeted = false
  private dropped = 0
  private receivedSinceHeartbeat = true
  private silentHeartbeats = 0
  /** For how many heartbeats in turn requests or frames have waited. */
  private boundHeartbeats = 0
  readonly millis: number
  dueAt = 0
  previous: Linked | undefined = undefined
  next: Linked | undefined = undefined

  constructor(
    private readonly context: IPCSocketContext<Caller>,
    private readonly transport: Transport,
    readonly target: string,
    readonly caller: Caller
  ) {
    this.agreement = transport.agreement
    this.maxFrameBytes = context.maxFrameBytes
    this.memory = new ConnectionMemory(transport, context.highWaterMark, context.budget)
    this.outbox = new Outbox(transport, this.memory)
    this.arrived = new ArrivedPackets(this, this.agreement.version > 0)
    this.parts = new ConnectionParts(context, this, transport, this.outbox, this.memory)
    this.millis = context.heartbeatMillis
    context.deadlines.add(this)
    transport.listen(this)
    if (this.agreement.version === 2) {
      const { maxFrameBytes, requestCredit: credit } = context
      transport.send(Hello.print({ maxFrameBytes, credit }))
    }
  }

  /** Sends a request and waits for its response. */
  request<D extends Direction, Payload, Success, Failure>(
    request: Shaped<D, Payload, Success, Failure>,
    payload: unknown,
    options?: RequestOptions | undefined
  ): Effect.Effect<Success, Failure | RequestError> {
    return new CallbackEffect((onEnd, fiber) => this.begin(request, payload, options, onEnd, fiber?.currentSpan))
  }

  /** Begins a request, as a CallbackEffect does, as part of a span. */
  begin<D extends Direction, Payload, Success, Failure>(
    request: Shaped<D, Payload, Success, Failure>,
    payload: unknown,
    options: RequestOptions | undefined,
    onEnd: OnEnd<Success, Failure | RequestError>,
    span: AnySpan | undefined
  ): Waiting | undefined {
    const what = untyped(request)
    const millis = timeoutMillis(options, this.context.requestTimeoutMillis)
    // The peer's answer is taken to be of the request's declared type.
    const resume = onEnd as OnEnd<unknown, unknown>
    const { calls } = this.context
    if (!calls.isWatched) return this.exchange(what, payload, millis, resume, span)
    const begin = (ended: typeof resume) => this.exchange(what, payload, millis, ended, span)
    return calls.request(nameOf(what), this.target, begin, resume)
  }

  private exchange(
    what: UntypedRequest,
    payload: unknown,
    millis: number,
    resume: OnEnd<unknown, unknown>,
    span: AnySpan | undefined
  ): Waiting | undefined {
    return typeof what === "string"
      ? this.parts.outgoing.exchange(what, payload, millis, resume, span)
      : this.parts.outgoing.exchangeEncoded(what, payload, millis, resume, span)
  }

  /** Sends a message; it is on its way, and nothing more, when this succeeds. */
  notify<D extends Direction, Payload, Success, Failure>(
    request: Shaped<D, Payload, Success, Failure>,
    payload: unknown,
    options?: RequestOptions | undefined
  ): Effect.Effect<void, NotifyError> {
    const what = untyped(request)
    const millis = timeoutMillis(options, this.context.requestTimeoutMillis)
    const { outgoing } = this.parts
    if (typeof what === "string") return outgoing.dispatch(what, payload, millis)
    return Effect.flatMap(
      Effect.suspend(() => outgoing.encode(what, payload)),
      (encoded) => outgoing.dispatch(what.name, encoded, millis)
    )
  }

  /** Opens a stream each time that it is run. */
  stream(
    definition: UntypedStream,
    payload: unknown,
    input: Stream.Stream<unknown, unknown, unknown> | undefined,
    options: StreamOptions | undefined
  ): Stream.Stream<unknown, unknown, unknown> {
    const opened = this.parts.opened.stream(definition, payload, input, options)
    return this.context.calls.stream(definition.name, this.target, opened)
  }

  /** Ends the connection: requests in flight fail, handlers are interrupted. Done when the transport has ended. */
  close(event: CloseEvent): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.startClosing(event)
      return Effect.asVoid(this.closed)
    })
  }

  /** How the connection ended, once it has. */
  get closed(): Effect.Effect<CloseEvent> {
    this.awaitingEnd ??= new Waiters()
    return this.awaitingEnd.until(() => (this.state === "closed" ? Effect.succeed(this.closeEvent) : undefined))
  }

  /** Calls back when the connection has ended, at once where it has; without a fiber, for a server with very many. */
  onceClosed(listener: OnceClosed<Caller>): void {
    // A transport may end as the first frame is sent.
    if (this.state === "closed") return listener(this.closeEvent, this)
    // An empty array to which one is added has room for many more.
    if (this.onceClosedListeners === undefined) this.onceClosedListeners = [listener]
    else this.onceClosedListeners.push(listener)
  }

  /** How much the connection holds; all zero at rest. */
  get held() {
    return {
      pending: this.parts.pending,
      inFlight: this.parts.running,
      departures: this.outbox.waiting,
      backlog: this.parts.waiting
    }
  }

  /** How many streams are open, those of this end and those of the peer. */
  get streams(): number {
    return this.parts.streams
  }

  /** How many bytes the connection holds. */
  get heldBytes(): number {
    return this.memory.bytes
  }

  /** Where a request failed with this error and would fail again on another connection: why. */
  refusal(error: unknown): FrameTooLarge | ConnectionClosed | undefined {
    return this.parts.outgoing.refusal(error)
  }

  /** What `close` does at once. */
  startClosing(event: CloseEvent): void {
    if (this.state !== "open") return
    this.state = "closing"
    this.closeEvent = event
    this.release()
    this.transport.close(event)
  }

  onText(text: string): void {
    this.receivedSinceHeartbeat = true
    this.arrived.add(text)
  }

  onBytes(bytes: Uint8Array): void {
    this.receivedSinceHeartbeat = true
    if (this.agreement.binary) this.arrived.add(bytes)
    else this.logDropped(`${bytes.length} bytes of binary`, "it isn't text")
  }

  beginFrames(isNewMessage: boolean): void {
    this.context.timer.begin()
    if (isNewMessage) this.parts.beginBatch()
  }

  endFrames(): void {
    ResumedFibers.end()
    this.context.timer.end()
  }

  onAlive(): void {
    this.receivedSinceHeartbeat = true
  }

  onReceiving(bytes: number): void {
    const { memory } = this
    memory.receiving = bytes
    memory.settle()
    if (memory.isTooMuch(bytes)) this.startClosing({ code: CloseCode.TryAgainLater, reason: memory.fullness })
  }

  onPacket(packet: Packet, batch: Packet, start: number): void {
    if (this.state !== "open") return
    const type = typeof packet === "string" ? packet.charCodeAt(0) : packet[0]
    // Another frame wakes other fibers, and those go on after the ones before.
    if (type === Frame.typeResponse) ResumedFibers.begin()
    else ResumedFibers.end()
    const { maxFrameBytes } = this.context
    if (FrameLimit.isExceeded(packet, maxFrameBytes)) {
      return this.startClosing(FrameLimit.exceeded(maxFrameBytes, FrameLimit.sizeOf(packet)))
    }
    const isRequest = type === Frame.typeRequest || type === Frame.typeMessage
    if (isRequest || (type === Frame.typeOpen && this.agreement.version === 2)) {
      return this.parts.incoming.take(packet, batch, start)
    }
    const weight = PayloadWeight.of(packet, this.agreement.serialization)
    if (typeof weight === "string") return this.onMalformed(packet, weight)
    const issue = weight > 0 ? this.memory.parsingIssue(weight) : undefined
    if (issue !== undefined) return this.onMalformed(packet, issue)
    this.onFrame(
      typeof packet === "string"
        ? Frame.parse(packet, this.agreement.version)
        : FrameBytes.parse(packet, this.agreement.serialization),
      packet
    )
  }

  private onFrame(frame: Frame.Frame | Frame.Malformed, packet: Packet): void {
    switch (frame.type) {
      case "s":
        return this.parts.outgoing.onResponse(frame)
      case "c":
        return this.parts.cancel(frame.id)
      case "v":
        return this.onHello(frame.data)
      case "d":
        return this.parts.opened.onElements(frame)
      case "i":
        return this.parts.served.onInput(frame)
      case "k":
      case "w":
      case "g":
        return this.onGrant(frame, packet)
      case "o":
        return this.parts.opened.onAccept(frame.id)
      case "e":
        return this.parts.opened.onEnd(frame)
      case "j":
        return this.parts.incoming.endInput(frame.id)
      case "h":
        return this.parts.opened.onInputRefused(frame.id)
      case "malformed":
        return this.onMalformed(packet, frame.issue)
      default:
        return this.logDropped(packet, "its type is unknown")
    }
  }

  /** What waits for such a frame fails: it would wait for nothing. */
  private onMalformed(packet: Packet, issue: string): void {
    this.logDropped(packet, issue)
    const text = FrameBytes.textOf(packet)
    const id = Frame.idOf(text)
    switch (text.charAt(0)) {
      case "s":
        return this.parts.outgoing.onUnreadable(id, issue)
      case "d":
      case "e":
        return this.parts.opened.onUnreadable(id, issue)
      case "i":
        return this.parts.served.onUnreadable(id, issue)
    }
  }

  private onHello(data: unknown): void {
    const hello = Hello.parse(data)
    if (hello === undefined || this.greeted) {
      const reason = this.greeted ? "a second hello" : "a hello without its limits"
      return this.startClosing({ code: CloseCode.ProtocolError, reason })
    }
    this.greeted = true
    this.maxFrameBytes = Math.min(this.context.maxFrameBytes, hello.maxFrameBytes)
    this.outbox.limit(this.maxFrameBytes)
    this.outbox.grant(hello.credit)
  }

  private onGrant({ data, id, type }: Frame.Grant, packet: Packet): void {
    const credit = Hello.creditOf(data, type === "k" ? "requests" : "items")
    if (credit === undefined) this.logDropped(packet, "it grants nothing")
    else if (type === "w") this.parts.incoming.grant(id, credit)
    else if (type === "g") this.parts.opened.grant(id, credit)
    else this.outbox.grant(credit)
  }

  onDrain(): void {
    this.outbox.drain()
    this.parts.onDrain()
  }

  /** A heartbeat is due. */
  onDeadline(lateMillis: number): void {
    if (this.state !== "open") return
    if (this.receivedSinceHeartbeat) this.silentHeartbeats = 0
    // A time in which this end itself was stalled isn't the peer's silence.
    else if (lateMillis < this.millis / 2) this.silentHeartbeats++
    this.watchBound()
    this.receivedSinceHeartbeat = false
    if (this.silentHeartbeats === 2) {
      this.closeEvent = { code: CloseCode.Silent, reason: "silent for two heartbeats" }
      return this.transport.terminate()
    }
    this.transport.ping()
    this.context.deadlines.add(this)
  }

  /** Logs once that this connection stays at its bound. */
  private watchBound(): void {
    const { backlog, departures, inFlight } = this.held
    this.boundHeartbeats = backlog + departures > 0 ? this.boundHeartbeats + 1 : 0
    if (this.boundHeartbeats !== 2) return
    const held = `${inFlight} handlers in flight, ${backlog} requests and ${departures} frames waiting, ${this.memory.outbound} bytes unread`
    this.context.runFork(Effect.logWarning(`The connection to ${this.target} stays at its bound: ${held}`))
  }

  onClosed(event: CloseEvent): void {
    if (this.state === "closed") return
    this.arrived.flush()
    // This end's own reason is more specific than how the transport then ended.
    if (this.state === "open" && this.closeEvent.code === CloseCode.Abnormal) this.closeEvent = event
    this.state = "closed"
    this.release()
    for (const listener of this.onceClosedListeners ?? []) listener(this.closeEvent, this)
    this.awaitingEnd?.announce()
  }

  private release(): void {
    this.context.deadlines.remove(this)
    this.arrived.clear()
    this.parts.clear()
    this.outbox.clear()
    this.memory.close()
  }

  logDropped(packet: Packet, issue: string): void {
    if (++this.dropped > maxDroppedLogged) return
    const last = this.dropped === maxDroppedLogged ? "; further ones of this connection are dropped in silence" : ""
    const shown = quote(FrameBytes.textOf(packet).slice(0, 100))
    this.context.runFork(Effect.logWarning(`Dropped a frame of ${this.target}, since ${issue}: ${shown}${last}`))
  }
}

/** How a connection ends of which nothing else is known. */
const lost: CloseEvent = { code: CloseCode.Abnormal, reason: "" }

/** How many dropped frames of one connection are logged. */
const maxDroppedLogged = 10
