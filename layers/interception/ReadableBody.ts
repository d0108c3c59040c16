/**
 * Bodies decoded for reading: decompressed and parsed.
 *
 * @internal
 */
import * as Zlib from "node:zlib"
import * as JsonBounds from "../../src/internal/JsonBounds.js"
import { NoRoom } from "../http/ExchangeMemory.js"
import * as ContentType from "./ContentType.js"

type Headers = Readonly<Record<string, string | ReadonlyArray<string> | undefined>>

/**
 * The value of a body: decompressed, JSON parsed, text and forms as a string, anything else as bytes, `undefined` for none.
 * A body that can't be decoded stays bytes. `admit` gets the number of bytes that parsed JSON will take; it may throw `NoRoom`,
 * the only error that this function throws.
 */
export const decode = (headers: Headers, bytes: Buffer, admit?: (bytes: number) => void): unknown => {
  if (bytes.length === 0) return undefined
  const contentType = contentTypeOf(headers)
  const plain = decompress(headers, bytes)
  if (plain === undefined) return bytes
  switch (ContentType.kindOf(contentType)) {
    case "json":
      return parsedJson(ContentType.textOf(contentType, plain), admit)
    case "form":
    case "text":
      return ContentType.textOf(contentType, plain)
    default:
      return plain
  }
}

/** Cut or invalid JSON is readable as its text, and so is what nests too deeply. */
const parsedJson = (text: string, admit: ((bytes: number) => void) | undefined): unknown => {
  try {
    return JsonBounds.parse(text, admit)
  } catch (error) {
    if (error instanceof NoRoom) throw error
    return text
  }
}

export const contentTypeOf = (headers: Headers): string => String(headers["content-type"] ?? "")

/** Without its content encodings; `undefined` where one isn't known, or the bytes aren't in it. */
export const decompress = (headers: Headers, bytes: Buffer): Buffer | undefined => {
  let plain = bytes
  try {
    for (const name of encodingsOf(headers).reverse()) {
      const expand = expanders[name]
      if (expand === undefined) return undefined
      plain = expand(plain)
    }
    return plain
  } catch {
    return undefined
  }
}

/** Whether each of its content encodings is known. */
export const isReadable = (headers: Headers): boolean =>
  encodingsOf(headers).every((name) => expanders[name] !== undefined)

const encodingsOf = (headers: Headers): Array<string> =>
  String(headers["content-encoding"] ?? "")
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== "" && name !== "identity")

// A body that was cut gives what is there; one that expands beyond the limit is left compressed.
const zlib = { finishFlush: Zlib.constants.Z_SYNC_FLUSH, maxOutputLength: 64 * 1024 * 1024 }
const brotli = { finishFlush: Zlib.constants.BROTLI_OPERATION_FLUSH, maxOutputLength: zlib.maxOutputLength }

const inflate = (bytes: Buffer): Buffer => {
  // Both forms are sent under this name (RFC 9110 section 8.4.1.2 means the first).
  try {
    return Zlib.inflateSync(bytes, zlib)
  } catch {
    return Zlib.inflateRawSync(bytes, zlib)
  }
}

/** Of Node 22.15 and later. */
const zstd = (Zlib as { readonly zstdDecompressSync?: (bytes: Buffer, options: object) => Buffer }).zstdDecompressSync

const expanders: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  gzip: (bytes) => Zlib.gunzipSync(bytes, zlib),
  "x-gzip": (bytes) => Zlib.gunzipSync(bytes, zlib),
  deflate: inflate,
  br: (bytes) => Zlib.brotliDecompressSync(bytes, brotli),
  ...(zstd === undefined ? {} : { zstd: (bytes) => zstd(bytes, { maxOutputLength: zlib.maxOutputLength }) })
}
