/**
 * A connection between two participants as messages of core NATS, which delivers each at most once: messages are numbered,
 * and one that is missing ends the connection.
 *
 * A message is its kind (a byte), its number (four bytes, big-endian) and its content. A frame above the server's
 * `max_payload` goes in several. What the receiver has taken it acknowledges now and then, so that a peer which doesn't read
 * is noticed by what is unsent.
 *
 * @internal
 */
import type { MsgHdrs, NatsConnection, Subscription } from "@nats-io/transport-node"
import type { CloseEvent } from "../../src/CloseEvent.js"
import { CloseCode } from "../../src/CloseEvent.js"
import * as Subprotocol from "../../src/connection/Subprotocol.js"
import type { Packet, Transport, TransportListener } from "../../src/connection/Transport.js"
import { messageOf } from "../../src/internal/ErrorMessage.js"
import * as TraceContext from "../../src/telemetry/TraceContext.js"
import * as MaxPayload from "./MaxPayload.js"

const Kind = {
  Text: 0,
  Bytes: 1,
  /** A part of a frame, of which the last part tells the kind. */
  Part: 2,
  Ping: 3,
  Pong: 4,
  Close: 5,
  /** The answer to `Close`. */
  Closed: 6,
  Acknowledge: 7
} as const

const headerLength = 5

/** A `tracestate` that a header can carry. Longer ones than every system has to pass on are left to the frame. */
const isTraceState = /^[\x20-\x7e]{1,512}$/

/** The receiver acknowledges each time that it has taken as many bytes; as many count as sent at once. */
const acknowledgedAt = 64 * 1024

/** How long the answer to a close event may take, in milliseconds. */
const closePatience = 250

export class NatsTransport implements Transport {
  readonly agreement = Subprotocol.streaming
  private listener: TransportListener | undefined
  /** What came before there was a listener. */
  private early: Array<() => void> = []
  private isOpen = true
  private nextSent = 0
  private nextReceived = 0
  private sentBytes = 0
  private acknowledgedBytes = 0
  private takenBytes = 0
  private parts: Array<Uint8Array> = []
  private partBytes = 0
  private isDrainScheduled = false
  private readonly onEnd: Array<() => void> = []
  private closing: ReturnType<typeof setTimeout> | undefined

  constructor(
    private readonly connection: NatsConnection,
    private readonly makeHeaders: () => MsgHdrs,
    private readonly inbox: Subscription,
    private readonly peer: string,
    private readonly maxFrameBytes: number
  ) {}

  /** Calls back at its end, at whichever side's wish. */
  onceEnded(listener: () => void): void {
    this.onEnd.push(listener)
  }

  listen(listener: TransportListener): void {
    this.listener = listener
    const { early } = this
    this.early = []
    queueMicrotask(() => {
      for (const tell of early) tell()
    })
  }

  send(packet: Packet): void {
    if (!this.isOpen || this.closing !== undefined) return
    const content = typeof packet === "string" ? Buffer.from(packet) : packet
    const most = MaxPayload.roomIn(this.connection)
    const trace = traceOf(packet)
    let start = 0
    for (; this.isOpen && content.length - start > most; start += most) {
      this.publish(Kind.Part, content.subarray(start, start + most), trace)
    }
    this.publish(typeof packet === "string" ? Kind.Text : Kind.Bytes, content.subarray(start), trace)
    this.sentBytes += content.length
    if (this.unsent() === 0) this.scheduleDrain()
  }

  unsent(): number {
    return Math.max(this.sentBytes - this.acknowledgedBytes - acknowledgedAt, 0)
  }

  ping(): void {
    if (this.isOpen) this.publish(Kind.Ping)
  }

  close(event: CloseEvent): void {
    if (!this.isOpen || this.closing !== undefined) return
    this.publishClose(event)
    if (this.isOpen) this.closing = setTimeout(() => this.end(event), closePatience)
  }

  terminate(): void {
    if (this.isOpen) this.abandon(broken)
  }

  /** A message arrived in the inbox. */
  take(message: Uint8Array): void {
    if (!this.isOpen || message.length < headerLength) return
    const view = new DataView(message.buffer, message.byteOffset, message.byteLength)
    const kind = view.getUint8(0)
    if (view.getUint32(1) !== this.nextReceived)
      return this.abandon({ ...broken, reason: "a message was lost on the way" })
    this.nextReceived = (this.nextReceived + 1) >>> 0
    const content = message.subarray(headerLength)
    switch (kind) {
      case Kind.Text:
      case Kind.Bytes:
        return this.takeFrame(kind, content)
      case Kind.Part:
        return this.takePart(content)
      case Kind.Ping:
        this.tell((listener) => listener.onAlive())
        return this.publish(Kind.Pong)
      case Kind.Pong:
        return this.tell((listener) => listener.onAlive())
      case Kind.Acknowledge:
        return this.onAcknowledged(content)
      case Kind.Close:
        this.publish(Kind.Closed)
        return this.end(eventOf(content))
      case Kind.Closed:
        if (this.closing !== undefined) this.end({ code: CloseCode.Normal, reason: "" })
    }
  }

  private takeFrame(kind: number, last: Uint8Array): void {
    this.count(last)
    const content = this.parts.length === 0 ? last : Buffer.concat([...this.parts, last])
    if (this.parts.length > 0) this.tell((listener) => listener.onReceiving(0))
    this.parts = []
    this.partBytes = 0
    if (kind === Kind.Bytes) this.tell((listener) => listener.onBytes(content))
    else {
      const text = Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString()
      this.tell((listener) => listener.onText(text))
    }
  }

  private takePart(content: Uint8Array): void {
    this.count(content)
    this.parts.push(content)
    // Parts without content take memory, too.
    this.partBytes += Math.max(content.length, 64)
    if (this.partBytes <= this.maxFrameBytes) return this.tell((listener) => listener.onReceiving(this.partBytes))
    this.abandon({ code: CloseCode.TooLarge, reason: `a frame over ${this.maxFrameBytes} bytes` })
  }

  /** Tells the peer, and waits for no answer. */
  private abandon(event: CloseEvent): void {
    this.publishClose(event)
    this.end(event)
  }

  private publishClose({ code, reason }: CloseEvent): void {
    this.publish(Kind.Close, Buffer.from(JSON.stringify([code, reason])))
  }

  private count({ length }: Uint8Array): void {
    this.takenBytes += length
    if (this.takenBytes < acknowledgedAt / 2) return
    const content = Buffer.alloc(4)
    content.writeUInt32BE(this.takenBytes)
    this.takenBytes = 0
    this.publish(Kind.Acknowledge, content)
  }

  private onAcknowledged(content: Uint8Array): void {
    if (content.length !== 4) return
    const bytes = new DataView(content.buffer, content.byteOffset, 4).getUint32(0)
    this.acknowledgedBytes = Math.min(this.acknowledgedBytes + bytes, this.sentBytes)
    this.tell((listener) => listener.onDrain())
  }

  private scheduleDrain(): void {
    if (this.isDrainScheduled) return
    this.isDrainScheduled = true
    queueMicrotask(() => {
      this.isDrainScheduled = false
      if (this.isOpen) this.listener?.onDrain()
    })
  }

  private publish(kind: number, content: Uint8Array = none, trace?: TraceContext.TraceContext): void {
    if (!this.isOpen) return
    const message = Buffer.allocUnsafe(headerLength + content.length)
    message.writeUInt8(kind)
    message.writeUInt32BE(this.nextSent, 1)
    message.set(content, headerLength)
    this.nextSent = (this.nextSent + 1) >>> 0
    try {
      if (trace === undefined) this.connection.publish(this.peer, message)
      else this.connection.publish(this.peer, message, { headers: this.headersOf(trace) })
    } catch (error) {
      // The connection to NATS is closed, or leads now to a server that takes less in a message. The peer would miss this one.
      this.end({ ...broken, reason: messageOf(error) })
    }
  }

  /** For tools that follow messages: the peer reads the context in the frame. */
  private headersOf({ traceparent, tracestate }: TraceContext.TraceContext): MsgHdrs {
    const made = this.makeHeaders()
    made.set("traceparent", traceparent)
    if (tracestate !== undefined && isTraceState.test(tracestate)) made.set("tracestate", tracestate)
    return made
  }

  private tell(say: (listener: TransportListener) => void): void {
    const { listener } = this
    if (listener === undefined) this.early.push(() => this.listener !== undefined && say(this.listener))
    else say(listener)
  }

  /** As at the end of the connection to NATS: nothing is sent any more. */
  end(event: CloseEvent): void {
    if (!this.isOpen) return
    this.isOpen = false
    clearTimeout(this.closing)
    this.inbox.unsubscribe()
    for (const listener of this.onEnd) listener()
    this.tell((listener) => listener.onClosed(event))
  }
}

const none = new Uint8Array(0)

/** The trace context of the request, message or opened stream that the packet begins with (Frame), where it has any. */
const traceOf = (packet: Packet): TraceContext.TraceContext | undefined => {
  const head = typeof packet === "string" ? packet : headOf(packet)
  const [, context] = traced.exec(head) ?? []
  const span = context === undefined ? undefined : TraceContext.parse(context)
  return span === undefined ? undefined : TraceContext.ofSpan(span)
}

const headOf = (packet: Uint8Array): string =>
  [requestByte, messageByte, openByte].includes(packet[0] ?? 0)
    ? Buffer.from(packet.buffer, packet.byteOffset, Math.min(packet.byteLength, 1024)).toString("latin1")
    : ""

const [requestByte = 0, messageByte = 0, openByte = 0] = Buffer.from("rmq")

const traced = /^[rmq]:\d*;([^:]*):/
const broken: CloseEvent = { code: CloseCode.Abnormal, reason: "" }

const eventOf = (content: Uint8Array): CloseEvent => {
  try {
    const [code, reason] = JSON.parse(new TextDecoder().decode(content))
    return typeof code === "number" && typeof reason === "string" ? { code, reason: reason.slice(0, 123) } : broken
  } catch {
    return broken
  }
}
