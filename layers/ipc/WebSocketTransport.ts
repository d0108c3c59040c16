/**
 * A connection over WebSocket (RFC 6455), at either end. What is sent in one turn of the event loop leaves in batches, each
 * in one system call.
 *
 * @internal
 */
import type { Duplex } from "node:stream"
import { clearTimeout, setTimeout } from "node:timers"
import type { WebSocket } from "ws"
import type { CloseEvent } from "../../src/CloseEvent.js"
import { CloseCode } from "../../src/CloseEvent.js"
import * as FrameLimit from "../../src/connection/FrameLimit.js"
import * as JoinedFrames from "../../src/connection/JoinedFrames.js"
import type { Agreement, Serialization } from "../../src/connection/Subprotocol.js"
import * as Subprotocol from "../../src/connection/Subprotocol.js"
import { isReceivingNews, type Packet, type Transport, type TransportListener } from "../../src/connection/Transport.js"
import * as BufferCollection from "../BufferCollection.js"
import * as BufferPool from "../BufferPool.js"
import { Batches, type Sink } from "./Batches.js"
import * as TextFrames from "./TextFrames.js"
import { type TextListener, TextReader } from "./TextReader.js"
import type { Ws } from "./Ws.js"

/**
 * Takes over an open WebSocket that may have other listeners, and the socket beneath it. A message over `maxFrameBytes` closes
 * the connection with 1009.
 */
export const make = (webSocket: WebSocket, socket: Duplex, maxFrameBytes: number): Transport =>
  new WebSocketTransport(webSocket, socket, maxFrameBytes, undefined, undefined)

/** Like `make`, for a WebSocket without compression that nothing else listens to: ws neither reads nor writes small texts. */
export const makeOwn = (
  webSocket: WebSocket,
  socket: Duplex,
  role: Role,
  maxFrameBytes: number,
  serialization: Serialization | undefined
): Transport => new WebSocketTransport(webSocket, socket, maxFrameBytes, serialization, role)

/** Which end of a WebSocket this is. */
type Role = "client" | "server"

/** How long the peer has to answer a close frame, in milliseconds. */
const closeGraceMillis = 250

/** What so many characters take at most: a UTF-16 unit is no more than three bytes of UTF-8. */
const maxJoinedBytes = 3 * JoinedFrames.maxJoinedLength

/** The `maxPayload` of the WebSocket for a limit of one frame: frames within the limit may come joined. */
export const maxPayload = (maxFrameBytes: number): number => Math.max(maxFrameBytes, maxJoinedBytes)

let limitNaming: Ws["WebSocket"] | undefined

/**
 * A WebSocket that names the limit to a peer whose frame is over it: ws by itself closes with the bare code. There is one
 * class, since V8 makes two dozen hidden classes for each.
 */
export const webSocketClass = ({ WebSocket }: Ws): Ws["WebSocket"] => {
  limitNaming ??= class extends WebSocket {
    override close(code?: number, data?: string | Buffer): void {
      super.close(code, code === CloseCode.TooLarge ? (data ?? (this as Carrier)[carried]?.limit) : data)
    }
  }
  return limitNaming
}

class WebSocketTransport implements Transport, Sink, TextListener {
  readonly agreement: Agreement
  private readonly batches: Batches
  private listener: TransportListener | undefined
  /** The bytes that came since the last message. */
  private received = 0
  /** What the listener knows of them. */
  private toldReceived = 0
  private error: CloseEvent | undefined
  private grace: NodeJS.Timeout | undefined

  constructor(
    private readonly webSocket: WebSocket,
    private readonly socket: Duplex,
    private readonly maxFrameBytes: number,
    serialization: Serialization | undefined,
    private readonly role: Role | undefined
  ) {
    this.agreement = Subprotocol.agreementOf(webSocket.protocol, serialization)
    this.batches = new Batches(socket, this)
  }

  /** ws would count what is sent after the end as unsent for ever. */
  isOpen(): boolean {
    return this.webSocket.readyState === this.webSocket.OPEN
  }

  buffered(): number {
    return this.webSocket.bufferedAmount
  }

  onDrain(): void {
    this.listener?.onDrain()
  }

  listen(listener: TransportListener): void {
    this.listener = listener
    if (this.role === undefined) {
      // Before ws reads it, which tells of a message as soon as it is whole.
      this.socket.prependListener("data", (chunk: Buffer) => this.onBytesForWs(chunk.length))
    } else TextReader.start(this.socket, this.role === "server", this.maxFrameBytes, this)
    const webSocket: Carrier = this.webSocket
    webSocket[carried] = this
    webSocket.on("message", onMessage)
    webSocket.on("ping", onAlive)
    webSocket.on("pong", onAlive)
    webSocket.on("error", onError)
    webSocket.on("close", onClose)
  }

  onText(text: string): void {
    this.onReceived(0)
    this.listener?.onText(text)
  }

  onBytesForWs(count: number): void {
    this.onReceived(this.received + count)
  }

  onMessage(data: Buffer, isBinary: boolean): void {
    this.onReceived(0)
    // What the socket read of it took as much again.
    BufferCollection.allocated(2 * data.length)
    if (data.length > this.maxFrameBytes && !this.isJoined(data)) return this.refuse(data.length)
    if (isBinary) this.listener?.onBytes(data)
    else this.listener?.onText(data.toString())
  }

  onAlive(): void {
    this.listener?.onAlive()
  }

  onError(error: Error & { readonly code?: string }): void {
    // ws has told the peer why, where the protocol has a code for it; it need not wait for the answer.
    const code = protocolCloseCode(error.code)
    this.error ??=
      code === CloseCode.TooLarge ? FrameLimit.exceeded(this.maxFrameBytes) : { code, reason: error.message }
    this.endSoon()
  }

  onClose(code: number, reason: Buffer): void {
    clearTimeout(this.grace)
    this.listener?.onClosed(this.error ?? { code, reason: reason.toString() })
  }

  /** The limit as a peer is told it. */
  get limit(): string {
    return FrameLimit.exceeded(this.maxFrameBytes).reason
  }

  private onReceived(bytes: number): void {
    this.received = bytes
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
    if (!this.isOpen()) return
    const buffer = BufferPool.takeForWrite(this.socket, Buffer.byteLength(head) + 1 + bytes.length)
    const start = buffer.write(`${head}\n`)
    buffer.set(bytes, start)
    this.webSocket.send(buffer.subarray(0, start + bytes.length), BufferPool.givingAfterWrite(this.socket, buffer))
  }

  unsent(): number {
    return this.batches.unsent()
  }

  write(packets: ReadonlyArray<Packet>): void {
    if (packets.length === 1) return this.writeMessage(packets[0] as Packet)
    const messages = this.agreement.version > 0 ? JoinedFrames.join(packets) : packets
    if (messages.length === 1) return this.writeMessage(messages[0] as Packet)
    this.socket.cork()
    for (const message of messages) this.writeMessage(message)
    this.socket.uncork()
  }

  private writeMessage(message: Packet): void {
    if (this.role === undefined || typeof message !== "string") this.webSocket.send(message)
    else TextFrames.write(this.socket, message, this.role === "client")
  }

  ping(): void {
    if (this.webSocket.readyState === this.webSocket.OPEN) this.webSocket.ping()
  }

  close({ code, reason }: CloseEvent): void {
    this.batches.flush()
    // ws would keep on collecting the frame for which there is no room; anything else may hold the peer's own close frame.
    if (code === CloseCode.TryAgainLater) this.webSocket.pause()
    else this.webSocket.resume()
    this.webSocket.close(isSendable(code) ? code : CloseCode.Normal, fitted(reason))
    this.endSoon()
  }

  terminate(): void {
    this.webSocket.terminate()
  }

  private endSoon(): void {
    this.grace ??= setTimeout(() => this.webSocket.terminate(), closeGraceMillis)
  }

  /** Joined frames are each within their sender's limit, and together small. */
  private isJoined(data: Buffer): boolean {
    return this.agreement.version > 0 && data.length <= maxJoinedBytes && data.includes(JoinedFrames.separator)
  }

  private refuse(size: number): void {
    if (this.error !== undefined) return
    this.error = FrameLimit.exceeded(this.maxFrameBytes, size)
    this.close(this.error)
  }
}

/** Where a WebSocket has its transport. */
const carried = Symbol("carried")

type Carrier = WebSocket & { [carried]?: WebSocketTransport | undefined }

// Shared by all WebSockets, since closures of its own would take 300 bytes of each idle connection.
function onMessage(this: Carrier, data: Buffer, isBinary: boolean): void {
  this[carried]?.onMessage(data, isBinary)
}

function onAlive(this: Carrier): void {
  this[carried]?.onAlive()
}

function onError(this: Carrier, error: Error): void {
  this[carried]?.onError(error)
}

function onClose(this: Carrier, code: number, reason: Buffer): void {
  this[carried]?.onClose(code, reason)
}

/** The codes that may be in a close frame, RFC 6455 section 7.4: the rest only report how a connection ended. */
const isSendable = (code: number): boolean =>
  (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999)

/** A control frame takes 125 bytes, two of them the code's. */
const maxReasonBytes = 123

const fitted = (reason: string): string => {
  if (reason.length * 3 <= maxReasonBytes) return reason
  const { read } = new TextEncoder().encodeInto(reason, new Uint8Array(maxReasonBytes))
  return reason.slice(0, read)
}

const protocolCloseCode = (code: string | undefined): number => {
  switch (code) {
    case "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH":
      return CloseCode.TooLarge
    case "WS_ERR_TOO_MANY_BUFFERED_PARTS":
      return 1008
    case "WS_ERR_INVALID_UTF8":
      return 1007
    default:
      return code?.startsWith("WS_ERR_") ? 1002 : CloseCode.Abnormal
  }
}
