/**
 * Bodies decoded for reading: decompressed and parsed.
 */
import * as Zlib from "node:zlib"
import * as HttpBody from "../http/HttpBody.js"

/**
 * The value of a body: decompressed, JSON parsed, text as a string, anything else as bytes, `undefined` for none. Never
 * throws: what can't be decoded stays as it is.
 */
export const decode = (
  headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>,
  bytes: Buffer,
  truncated: boolean
): unknown => {
  if (bytes.length === 0) return undefined
  const contentType = String(headers["content-type"] ?? "")
  const plain = decompress(String(headers["content-encoding"] ?? ""), bytes)
  if (plain === undefined) return bytes
  const asType = { headers: { "content-type": contentType } }
  try {
    return HttpBody.parse(asType, plain)
  } catch {
    // Cut or invalid JSON is readable as its text.
    return truncated || plain.length > 0 ? plain.toString("utf8") : undefined
  }
}

const decompress = (encodings: string, bytes: Buffer): Buffer | undefined => {
  let plain = bytes
  const names = encodings
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== "" && name !== "identity")
  try {
    for (const name of names.reverse()) {
      const expand = expanders[name]
      if (expand === undefined) return undefined
      plain = expand(plain)
    }
    return plain
  } catch {
    return undefined
  }
}

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

const expanders: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  gzip: (bytes) => Zlib.gunzipSync(bytes, zlib),
  "x-gzip": (bytes) => Zlib.gunzipSync(bytes, zlib),
  deflate: inflate,
  br: (bytes) => Zlib.brotliDecompressSync(bytes, brotli)
}
