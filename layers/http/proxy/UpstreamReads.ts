/**
 * How a socket to an upstream is read: into memory that is used again, for the reason given in BufferPool.
 *
 * Reads share one short buffer and are copied out of it, so that a connection that waits holds none. After a read that fills its
 * buffer, the next has a longer one of its own, which is passed on without a copy. Such a buffer is used again if all of
 * its bytes were one chunk of a body and that chunk was written; no part of a head or of a trailer refers to it then.
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
    socket.once("close", () => this.#grow(false))
  }

  #onRead(length: number, buffer: Buffer): boolean {
    const isFilled = length === buffer.length
    let bytes = buffer.subarray(0, length)
    if (buffer === short || length <= buffer.length / 2) {
      bytes = Buffer.from(bytes)
      if (buffer !== short) BufferPool.give(buffer)
    } else lent.set(buffer.buffer, length)
    this.#grow(isFilled && buffer !== short)
    this.#next = isFilled ? BufferPool.take(this.#isLongest ? LONGEST : LONG) : short
    return this.#socket?.push(bytes) ?? false
  }

  /** Whether the next buffers are to be the longest, of which few sockets have one at a time. */
  #grow(isLongest: boolean): void {
    if (isLongest === this.#isLongest || (isLongest && longest === MOST_LONGEST)) return
    this.#isLongest = isLongest
    longest += isLongest ? 1 : -1
  }
}

/**
 * Whether a chunk of a body is to be given back once it is written: then nothing but its receiver may have it.
 *
 * @internal
 */
export const isLent = (chunk: Buffer): boolean =>
  chunk.byteOffset === 0 && lent.get(chunk.buffer) === chunk.length && !chunks.hasSubscribers

/**
 * Ends the use of such a chunk.
 *
 * @internal
 */
export const giveBack = (chunk: Buffer): void => {
  lent.delete(chunk.buffer)
  BufferPool.give(Buffer.from(chunk.buffer))
}

/** undici shows the chunks of bodies there, for anyone to keep. */
const chunks = channel("undici:request:bodyChunkReceived")

/** How many bytes were read into a buffer that is passed on whole. */
const lent = new WeakMap<ArrayBufferLike, number>()

/** In bytes. */
const SHORT = 16 * 1024
const LONG = 64 * 1024
const LONGEST = 256 * 1024

/** How many sockets have the longest. Each may hold three of them: one being written to a client, one read, one to read into. */
let longest = 0
const MOST_LONGEST = 32

/** Its content is needed only while one read is handled. */
const short = Buffer.allocUnsafeSlow(SHORT)
