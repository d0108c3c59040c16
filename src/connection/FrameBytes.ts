/**
 * Binary frames of `effect-ipc.2`: a frame's text up to its last colon, a line feed, then bytes. They are the data as it is,
 * or the data serialized where both ends agreed to a serialization.
 *
 * @internal
 */
import { RawBytes } from "../IPCRequest.js"
import * as Frame from "./Frame.js"
import type { Agreement, Serialization } from "./Subprotocol.js"
import type { Packet } from "./Transport.js"

/** The frame of a request or message, or of a stream that is opened. */
export const printData = (head: string, data: unknown, agreement: Agreement): Packet | Frame.Unprintable => {
  if (agreement.binary) {
    if (agreement.serialization !== undefined) {
      const frame = data === undefined ? undefined : agreement.serialization.print(head, unwrapped(data))
      if (frame !== undefined) return frame
    } else if (RawBytes.is(data)) return joined(head, data.bytes)
  }
  const json = Frame.stringify(data)
  return typeof json === "string" ? head + json : json
}

/** The frame of a stream's elements. Where bytes are sent as they are, they have frames of their own. */
export const printElements = (
  head: string,
  elements: ReadonlyArray<unknown>,
  agreement: Agreement
): Packet | Frame.Unprintable => {
  // The elements of one stream are all bytes, or none is.
  const bytes = RawBytes.is(elements[0]) ? agreement.serialization?.print(head, elements.map(unwrapped)) : undefined
  return bytes ?? printData(head, elements, agreement)
}

/** The frame of a response that tells of a success. */
export const printSuccess = (
  id: number,
  path: string,
  data: unknown,
  agreement: Agreement
): Packet | Frame.Unprintable => {
  if (agreement.binary) {
    if (agreement.serialization !== undefined) {
      const frame = agreement.serialization.print(`s:${id}:${path}:`, { success: true, data: unwrapped(data) })
      if (frame !== undefined) return frame
    } else if (RawBytes.is(data)) return joined(`s:${id}:${path}:`, data.bytes)
  }
  return Frame.printSuccess(id, path, data)
}

/** A text frame, or what of a binary frame is text: nothing, where it isn't one. */
export const textOf = (packet: Packet): string => {
  if (typeof packet === "string") return packet
  const end = packet.indexOf(lineFeed)
  return end === -1 ? "" : decoder.decode(packet.subarray(0, end))
}

/** About how many bytes a binary frame's data takes once decoded; or why it must not be decoded. */
export const weigh = (packet: Uint8Array, serialization: Serialization): number | string =>
  serialization.weigh(bodyOf(packet)) ?? unserialized

/** Parses one binary frame, whose data has passed `weigh`. */
export const parse = (bytes: Uint8Array, serialization: Serialization | undefined): Frame.Frame | Frame.Malformed => {
  const head = textOf(bytes)
  const frame = Frame.parse(head, 2)
  if (!head.endsWith(":") || frame.type === "malformed" || !("data" in frame)) {
    return { type: "malformed", issue: "it isn't type:id:path: and a line feed before its bytes" }
  }
  const body = bodyOf(bytes)
  if (serialization === undefined) return withData(frame, rawData(frame.type, body), body.length)
  const decoded = serialization.decode(body)
  return decoded === undefined
    ? { type: "malformed", issue: unserialized }
    : withData(frame, decoded.value, body.length)
}

const unserialized = "its data isn't as both ends agreed to serialize it"

const bodyOf = (packet: Uint8Array): Uint8Array => packet.subarray(packet.indexOf(lineFeed) + 1)

const withData = (frame: Extract<Frame.Frame, { readonly data: unknown }>, data: unknown, size: number): Frame.Frame =>
  frame.type === "d" || frame.type === "i" ? { ...frame, data, size } : { ...frame, data }

/** Bytes are a payload, a response's success, or one element of a stream. */
const rawData = (type: Frame.Frame["type"], body: Uint8Array): unknown => {
  const bytes = ownBytes(body)
  if (type === "s") return { success: true, data: bytes }
  return type === "d" || type === "i" ? [bytes] : bytes
}

/** A copy, so that a small value doesn't keep a large buffer that it came in; the bytes where they are most of the buffer. */
const ownBytes = (body: Uint8Array): Uint8Array =>
  body.length * 2 > body.buffer.byteLength
    ? new Uint8Array(body.buffer, body.byteOffset, body.length)
    : new Uint8Array(body)

const unwrapped = (data: unknown): unknown => (RawBytes.is(data) ? data.bytes : data)

/** A frame of bytes. */
export const joined = (head: string, body: Uint8Array): Uint8Array => {
  const start = encoder.encode(`${head}\n`)
  const frame = new Uint8Array(start.length + body.length)
  frame.set(start)
  frame.set(body, start.length)
  return frame
}

const lineFeed = 10
const encoder = new TextEncoder()
const decoder = new TextDecoder()
