/**
 * WebSocket frames (RFC 6455 section 5.2) as bytes, so that they can be wrong.
 */
import { randomBytes } from "node:crypto"
import * as net from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

export interface FrameOptions {
  /** 1 text, 2 binary, 8 close, 9 ping, 10 pong. */
  readonly opcode?: number
  readonly fin?: boolean
  readonly masked?: boolean
  /** The reserved bits. */
  readonly rsv?: number
  /** The length that the header tells. */
  readonly toldLength?: number
}

export const frame = (payload: Buffer, options: FrameOptions = {}): Buffer => {
  const { fin = true, masked = true, opcode = 1, rsv = 0, toldLength = payload.length } = options
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode
  const maskBit = masked ? 0x80 : 0
  const header =
    toldLength < 126
      ? Buffer.from([first, maskBit | toldLength])
      : toldLength < 65_536
        ? Buffer.from([first, maskBit | 126, toldLength >> 8, toldLength & 0xff])
        : Buffer.concat([Buffer.from([first, maskBit | 127]), bigEndian(toldLength)])
  // A mask of zeros changes nothing.
  return masked ? Buffer.concat([header, Buffer.alloc(4), payload]) : Buffer.concat([header, payload])
}

export const textFrame = (text: string): Buffer => frame(Buffer.from(text))

const bigEndian = (length: number): Buffer => {
  const buffer = Buffer.alloc(8)
  buffer.writeBigUInt64BE(BigInt(length))
  return buffer
}

/** A socket that has upgraded, and ignores all that it is sent. */
export const upgraded = (
  port: number,
  subprotocol?: string,
  runtimeId?: string
): Effect.Effect<net.Socket, Error, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<net.Socket, Error>((resume) => {
      const socket = net.connect(port, "127.0.0.1", () => {
        const key = randomBytes(16).toString("base64")
        const protocol = subprotocol === undefined ? "" : `Sec-WebSocket-Protocol: ${subprotocol}\r\n`
        socket.write(
          `GET /__ipc${runtimeId === undefined ? "" : `?runtimeId=${runtimeId}`} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n${protocol}\r\n`
        )
      })
      socket.once("data", (data) => {
        if (data.toString("latin1").startsWith("HTTP/1.1 101")) resume(Effect.succeed(socket.resume()))
        else resume(Effect.fail(new Error(data.toString())))
      })
      socket.on("error", (error) => resume(Effect.fail(error)))
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

/** Written, as far as the peer lets us; done when it has left or the peer has hung up. */
export const write = (socket: net.Socket, bytes: Buffer): Effect.Effect<void> =>
  Effect.async((resume) => {
    if (socket.destroyed) return resume(Effect.void)
    const done = () => resume(Effect.void)
    socket.once("close", done)
    socket.write(bytes, () => {
      socket.off("close", done)
      done()
    })
  })

export const closed = (socket: net.Socket): Effect.Effect<void> =>
  Effect.async((resume) => {
    if (socket.closed) return resume(Effect.void)
    socket.once("close", () => resume(Effect.void))
  })
