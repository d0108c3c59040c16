/**
 * Memory that is used again. Node's buffers are outside V8's heap, and once a process has settled V8 marks its whole heap for every
 * 8 MiB of them that were allocated: what lives no longer than a write or a read costs more to allocate than to fill.
 *
 * @internal
 */

/** Longer ones are allocated anew each time, in bytes. */
const longest = 512 * 1024

/** What is kept for later, in bytes. */
const mostFree = 1024 * 1024

const step = 64 * 1024

const free: Array<Buffer> = []
let freeBytes = 0

/** A buffer of at least so many bytes, with whatever it held before. */
export const take = (length: number): Buffer => {
  for (let i = free.length - 1; i >= 0; i--) {
    const buffer = free[i] as Buffer
    if (buffer.length < length) continue
    free.splice(i, 1)
    freeBytes -= buffer.length
    return buffer
  }
  return Buffer.allocUnsafeSlow(length > longest ? length : step * Math.ceil(length / step))
}

/** Nothing refers to the buffer any more. The oldest ones are dropped first: a size that isn't asked for any more must not keep the others out. */
export const give = (buffer: Buffer): void => {
  if (buffer.length > longest) return
  free.push(buffer)
  freeBytes += buffer.length
  while (freeBytes > mostFree) freeBytes -= (free.shift() as Buffer).length
}
