/**
 * Buffers that are reused. Node's buffers are outside V8's heap, and in a long-running process V8 marks its whole heap after
 * every 8 MiB of buffers allocated. So a buffer that lives only for one write or read costs more to allocate than to fill.
 *
 * Memory that has one owner throughout is taken and given; what passes through others is lent, and used again once each of its
 * bytes was given back.
 *
 * @internal
 */
import { Writable } from "node:stream"

/** Less than this comes out of Node's own pool, since returning a buffer would cost more. In bytes. */
const littleBytes = 4096

/** Longer buffers aren't kept. In bytes. */
const longest = 512 * 1024

/** How much may be kept in all, in bytes. */
const mostFree = 1024 * 1024

/** The lengths of kept buffers are multiples of it, in bytes. */
const step = 4096

/**
 * Where memory that is lent has its loan. A collection of the young generation keeps all values of a WeakMap, and so would
 * keep memory that isn't given back.
 */
const loan = Symbol("loan")

type Lendable = ArrayBufferLike & { [loan]?: Loan | undefined }

const free: Array<Buffer> = []
let freeBytes = 0

/** A buffer of at least this length, and of at most twice as many steps. It isn't cleared. */
export const take = (length: number): Buffer => takeUpTo(2 * wholeLength(length), length)

/** A buffer of at least this length, and of less than one step more: for what may have to wait. */
export const takeClose = (length: number): Buffer => takeUpTo(wholeLength(length), length)

const takeUpTo = (most: number, length: number): Buffer => {
  for (let i = free.length - 1; i >= 0; i--) {
    const buffer = free[i] as Buffer
    if (buffer.length < length || buffer.length > most) continue
    free.splice(i, 1)
    freeBytes -= buffer.length
    return buffer
  }
  return Buffer.allocUnsafeSlow(length > longest ? length : wholeLength(length))
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
  else socket.write(buffer.subarray(0, end), givingAfterWrite(socket, buffer))
}

/** What keeps a buffer once the socket has written it. Undefined where something else may keep it. */
export const givingAfterWrite = (socket: Writable, buffer: Buffer): (() => void) | undefined =>
  isUnseen(socket) ? () => give(buffer) : undefined

/** Whether only Node sees what a socket writes. A tool may have replaced `write`, of one socket or of all, and keep what it is given. */
export const isUnseen = (socket: Writable): boolean => socket.write === nodeWrite

/** Node's, where no tool has replaced it before the library was loaded. */
const nodeWrite = Writable.prototype.write

/** Memory that is lent, until all of it was given back. What isn't is collected like any other. */
export class Loan {
  readonly #memory: Lendable
  #length: number
  /** How many bytes were given back; NaN once the loan has ended. */
  #returned = 0

  constructor(memory: Lendable, length: number) {
    this.#memory = memory
    this.#length = length
  }

  /**
   * Gives back the bytes from `from` to `to`, to which nothing may refer any more. Nothing happens unless all before them were
   * given back and these weren't, so that no byte is given back that nobody has named.
   */
  giveBack(from: number, to: number): void {
    if (from !== this.#returned || to <= from) return
    this.#returned = to
    this.#settle()
  }

  /** Gives back what comes after the first `length` bytes, which may still be in use. */
  shorten(length: number): void {
    this.#length = Math.min(this.#length, length)
    this.#settle()
  }

  /** Leaves the memory to what refers to it: nothing of it can be given back any more. */
  end(): void {
    // The memory may be lent again by now.
    if (Number.isNaN(this.#returned)) return
    this.#returned = Number.NaN
    this.#memory[loan] = undefined
  }

  #settle(): void {
    if (!(this.#returned >= this.#length)) return
    this.end()
    give(Buffer.from(this.#memory))
  }
}

/** Shorter values aren't worth a loan, in bytes. */
export const leastLent = 32 * 1024

/** Lends the first `length` bytes of a buffer to whatever gets the view of them that this returns. */
export const lend = (buffer: Buffer, length: number): Buffer => {
  const memory: Lendable = buffer.buffer
  memory[loan] = new Loan(memory, length)
  return buffer.subarray(0, length)
}

/** The loan that a view is of, if any. */
export const loanOf = (view: Uint8Array): Loan | undefined => (view.buffer as Lendable)[loan]
