/**
 * Writes frames of LengthPrefix to a socket, in buffers that are reused after the socket has written them.
 *
 * @internal
 */
import type { Writable } from "node:stream"
import type { Packet } from "../../src/connection/Transport.js"
import * as BufferPool from "../BufferPool.js"
import { headerLength, Kind, printHeader, writeHeader, writeText } from "./LengthPrefix.js"

/** Bytes of this length or more are written without a copy. */
const largeBytes = 16 * 1024

export class FrameWriter {
  constructor(private readonly socket: Writable) {}

  /** Writes text and binary frames by one system call. */
  write(messages: ReadonlyArray<Packet>): void {
    const { socket } = this
    const first = messages[0]
    if (messages.length === 1 && (typeof first === "string" || (first as Uint8Array).length < largeBytes)) {
      return this.gather(messages, 0, 1)
    }
    socket.cork()
    let from = 0
    for (let i = 0; i < messages.length; i++) {
      const message = messages[i] as Packet
      if (typeof message === "string" || message.length < largeBytes) continue
      this.gather(messages, from, i)
      from = i + 1
      socket.write(printHeader(Kind.bytes, message.length))
      const loan = BufferPool.isUnseen(socket) ? BufferPool.loanOf(message) : undefined
      const { byteOffset, length } = message
      socket.write(message, loan && (() => loan.giveBack(byteOffset, byteOffset + length)))
    }
    this.gather(messages, from, messages.length)
    socket.uncork()
  }

  /** Writes one binary frame of a head and bytes. The bytes are copied. */
  writeBytes(head: string, bytes: Uint8Array): void {
    const length = Buffer.byteLength(head) + 1 + bytes.length
    const buffer = BufferPool.takeForWrite(this.socket, headerLength + length)
    writeHeader(buffer, 0, Kind.bytes, length)
    const start = headerLength + buffer.write(`${head}\n`, headerLength)
    buffer.set(bytes, start)
    BufferPool.write(this.socket, buffer, start + bytes.length)
  }

  private gather(messages: ReadonlyArray<Packet>, from: number, to: number): void {
    if (from === to) return
    let length = headerLength * (to - from)
    for (let i = from; i < to; i++) length += lengthOf(messages[i] as Packet)
    const buffer = BufferPool.takeForWrite(this.socket, length)
    let end = 0
    for (let i = from; i < to; i++) end = print(buffer, end, messages[i] as Packet)
    BufferPool.write(this.socket, buffer, end)
  }
}

const lengthOf = (message: Packet): number =>
  typeof message === "string" ? Buffer.byteLength(message) : message.length

/** Returns where the next frame begins. */
const print = (buffer: Buffer, start: number, message: Packet): number => {
  if (typeof message === "string") return writeText(buffer, start, message)
  writeHeader(buffer, start, Kind.bytes, message.length)
  buffer.set(message, start + headerLength)
  return start + headerLength + message.length
}
