/**
 * MessagePack as both ends agree to it: without extension types, bounded in depth and in the number of lists and maps, which
 * is looked at before anything is decoded.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Msgpackr from "msgpackr"
import type { Serialization } from "../../src/connection/Subprotocol.js"
import { maxDepth, weightOf } from "../../src/internal/JsonBounds.js"
import * as BufferCollection from "../BufferCollection.js"
import * as BufferPool from "../BufferPool.js"
import * as Lazily from "../Lazily.js"

/** How values are serialized where both ends ask for the same. */
export type SerializationName = "json" | "msgpack"

export const serializationOf = (
  name: SerializationName | undefined
): Effect.Effect<Serialization | undefined, NodeJS.ErrnoException> =>
  name === "msgpack" ? messagePack : Effect.succeed(undefined)

/**
 * Loads msgpackr, which most programs don't use. All encoders of one copy of it share memory, and a getter or a toJSON method
 * of a value may use msgpackr as well: so values are packed by a copy that programs don't import.
 */
export const messagePack: Effect.Effect<Serialization, NodeJS.ErrnoException> = Effect.zipWith(
  Lazily.module<typeof Msgpackr>("msgpackr", () => import("msgpackr")),
  // Its types are those of msgpackr.
  Lazily.module<typeof Msgpackr>("msgpackr/index-no-eval", () => import("msgpackr/index-no-eval" as string)),
  (msgpackr, packing) => {
    loaded ??= serializationBy(msgpackr, packing)
    return loaded
  }
)

let loaded: Serialization | undefined

const serializationBy = (
  { Unpackr }: typeof Msgpackr,
  { Packr, RESET_BUFFER_MODE }: typeof Msgpackr
): Serialization => {
  const packr = new Packr({ useRecords: false })
  // Bytes are copied, so that a small value doesn't keep the frame that it came in, whose memory is used again.
  const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, copyBuffers: true })
  let isPacking = false
  return {
    // For a value that it can't express, msgpackr throws, or uses extension types that the other end would refuse. It renames
    // a field named __proto__.
    print: (head, value) => {
      // A getter or a toJSON method of the value that is being packed may print another one.
      if (isPacking) return undefined
      isPacking = true
      try {
        // msgpackr reuses this memory when it packs the next value.
        const packed = packr.pack(value, RESET_BUFFER_MODE)
        if (packed.length > mostKept) packr.useBuffer(Buffer.allocUnsafeSlow(leastKept))
        if (weigh(packed) === undefined || packed.includes(protoField)) return undefined
        const start = Buffer.byteLength(head) + 1
        const length = start + packed.length
        const frame =
          length < BufferPool.leastLent
            ? Buffer.allocUnsafe(length)
            : BufferPool.lend(BufferPool.takeClose(length), length)
        frame.write(`${head}\n`)
        packed.copy(frame, start)
        return frame
      } catch {
        // What was packed of it may be large.
        packr.useBuffer(Buffer.allocUnsafeSlow(leastKept))
        return undefined
      } finally {
        isPacking = false
      }
    },
    weigh: (bytes) => weigh(bytes),
    decode: (bytes) => {
      try {
        const value: unknown = unpackr.unpack(bytes)
        if (isBytes(value)) BufferCollection.allocated(bytes.length)
        return { value }
      } catch {
        return undefined
      } finally {
        // What was decoded has copies.
        if (bytes.length >= BufferPool.leastLent) BufferPool.loanOf(bytes)?.giveBack(0, bytes.byteOffset + bytes.length)
      }
    }
  }
}

/** Whether a value is bytes, or elements of a stream of bytes. */
const isBytes = (value: unknown): boolean => (Array.isArray(value) ? value[0] : value) instanceof Uint8Array

/** A field of this name: a text of nine bytes. */
const protoField = Buffer.from("\xa9__proto__", "latin1")

/** The memory of a longer value isn't kept, in bytes. */
const mostKept = 1024 * 1024
const leastKept = 8 * 1024

/** Undefined unless the bytes are one value within the bounds, made of JSON's kinds of values and of bytes. */
const weigh = (bytes: Uint8Array): number | undefined => {
  const { length } = bytes
  /** How many values are still to be read at this level; `around` has the same for the enclosing levels. */
  let left = 1
  const around: Array<number> = []
  let position = 0
  let collections = 0
  let values = 0
  let fields = 0
  let strings = 0
  let chunks = 0
  for (;;) {
    while (left === 0) {
      const next = around.pop()
      if (next !== undefined) left = next
      else if (position !== length) return undefined
      else return weightOf({ collections, values: values - fields - chunks, fields, strings }) + chunks * chunkBytes
    }
    left--
    // Also reached if the value before claimed to be longer than the rest.
    if (position >= length) return undefined
    const type = bytes[position++] as number
    values++
    if (type <= 0x7f || type >= 0xe0) continue
    if (type >= 0xa0 && type <= 0xbf) {
      strings++
      position += type & 0x1f
      continue
    }
    let inside = type & 0x0f
    if (type >= firstOther) {
      const fixed = fixedBytes[type - firstOther] as number
      if (fixed >= 0) {
        position += fixed
        continue
      }
      const header = headerBytes[type - firstOther] as number
      if (header < 0 || position + header > length) return undefined
      inside = 0
      for (const end = position + header; position < end; position++)
        inside = 256 * inside + (bytes[position] as number)
      if (type < firstList) {
        position += inside
        if (type >= firstText) strings++
        else if (++chunks > maxCollections) return undefined
        continue
      }
    }
    const isMap = type <= 0x8f || type >= firstMap
    if (isMap) fields += inside
    around.push(left)
    left = isMap ? 2 * inside : inside
    if (++collections > maxCollections || around.length > maxDepth) return undefined
  }
}

/** From here on, the first byte gives the type alone, not a length or number as well. */
const firstOther = 0xc0
const firstText = 0xd9
const firstList = 0xdc
const firstMap = 0xde

/** The sizes of nil, false, true, floats and integers, for first bytes from 0xc0 on; -1 for other types. */
const fixedBytes = Int8Array.of(
  ...[0, -1, 0, 0, -1, -1, -1, -1, -1, -1, 4, 8, 1, 2, 4, 8],
  ...[1, 2, 4, 8, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1]
)

/** The sizes of the length field of bytes, texts, lists and maps, for first bytes from 0xc0 on; -1 for types that aren't allowed. */
const headerBytes = Int8Array.of(
  ...[-1, -1, -1, -1, 1, 2, 4, -1, -1, -1, -1, -1, -1, -1, -1, -1],
  ...[-1, -1, -1, -1, -1, -1, -1, -1, -1, 1, 2, 4, 2, 4, 2, 4]
)

const maxCollections = 1_000_000

/** About how much memory a value of bytes takes in addition to the bytes. */
const chunkBytes = 300
