/**
 * Buffers that are reused. Node's buffers are outside V8's heap, and in a long-running process V8 marks its whole heap after
 * every 8 MiB of buffers allocated. So a buffer that lives only for one write or read costs more to allocate than to fill.
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

/** The buffers that are lent, by their memory. */
const lent = new WeakMap<ArrayBufferLike, Buffer>()

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

/** A shorter view isn't given back, in bytes. */
const leastLent = 64 * 1024

/**
 * As `take`, where the last user of a view of at least {@link leastLent} bytes calls {@link giveBack}. Without that, the
 * buffer is collected like any other.
 */
export const lend = (length: number): Buffer => {
  const buffer = take(length)
  lent.set(buffer.buffer, buffer)
  return buffer
}

/** Keeps the buffer of a view, if it was lent. Nothing may use the view any more. */
export const giveBack = (view: Uint8Array): void => {
  // Most views are short and of other memory, and looking for it takes time.
  if (view.length < leastLent) return
  const buffer = lent.get(view.buffer)
  if (buffer === undefined) return
  lent.delete(view.buffer)
  give(buffer)
}
