/**
 * A connection between two of ours on a Unix socket, at either end: length-prefixed frames of the latest subprotocol.
 *
 * @internal
 */
import type { Duplex } from "node:stream"
import { clearTimeout, setTimeout } from "node:timers"
import type { CloseEvent } from "../../src/CloseEvent.js"
import { CloseCode } from "../../src/CloseEvent.js"
import * as FrameLimit from "../../src/connection/FrameLimit.js"
import * as JoinedFrames from "../../src/connection/JoinedFrames.js"
import type { Agreement } from "../../src/connection/Subprotocol.js"
import { isReceivingNews, type Packet, type Transport, type TransportListener } from "../../src/connection/Transport.js"
import * as BufferCollection from "../BufferCollection.js"
import * as BufferPool from "../BufferPool.js"
import { Batches, type Sink } from "./Batches.js"
import { FrameWriter } from "./FrameWriter.js"
import { type FrameListener, Kind, printHeader, Reader } from "./LengthPrefix.js"
import { ReadAhead } from "./ReadAhead.js"
import * as Text from "./Text.js"

/** Takes over the socket. A frame over `maxFrameBytes` closes the connection with 1009. */
export const make = (socket: Duplex, agreement: Agreement, maxFrameBytes: number): Transport =>
  new UnixTransport(socket, agreement, maxFrameBytes)

/** How long the peer has to answer a close frame, in milliseconds. */
const closeGraceMillis = 250

/** From this size on a frame takes long to parse, in bytes. */
const largeFrameBytes = 128 * 1024

/** What so many characters take at most: a UTF-16 unit is no more than three bytes of UTF-8. */
const maxJoinedBytes = 3 * JoinedFrames.maxJoinedLength

/** A close frame's code and reason. A longer reason is cut. */
const maxReasonBytes = 1024

const maxUnsentBeforePong = 64 * 1024

const lost: CloseEvent = { code: CloseCode.Abnormal, reason: "" }

class UnixTransport implements Transport, Sink, FrameListener {
  private readonly batches: Batches
  private readonly reader: Reader
  private readonly writer: FrameWriter
  private listener: TransportListener | undefined
  /** Made for the first frame that takes long. */
  private readAhead: ReadAhead | undefined
  /** What has come of a frame that isn't whole, in bytes. */
  private received = 0
  /** What the listener knows of it and of what waits to be handled. */
  private toldReceived = 0
  /** Why the connection ends, as far as it is known. */
  private closing: CloseEvent | undefined
  private grace: NodeJS.Timeout | undefined

  constructor(
    private readonly socket: Duplex,
    readonly agreement: Agreement,
    private readonly maxFrameBytes: number
  ) {
    this.batches = new Batches(socket, this)
    this.reader = new Reader(this)
    this.writer = new FrameWriter(socket)
  }

  isOpen(): boolean {
    return this.socket.writable
  }

  buffered(): number {
    return this.socket.writableLength
  }

  onDrain(): void {
    this.listener?.onDrain()
  }

  listen(listener: TransportListener): void {
    this.listener = listener
    const socket: Carrier = this.socket
    socket[carried] = this
    socket.on("error", onError)
    socket.on("end", onEnd)
    socket.on("close", onClose)
    socket.on("data", onData)
  }

  onData(chunk: Buffer): void {
    if (this.closing === undefined) this.reader.read(chunk)
  }

  onClose(): void {
    clearTimeout(this.grace)
    this.readAhead?.flush()
    this.listener?.onClosed(this.closing ?? lost)
  }

  allocate(kind: number, length: number): Buffer {
    return this.isParsed(kind) && length >= (kind === Kind.text ? largeFrameBytes : BufferPool.leastLent)
      ? BufferPool.lend(BufferPool.take(length), length)
      : Buffer.allocUnsafe(length)
  }

  onHeader(kind: number, length: number): boolean {
    if (this.closing !== undefined) return false
    switch (kind) {
      case Kind.text:
      case Kind.bytes:
        if (length <= Math.max(this.maxFrameBytes, kind === Kind.text ? maxJoinedBytes : 0)) return true
        this.refuse(FrameLimit.exceeded(this.maxFrameBytes, length))
        return false
      case Kind.close:
      case Kind.ping:
      case Kind.pong:
        if (length <= maxReasonBytes + 2) return true
    }
    this.refuse({ code: CloseCode.ProtocolError, reason: "what came isn't a frame" })
    return false
  }

  /** Nothing that comes after the frames which wait can be read. */
  private refuse(event: CloseEvent): void {
    this.readAhead?.flush()
    this.close(event)
  }

  onFrame(kind: number, body: Buffer, isOwn: boolean): void {
    const takesLong = body.length >= largeFrameBytes && this.isParsed(kind)
    if (this.readAhead === undefined) {
      if (!takesLong) return this.handle(kind, body)
      this.readAhead = new ReadAhead(
        (kind, body) => this.handle(kind, body),
        () => this.readOn()
      )
    }
    this.readAhead.add(kind, body, isOwn, takesLong)
    if (this.readAhead.isFull) this.socket.pause()
    this.tellReceived()
  }

  onReceiving(bytes: number): void {
    this.received = bytes
    this.tellReceived()
  }

  /** Raw bytes aren't. */
  private isParsed(kind: number): boolean {
    return kind === Kind.text || this.agreement.serialization !== undefined
  }

  private readOn(): void {
    if (this.socket.isPaused() && this.readAhead?.isFull !== true) this.socket.resume()
    this.tellReceived()
  }

  private handle(kind: number, body: Buffer): void {
    const { listener } = this
    if (listener === undefined || this.closing !== undefined) return
    switch (kind) {
      case Kind.text: {
        if (body.length > this.maxFrameBytes && !body.includes(JoinedFrames.separator)) {
          return this.close(FrameLimit.exceeded(this.maxFrameBytes, body.length))
        }
        const text = Text.of(body)
        if (body.length >= largeFrameBytes) BufferPool.loanOf(body)?.giveBack(0, body.length)
        if (text === undefined) return this.close({ code: 1007, reason: "a text frame isn't UTF-8" })
        return listener.onText(text)
      }
      case Kind.bytes:
        if (this.agreement.serialization === undefined) BufferCollection.allocated(body.length)
        return listener.onBytes(body)
      case Kind.ping:
        // What is unsent tells the peer as well that this end is alive, and a peer that doesn't read would let pongs pile up.
        if (this.socket.writable && this.socket.writableLength < maxUnsentBeforePong) {
          this.socket.write(printHeader(Kind.pong, 0))
        }
        return listener.onAlive()
      case Kind.pong:
        return listener.onAlive()
      case Kind.close:
        return this.onCloseFrame(body)
    }
  }

  private onCloseFrame(body: Buffer): void {
    const code = body.length < 2 ? 1005 : body.readUInt16BE(0)
    this.close({ code, reason: body.subarray(2).toString() })
  }

  private tellReceived(): void {
    const bytes = this.received + (this.readAhead?.bytes ?? 0)
    if (isReceivingNews(bytes, this.toldReceived)) {
      this.toldReceived = bytes
      this.listener?.onReceiving(bytes)
    }
  }

  send(packet: Packet): void {
    this.batches.send(packet)
  }

  sendBytes(head: string, bytes: Uint8Array): void {
    this.batches.begin()
    this.batches.flush()
    if (this.isOpen()) this.writer.writeBytes(head, bytes)
  }

  unsent(): number {
    return this.batches.unsent()
  }

  write(packets: ReadonlyArray<Packet>): void {
    this.writer.write(packets.length === 1 ? packets : JoinedFrames.join(packets))
  }

  ping(): void {
    if (this.socket.writable) this.socket.write(printHeader(Kind.ping, 0))
  }

  close(event: CloseEvent): void {
    if (this.closing !== undefined) return
    this.batches.flush()
    const { code } = event
    const reason = Buffer.from(event.reason).subarray(0, maxReasonBytes)
    const body = Buffer.allocUnsafe(2 + reason.length)
    body.writeUInt16BE(code, 0)
    reason.copy(body, 2)
    if (this.socket.writable) {
      this.socket.write(printHeader(Kind.close, body.length))
      this.socket.write(body)
    }
    this.end(event)
  }

  terminate(): void {
    this.closing ??= lost
    this.readAhead?.clear()
    this.socket.destroy()
  }

  /** What has arrived before is handled first. */
  onLost(event: CloseEvent): void {
    this.readAhead?.flush()
    this.end(event)
  }

  /** What is written goes, and the peer has a moment to end as well. */
  private end(event: CloseEvent): void {
    this.closing ??= event
    if (this.socket.writable) this.socket.end()
    // Its end is only seen where what comes before it is read.
    this.socket.resume()
    this.grace ??= setTimeout(() => this.socket.destroy(), closeGraceMillis)
  }
}

/** Where a socket has its transport. */
const carried = Symbol("carried")

type Carrier = Duplex & { [carried]?: UnixTransport | undefined }

// Shared by all sockets, for the reason given in WebSocketTransport.
function onData(this: Carrier, chunk: Buffer): void {
  this[carried]?.onData(chunk)
}

function onError(this: Carrier, { message }: Error): void {
  this[carried]?.onLost({ code: CloseCode.Abnormal, reason: message })
}

function onEnd(this: Carrier): void {
  this[carried]?.onLost(lost)
}

function onClose(this: Carrier): void {
  this[carried]?.onClose()
}
