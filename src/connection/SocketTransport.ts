/**
 * A connection over a platform `Socket`: a byte stream (TCP, a Unix socket) or a WebSocket, on whatever runtime.
 */
import * as Socket from "@effect/platform/Socket"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Mailbox from "effect/Mailbox"
import type * as Scope from "effect/Scope"
import type { CloseEvent } from "../CloseEvent.js"
import { CloseCode } from "../CloseEvent.js"
import { detached } from "../internal/Detached.js"
import { messageOf } from "../internal/ErrorMessage.js"
import * as JsonBounds from "../internal/JsonBounds.js"
import * as RunFork from "../internal/RunFork.js"
import { wholeNumber } from "../internal/WholeNumber.js"
import * as Frame from "./Frame.js"
import * as FrameLimit from "./FrameLimit.js"
import { defaultMaxFrameBytes } from "./IPCSocketOptions.js"
import * as JoinedFrames from "./JoinedFrames.js"
import type { Agreement } from "./Subprotocol.js"
import * as Subprotocol from "./Subprotocol.js"
import { isReceivingNews, type Packet, type Transport, type TransportListener } from "./Transport.js"

/**
 * How frames are told apart, and what the peer understands.
 *
 * @since 0.1.0
 * @category models
 */
export interface SocketTransportOptions {
  /** `lines` on a byte stream: a line feed ends each frame. `messages` on a WebSocket, whose messages are the frames. */
  readonly framing: "lines" | "messages"
  /**
   * Whether the peer is this library too. A platform socket doesn't show its subprotocol, so both ends have to be told.
   * With a plain peer nothing but plain frames is sent: a connection that is lost while nothing is sent isn't noticed. Default true.
   */
  readonly extended?: boolean | undefined
  /** A longer frame, in bytes, ends the connection. Default 16 MiB. */
  readonly maxFrameBytes?: number | undefined
}

/**
 * A transport that knows of its end, and of the name that a client of this library sends first: a socket has no URL to
 * carry it.
 *
 * @internal
 */
export interface NamingTransport extends Transport {
  /** Tells the peer this end's name, or that it has none. */
  readonly introduce: (runtimeId: string | undefined) => void
  /** The peer's name, known once its first frame has come: `undefined` where it gives none. */
  readonly introduced: Effect.Effect<string | undefined>
  readonly closed: Effect.Effect<CloseEvent>
}

/**
 * Opens the socket and is done when it is open; the scope's end closes it. Beside frames, two ends of this library send
 * `n:::{"runtimeId":…}` (the client's name, first), `i:::` (ping), `o:::` (pong), and
 * `q:::{"code":…,"reason":…}` (the close event, since a byte stream has no close code).
 *
 * A platform socket doesn't tell how much a WebSocket has yet to send, so only a byte stream's senders are held back.
 *
 * @internal
 */
export const make: (
  socket: Socket.Socket,
  options: SocketTransportOptions
) => Effect.Effect<NamingTransport, Socket.SocketError, Scope.Scope> = Effect.fnUntraced(function* (socket, options) {
  const runFork = yield* RunFork.make()
  const outbox = yield* Mailbox.make<Outgoing>()
  const transport = new SocketTransport(options, outbox, runFork)
  const opened = yield* Deferred.make<void, Socket.SocketError>()

  yield* Effect.addFinalizer(() => Effect.sync(() => transport.end({ code: CloseCode.GoingAway, reason: "" })))
  const write = yield* socket.writer
  const reading = socket
    .runRaw((data) => transport.onData(data), { onOpen: Deferred.succeed(opened, undefined) })
    .pipe(
      Effect.catchAllCause((cause) => Effect.as(Deferred.failCause(opened, cause), closeEventOf(Cause.squash(cause)))),
      // Nothing waits for this where it was open.
      Effect.zipLeft(Deferred.fail(opened, new Socket.SocketCloseError({ reason: "Close", code: CloseCode.Abnormal }))),
      Effect.map((event) => transport.end(event ?? lost))
    )
  transport.fibers.push(yield* Effect.forkScoped(detached(Effect.interruptible(reading))))
  yield* Deferred.await(opened)
  transport.fibers.push(yield* Effect.forkScoped(detached(Effect.interruptible(transport.writeAll(write)))))
  return transport
})

const ping = "i:::"
const pong = "o:::"
const closeFrame = "q:::"
const introduction = "n:::"

/** How long the peer has to answer a close event. */
const closeGrace = Duration.millis(250)

/** A frame that waits to be written, or the end of all writing. */
type Outgoing = Packet | Socket.CloseEvent

/** What is written at once: frames, or the end. */
interface Chunk {
  readonly texts: Array<string>
  length: number
  readonly bytes?: Uint8Array
  readonly end?: Socket.CloseEvent
}

type Write = (chunk: Packet | Socket.CloseEvent) => Effect.Effect<void, Socket.SocketError>

class SocketTransport implements NamingTransport {
  readonly agreement: Agreement
  readonly introduced: Effect.Effect<string | undefined>
  readonly closed: Effect.Effect<CloseEvent>
  /** Fibers that read and write the socket, which keeps it open, and the one that waits for the peer's close event. */
  readonly fibers: Array<Fiber.RuntimeFiber<unknown>> = []
  private readonly extended: boolean
  private readonly byLine: boolean
  private readonly maxFrameBytes: number
  private readonly decoder = new TextDecoder()
  private listener: TransportListener | undefined
  private closeEvent: CloseEvent | undefined
  private isIntroduced = false
  private readonly named = Deferred.unsafeMake<string | undefined>(FiberId.none)
  private readonly ended = Deferred.unsafeMake<CloseEvent>(FiberId.none)
  /** What has come of a line that hasn't ended yet. */
  private line: Array<string> = []
  private lineLength = 0
  /** What the listener knows of it. */
  private toldLength = 0
  /** Frames that arrived before there was a listener. */
  private held: Array<Packet> = []
  private heldLength = 0
  /** The close event that this end has sent, if any. */
  private closing: CloseEvent | undefined
  private unsentLength = 0

  constructor(
    options: SocketTransportOptions,
    private readonly outbox: Mailbox.Mailbox<Outgoing>,
    private readonly runFork: RunFork.RunFork
  ) {
    this.extended = options.extended ?? true
    this.introduced = Deferred.await(this.named)
    this.closed = Deferred.await(this.ended)
    if (!this.extended) this.onIntroduced(undefined)
    this.byLine = options.framing === "lines"
    this.agreement = agreementOf(options)
    this.maxFrameBytes = wholeNumber(options.maxFrameBytes, defaultMaxFrameBytes)
  }

  listen(listener: TransportListener): void {
    this.listener = listener
    queueMicrotask(() => {
      this.release()
      if (this.closeEvent !== undefined) listener.onClosed(this.closeEvent)
    })
  }

  introduce(runtimeId: string | undefined): void {
    if (this.extended) this.send(introduction + JSON.stringify({ runtimeId }))
  }

  send(packet: Packet): void {
    if (this.closing !== undefined || this.closeEvent !== undefined) return
    this.unsentLength += packet.length
    this.outbox.unsafeOffer(packet)
  }

  unsent(): number {
    return this.unsentLength
  }

  ping(): void {
    if (this.extended) this.send(ping)
    // Nothing can be asked of a plain peer; the socket beneath has to notice its end.
    else queueMicrotask(() => this.listener?.onAlive())
  }

  close(event: CloseEvent): void {
    if (this.closing !== undefined || this.closeEvent !== undefined) return
    if (this.byLine && this.extended) this.send(closeFrame + JSON.stringify(event))
    this.closing = event
    this.outbox.unsafeOffer(new Socket.CloseEvent(event.code, event.reason))
    this.fibers.push(
      this.runFork(
        Effect.delay(
          Effect.sync(() => this.end(event)),
          closeGrace
        )
      )
    )
  }

  terminate(): void {
    this.end(lost)
  }

  end(event: CloseEvent): void {
    if (this.closeEvent !== undefined) return
    this.closeEvent = this.closing ?? event
    this.held = []
    this.line = []
    this.unsentLength = 0
    for (const fiber of this.fibers) fiber.unsafeInterruptAsFork(FiberId.none)
    this.onIntroduced(undefined)
    Deferred.unsafeDone(this.ended, Exit.succeed(this.closeEvent))
    this.listener?.onClosed(this.closeEvent)
  }

  /** Writes what there is together, until the end. */
  writeAll(write: Write): Effect.Effect<void> {
    const writeChunk = (chunk: Chunk) =>
      Effect.map(write(chunk.end ?? chunk.bytes ?? this.print(chunk)), () => this.onWritten(chunk.length))
    return this.outbox.takeAll.pipe(
      Effect.flatMap(([batch]) => Effect.forEach(this.joined(batch), writeChunk, { discard: true })),
      Effect.forever,
      // A socket may throw, too: a browser's refuses most close codes.
      Effect.catchAllCause((cause) => Effect.sync(() => this.end(closeEventOf(Cause.squash(cause)))))
    )
  }

  onData(data: string | Uint8Array): void {
    if (this.closing !== undefined || this.closeEvent !== undefined) return
    if (this.byLine) return this.onChunk(typeof data === "string" ? data : this.decoder.decode(data, { stream: true }))
    if (typeof data === "string") return this.onFrame(data)
    this.deliver(data)
  }

  private onChunk(chunk: string): void {
    let start = 0
    for (;;) {
      const end = chunk.indexOf(JoinedFrames.separator, start)
      if (end === -1) break
      this.line.push(chunk.slice(start, end))
      const text = this.line.length === 1 ? (this.line[0] as string) : this.line.join("")
      this.line = []
      this.onReceived(0)
      this.onFrame(text)
      start = end + 1
    }
    if (start === chunk.length) return
    this.line.push(chunk.slice(start))
    this.onReceived(this.lineLength + chunk.length - start)
    // A character is at least a byte, so this many are over the limit whatever they are.
    if (this.lineLength > this.maxFrameBytes) this.refuse(FrameLimit.exceeded(this.maxFrameBytes))
  }

  private onReceived(length: number): void {
    this.lineLength = length
    if (isReceivingNews(length, this.toldLength)) {
      this.toldLength = length
      this.listener?.onReceiving(length)
    }
  }

  private onFrame(text: string): void {
    if (this.extended) {
      if (text === ping) return this.onPing()
      if (text === pong) return this.listener?.onAlive()
      if (text.startsWith(closeFrame)) return this.end(closeEventOfFrame(text))
      if (!this.isIntroduced) {
        const isIntroduction = text.startsWith(introduction)
        this.onIntroduced(isIntroduction ? runtimeIdOf(text) : undefined)
        if (isIntroduction) return
      }
    }
    this.deliver(text)
  }

  /** What is unsent tells the peer as well that this end is alive; pongs to a peer that doesn't read would only add to it. */
  private onPing(): void {
    if (this.unsentLength < maxUnsentBeforePong) this.send(pong)
  }

  private deliver(packet: Packet): void {
    if (this.listener !== undefined && this.held.length === 0) return tell(this.listener, packet)
    this.held.push(packet)
    this.heldLength += packet.length
    if (this.heldLength > this.maxFrameBytes) {
      this.refuse({ code: CloseCode.TooLarge, reason: `over ${this.maxFrameBytes} bytes before anybody listened` })
    }
  }

  /** The first frame tells the name, no later one. */
  private onIntroduced(runtimeId: string | undefined): void {
    if (this.isIntroduced) return
    this.isIntroduced = true
    Deferred.unsafeDone(this.named, Exit.succeed(runtimeId))
  }

  private release(): void {
    while (this.held.length > 0 && this.listener !== undefined && this.closeEvent === undefined) {
      const packet = this.held.shift() as Packet
      this.heldLength -= packet.length
      tell(this.listener, packet)
    }
  }

  private refuse(event: CloseEvent): void {
    this.held = []
    this.line = []
    this.close(event)
  }

  private onWritten(length: number): void {
    if (this.closeEvent !== undefined) return
    this.unsentLength -= length
    this.listener?.onDrain()
  }

  private joined(batch: Iterable<Outgoing>): ReadonlyArray<Chunk> {
    const chunks: Array<Chunk> = []
    for (const outgoing of batch) {
      const last = chunks.at(-1)
      if (outgoing instanceof Uint8Array) chunks.push({ texts: [], length: outgoing.length, bytes: outgoing })
      else if (typeof outgoing !== "string") chunks.push({ texts: [], length: 0, end: outgoing })
      else if (last === undefined || !this.fits(last, outgoing)) {
        chunks.push({ texts: [outgoing], length: outgoing.length })
      } else {
        last.texts.push(outgoing)
        last.length += outgoing.length
      }
    }
    return chunks
  }

  /** Whether the text can be written together with what is in the chunk. */
  private fits(chunk: Chunk, text: string): boolean {
    if (chunk.end !== undefined || chunk.bytes !== undefined) return false
    if (this.byLine) return true
    // Neither a heartbeat nor the name is looked for among joined frames.
    if (!this.extended || standsAlone(text) || standsAlone(chunk.texts[0])) return false
    return JoinedFrames.fitsJoined(chunk.length + chunk.texts.length - 1, text)
  }

  private print({ texts }: Chunk): string {
    const text = texts.length === 1 ? (texts[0] as string) : texts.join(JoinedFrames.separator)
    return this.byLine ? text + JoinedFrames.separator : text
  }
}

const agreementOf = ({ extended = true, framing }: SocketTransportOptions): Agreement => {
  if (!extended) return Subprotocol.plain
  return framing === "lines" ? Subprotocol.streamingText : Subprotocol.streaming
}

const tell = (listener: TransportListener, packet: Packet): void =>
  typeof packet === "string" ? listener.onText(packet) : listener.onBytes(packet)

const standsAlone = (text: string | undefined): boolean =>
  text === ping || text === pong || text?.startsWith(introduction) === true

const maxUnsentBeforePong = 64 * 1024

/** The close event of a socket that ends without one. */
const lost: CloseEvent = { code: CloseCode.Abnormal, reason: "" }

const closeEventOf = (error: unknown): CloseEvent => {
  if (!Socket.isSocketError(error)) return { code: CloseCode.Abnormal, reason: messageOf(error) }
  return error.reason === "Close"
    ? { code: error.code, reason: error.closeReason ?? "" }
    : { code: CloseCode.Abnormal, reason: messageOf(error.cause) }
}

const runtimeIdOf = (text: string): string | undefined => {
  if (text.length > JsonBounds.uncheckedLength) return undefined
  const frame = Frame.parse(`m::introduction:${text.slice(introduction.length)}`)
  const data = frame.type === "m" ? (frame.data as { readonly runtimeId?: unknown } | null | undefined) : undefined
  return typeof data?.runtimeId === "string" ? data.runtimeId : undefined
}

const closeEventOfFrame = (text: string): CloseEvent => {
  if (text.length > JsonBounds.uncheckedLength) return lost
  const frame = Frame.parse(`m::close:${text.slice(closeFrame.length)}`)
  const event = frame.type === "m" ? (frame.data as Partial<CloseEvent> | null | undefined) : undefined
  return typeof event?.code === "number" && typeof event.reason === "string"
    ? { code: event.code, reason: event.reason }
    : lost
}
