/**
 * Buffers that are reused. Node's buffers are outside V8's heap, and in a long-running process V8 marks its whole heap after
 * every 8 MiB of buffers allocated. So a buffer that lives only for one write or read costs more to allocate than to fill.
 *
 * Memory that has one owner throughout is taken and given; what passes through others is lent, and only a view of all that
 * was lent can be given back.
 *
 * @internal
 */
import type { Writable } from "node:stream"

/** Less than this comes out of Node's own pool, since returning a buffer would cost more. In bytes. */
const littleBytes = 4096

/** Longer buffers aren't kept. In bytes. */
const longest = 512 * 1024

/** How much may be kept in all, in bytes. */
const mostFree = 1024 * 1024

/** The lengths of kept buffers are multiples of it, in bytes. */
const step = 4096

/** Memory that is lent, and how many bytes of it. */
const lent = new WeakMap<ArrayBufferLike, number>()

const free: Array<Buffer> = []
let freeBytes = 0

/** A buffer of at least this length, and of at most twice as many steps. It isn't cleared. */
export const take = (length: number): Buffer => {
  const whole = wholeLength(length)
  for (let i = free.length - 1; i >= 0; i--) {
    const buffer = free[i] as Buffer
    if (buffer.length < length || buffer.length > 2 * whole) continue
    free.splice(i, 1)
    freeBytes -= buffer.length
    return buffer
  }
  return Buffer.allocUnsafeSlow(length > longest ? length : whole)
}

/**
 * Keeps a buffer, to which nothing may refer any more. The oldest are dropped first, so that buffers of a size that is no
 * longer needed don't keep out the others.
 */
export const give = (buffer: Buffer): void => {
  if (buffer.length > longest || buffer.length % step > 0) return
  free.push(buffer)
  freeBytes += buffer.length
  while (freeBytes > mostFree) freeBytes -= (free.shift() as Buffer).length
}

const wholeLength = (length: number): number => step * Math.ceil(length / step)

/**
 * A buffer of at least this length for one {@link write}. What waits for a peer that doesn't read takes hardly more memory
 * than its length.
 */
export const takeForWrite = (socket: Writable, length: number): Buffer => {
  if (length < littleBytes) return Buffer.allocUnsafe(length)
  const isWasteful = 16 * length < 15 * wholeLength(length)
  return isWasteful && socket.writableLength > 0 ? Buffer.allocUnsafeSlow(length) : take(length)
}

/** Writes the buffer up to `end`. Once that is written, the buffer is kept. */
export const write = (socket: Writable, buffer: Buffer, end: number): void => {
  if (buffer.length < littleBytes) socket.write(buffer.length === end ? buffer : buffer.subarray(0, end))
  else socket.write(buffer.subarray(0, end), () => give(buffer))
}

/**
 * Lends the first `length` bytes of a buffer to whatever gets the view that this returns. Memory that isn't given back is
 * collected like any other.
 */
export const lend = (buffer: Buffer, length: number): Buffer => {
  lent.set(buffer.buffer, length)
  return buffer.subarray(0, length)
}

/** Whether the view is all that was lent of its memory. Of a part it isn't known whether the other parts are in use. */
export const isLent = (view: Uint8Array): boolean => view.byteOffset === 0 && lent.get(view.buffer) === view.length

/** Keeps the memory of such a view, to which nothing may refer any more. Nothing happens to any other view. */
export const giveBack = (view: Uint8Array): void => {
  if (!isLent(view)) return
  lent.delete(view.buffer)
  give(Buffer.from(view.buffer))
}

/** Leaves the memory of a view to what refers to it, so that it can't be given back. */
export const disown = (view: Uint8Array): void => {
  lent.delete(view.buffer)
}
