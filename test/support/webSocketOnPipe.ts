/** WebSockets of the package ws without a network: a test says which chunks arrive, and sees what is written. */
import { createHash } from "node:crypto"
import type { IncomingMessage } from "node:http"
import { Duplex } from "node:stream"
import { WebSocket, WebSocketServer } from "ws"

/** The socket beneath. Each `push` arrives as one chunk. */
export class Pipe extends Duplex {
  onWritten: (chunk: Buffer) => void = () => {}

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, written: () => void): void {
    this.onWritten(Buffer.from(chunk))
    written()
  }
}

export interface Opened {
  readonly webSocket: WebSocket
  readonly socket: Pipe
}

const key = Buffer.alloc(16).toString("base64")

export const openServer = (): Promise<Opened> =>
  new Promise((resolve) => {
    const socket = new Pipe()
    const headers = { upgrade: "websocket", "sec-websocket-key": key, "sec-websocket-version": "13" }
    const request = { method: "GET", headers } as unknown as IncomingMessage
    const server = new WebSocketServer({ noServer: true, perMessageDeflate: false })
    server.handleUpgrade(request, socket, Buffer.alloc(0), (webSocket) => {
      // Then ws has begun to read.
      setImmediate(() => resolve({ webSocket, socket }))
    })
  })

export const openClient = (): Promise<Opened> =>
  new Promise((resolve) => {
    const socket = new Pipe()
    socket.onWritten = (request) => {
      const [, key] = /sec-websocket-key: (.*)\r\n/i.exec(request.toString()) ?? []
      const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")
      const head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      setImmediate(() => socket.push(`${head}Sec-WebSocket-Accept: ${accept}\r\n\r\n`))
    }
    const webSocket = new WebSocket("ws://localhost", { createConnection: () => socket, perMessageDeflate: false })
    webSocket.once("open", () => resolve({ webSocket, socket }))
  })
