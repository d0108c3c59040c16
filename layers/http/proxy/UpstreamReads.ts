/**
 * How a socket to an upstream is read: into memory that is used again, for the reason given in BufferPool.
 *
 * Reads share one short buffer and are copied out of it, so that a connection that waits holds none. After a read that fills its
 * buffer, the next has a longer one of its own, which is lent without a copy. BodyReads gives it back.
 *
 * @internal
 */
import { channel } from "node:diagnostics_channel"
import type { OnReadOpts, Socket } from "node:net"
import * as BufferPool from "../../BufferPool.js"

/**
 * The reads of one socket that is still to be made.
 *
 * @internal
 */
export class UpstreamReads {
  #socket: Socket | undefined
  #next: Buffer = short
  #isLongest = false

  readonly options: OnReadOpts = {
    buffer: () => this.#next,
    callback: (length, read) => this.#onRead(length, read as Buffer)
  }

  /** To be called before anything is read. */
  begin(socket: Socket): void {
    this.#socket = socket
    socket.once("close", () => this.#setLongest(false))
    const { read } = socket
    socket.read = function (size) {
      const chunk: unknown = read.call(this, size)
      // undici is about to show it to anyone, who may keep it.
      if (chunks.hasSubscribers && Buffer.isBuffer(chunk)) BufferPool.loanOf(chunk)?.end()
      return chunk
    }
  }

  #onRead(length: number, buffer: Buffer): boolean {
    const isFilled = length === buffer.length
    let bytes: Buffer
    if (buffer === short || length <= buffer.length / 2) {
      bytes = Buffer.from(buffer.subarray(0, length))
      if (buffer !== short) BufferPool.give(buffer)
    } else bytes = BufferPool.lend(buffer, length)
    this.#setLongest(isFilled && buffer !== short)
    this.#next = isFilled ? BufferPool.take(this.#isLongest ? LONGEST : LONG) : short
    return this.#socket?.push(bytes) ?? false
  }

  /** Whether the next buffers are to be the longest, of which few sockets have one at a time. */
  #setLongest(isLongest: boolean): void {
    if (isLongest === this.#isLongest || (isLongest && longest === MOST_LONGEST)) return
    this.#isLongest = isLongest
    longest += isLongest ? 1 : -1
  }
}

/** Where undici shows the chunks of bodies. */
const chunks = channel("undici:request:bodyChunkReceived")

/** In bytes. */
const SHORT = 16 * 1024
const LONG = 64 * 1024
const LONGEST = 256 * 1024

/** How many sockets have the longest. Each may hold three of them: one being written to a client, one read, one to read into. */
let longest = 0
const MOST_LONGEST = 32

/** Its content is needed only while one read is handled. */
const short = Buffer.allocUnsafeSlow(SHORT)
