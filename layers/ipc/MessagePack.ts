/**
 * MessagePack as both ends agree to it: without extension types, bounded in depth and in the number of lists and maps, which
 * is looked at before anything is decoded.
 *
 * @internal
 */
import { Packr, Unpackr } from "msgpackr"
import type { Serialization } from "../../src/connection/Subprotocol.js"
import { maxDepth, weightOf } from "../../src/internal/JsonBounds.js"

/** How values are serialized where both ends ask for the same. */
export type SerializationName = "json" | "msgpack"

export const serializationOf = (name: SerializationName | undefined): Serialization | undefined =>
  name === "msgpack" ? messagePack : undefined

const packr = new Packr({ useRecords: false })
// Bytes are copied, so that a small value doesn't keep the frame that it came in.
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, copyBuffers: true })

export const messagePack: Serialization = {
  // msgpackr tells what it can't express by throwing, or by extension types that the other end would refuse. A field named
  // __proto__ it renames.
  encode: (value) => {
    try {
      const bytes = packr.pack(value)
      return weigh(bytes) !== undefined && !bytes.includes("__proto__") ? bytes : undefined
    } catch {
      return undefined
    }
  },
  weigh: (bytes) => weigh(bytes),
  decode: (bytes) => {
    try {
      return { value: unpackr.unpack(bytes) }
    } catch {
      return undefined
    }
  }
}

/** Undefined unless the bytes are one value of the kinds that JSON has, or bytes, and within the bounds. */
const weigh = (bytes: Uint8Array): number | undefined => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  /** How many values are still to come at each level. */
  const left: Array<number> = [1]
  let position = 0
  let collections = 0
  let values = 0
  let fields = 0
  let strings = 0
  let chunks = 0
  while (left.length > 0) {
    const level = left.length - 1
    if (left[level] === 0) {
      left.pop()
      continue
    }
    left[level] = (left[level] as number) - 1
    if (position >= bytes.length) return undefined
    const type = bytes[position] as number
    position++
    values++
    if (type <= 0x7f || type >= 0xe0) continue
    const length = lengthOf(type, view, position)
    if (length === undefined) return undefined
    position += length.header
    if (length.values !== undefined) {
      left.push(length.values)
      if (++collections > maxCollections || left.length - 1 > maxDepth) return undefined
      if (isMap(type)) fields += length.values / 2
    } else if (isText(type)) strings++
    else if (isBytes(type) && ++chunks > maxCollections) return undefined
    position += length.bytes
    if (position > bytes.length) return undefined
  }
  if (position !== bytes.length) return undefined
  return weightOf({ collections, values: values - fields - chunks, fields, strings }) + chunks * chunkBytes
}

const isMap = (type: number) => (type >= 0x80 && type <= 0x8f) || type >= 0xde
const isText = (type: number) => (type >= 0xa0 && type <= 0xbf) || (type >= 0xd9 && type <= 0xdb)
const isBytes = (type: number) => type >= 0xc4 && type <= 0xc6

interface Length {
  /** The bytes that tell the length. */
  readonly header: number
  /** The bytes of the value itself. */
  readonly bytes: number
  /** The values in a list or map. */
  readonly values?: number
}

/** None where the type isn't allowed, or the bytes end. */
const lengthOf = (type: number, view: DataView, position: number): Length | undefined => {
  if (type <= 0x8f) return { header: 0, bytes: 0, values: 2 * (type & 0x0f) }
  if (type <= 0x9f) return { header: 0, bytes: 0, values: type & 0x0f }
  if (type <= 0xbf) return { header: 0, bytes: type & 0x1f }
  const fixed = fixedBytes[type]
  if (fixed !== undefined) return { header: 0, bytes: fixed }
  const header = headerBytes[type]
  if (header === undefined || position + header > view.byteLength) return undefined
  const count =
    header === 1 ? view.getUint8(position) : header === 2 ? view.getUint16(position) : view.getUint32(position)
  if (type >= 0xde) return { header, bytes: 0, values: 2 * count }
  return type >= 0xdc ? { header, bytes: 0, values: count } : { header, bytes: count }
}

/** nil, false, true; floats and integers. */
const fixedBytes: Readonly<Record<number, number>> = {
  192: 0,
  194: 0,
  195: 0,
  202: 4,
  203: 8,
  204: 1,
  205: 2,
  206: 4,
  207: 8,
  208: 1,
  209: 2,
  210: 4,
  211: 8
}

/** Bytes, texts, lists and maps whose length follows. */
const headerBytes: Readonly<Record<number, number>> = {
  196: 1,
  197: 2,
  198: 4,
  217: 1,
  218: 2,
  219: 4,
  220: 2,
  221: 4,
  222: 2,
  223: 4
}

const maxCollections = 1_000_000

/** What bytes take beside themselves, about. */
const chunkBytes = 300
