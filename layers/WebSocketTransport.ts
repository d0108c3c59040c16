/**
 * A connection over WebSocket (RFC 6455), at either end. What is sent in one turn of the event loop leaves in one
 * system call.
 *
 * @since 0.1.0
 */
import type { Duplex } from "node:stream"
import type { WebSocket } from "ws"
import * as Frame from "../src/Frame.js"
import type { CloseEvent, Transport, TransportListener } from "../src/Transport.js"
import { CloseCode } from "../src/Transport.js"

/**
 * Takes over an open WebSocket and the socket beneath it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (webSocket: WebSocket, socket: Duplex): Transport => new WebSocketTransport(webSocket, socket)

/** How long the peer has to answer a goodbye, in milliseconds. */
const closeGraceMillis = 250

/** Frames that leave together are joined up to this many characters; a longer message would delay its first frame. */
const maxJoinedLength = 64 * 1024

class WebSocketTransport implements Transport {
  readonly extended: boolean
  private queue: Array<string> = []
  private queuedLength = 0
  private readonly webSocket: WebSocket
  private readonly socket: Duplex
  private error: CloseEvent | undefined
  private grace: NodeJS.Timeout | undefined

  constructor(webSocket: WebSocket, socket: Duplex) {
    this.webSocket = webSocket
    this.socket = socket
    this.extended = webSocket.protocol === Frame.subprotocol
  }

  listen(listener: TransportListener): void {
    const { socket, webSocket } = this
    webSocket.on("message", (data: Buffer, isBinary: boolean) => {
      if (isBinary) listener.onBinary(data.length)
      else listener.onText(data.toString())
    })
    webSocket.on("ping", listener.onAlive)
    webSocket.on("pong", listener.onAlive)
    webSocket.on("error", (error: Error & { readonly code?: string }) => {
      // ws has told the peer why, where the protocol has a code for it; it need not wait for the answer.
      this.error = { code: protocolCloseCode(error.code), reason: error.message }
      this.endSoon()
    })
    webSocket.on("close", (code, reason) => {
      clearTimeout(this.grace)
      socket.removeListener("drain", listener.onDrain)
      listener.onClosed(this.error ?? { code, reason: reason.toString() })
    })
    socket.on("drain", listener.onDrain)
  }

  send(text: string): void {
    if (this.queue.length === 0) setImmediate(flush, this)
    this.queue.push(text)
    this.queuedLength += text.length
  }

  flush(): void {
    const { queue, webSocket } = this
    if (queue.length === 0) return
    this.queue = []
    this.queuedLength = 0
    if (queue.length === 1) return webSocket.send(queue[0] as string)
    this.socket.cork()
    if (this.extended) this.sendJoined(queue)
    else for (const text of queue) webSocket.send(text)
    this.socket.uncork()
  }

  unsent(): number {
    return this.queuedLength + this.webSocket.bufferedAmount
  }

  ping(): void {
    if (this.webSocket.readyState === this.webSocket.OPEN) this.webSocket.ping()
  }

  pause(): void {
    this.webSocket.pause()
  }

  resume(): void {
    this.webSocket.resume()
  }

  close(event: CloseEvent): void {
    this.flush()
    this.webSocket.resume()
    this.webSocket.close(event.code, event.reason)
    this.endSoon()
  }

  terminate(): void {
    this.webSocket.terminate()
  }

  private endSoon(): void {
    this.grace ??= setTimeout(() => this.webSocket.terminate(), closeGraceMillis)
  }

  private sendJoined(queue: ReadonlyArray<string>): void {
    let joined = queue[0] as string
    for (let i = 1; i < queue.length; i++) {
      const text = queue[i] as string
      if (joined.length + text.length > maxJoinedLength) {
        this.webSocket.send(joined)
        joined = text
      } else {
        joined += Frame.separator + text
      }
    }
    this.webSocket.send(joined)
  }
}

const flush = (transport: WebSocketTransport) => transport.flush()

const protocolCloseCode = (code: string | undefined): number => {
  switch (code) {
    case "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH":
      return 1009
    case "WS_ERR_INVALID_UTF8":
      return 1007
    default:
      return code?.startsWith("WS_ERR_") ? 1002 : CloseCode.Abnormal
  }
}
