/**
 * The body of a request to a route: read up to a limit, then parsed by its content type.
 *
 * @since 0.1.0
 */
import type { IncomingMessage } from "node:http"

/**
 * What became of a body. A client that goes away before its end gets no outcome at all.
 *
 * @since 0.1.0
 * @category models
 */
export interface BodyReader {
  readonly onBytes: (bytes: Buffer) => void
  readonly onTooLarge: () => void
  readonly onAborted: () => void
}

/**
 * The bytes of a request without a body.
 *
 * @since 0.1.0
 * @category constants
 */
export const EMPTY = Buffer.alloc(0)

/**
 * Whether the request brings a body: a content-length above zero, or a transfer-encoding (RFC 9112 section 6).
 *
 * @since 0.1.0
 * @category predicates
 */
export const isPresent = (request: IncomingMessage): boolean => {
  // Looks at the raw headers: request.headers builds an object of them all.
  const raw = request.rawHeaders
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string
    if (name.length === 14 && name.toLowerCase() === "content-length" && raw[i + 1] !== "0") return true
    if (name.length === 17 && name.toLowerCase() === "transfer-encoding") return true
  }
  return false
}

/**
 * Reads the body; exactly one of the reader's functions is called. Past `maxBytes` nothing more is kept, and a
 * content-length past it is refused before anything is read.
 *
 * @since 0.1.0
 * @category reading
 */
export const read = (request: IncomingMessage, maxBytes: number, reader: BodyReader): void => {
  const announced = Number(request.headers["content-length"] ?? 0)
  if (announced > maxBytes) {
    reader.onTooLarge()
    return
  }
  let size = 0
  let chunks: Array<Buffer> = []
  const onData = (chunk: Buffer) => {
    size += chunk.length
    if (size > maxBytes) {
      stop()
      return reader.onTooLarge()
    }
    chunks.push(chunk)
  }
  const onEnd = () => {
    const bytes = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size)
    stop()
    reader.onBytes(bytes)
  }
  const onClose = () => {
    stop()
    reader.onAborted()
  }
  const stop = () => {
    chunks = []
    request.off("data", onData)
    request.off("end", onEnd)
    request.off("close", onClose)
  }
  request.on("data", onData)
  request.on("end", onEnd)
  request.on("close", onClose)
}

/**
 * The value of a body: parsed JSON, the string of a text or a form, the bytes of anything else and of what is
 * compressed, `undefined` for an empty one. Throws a `SyntaxError` when a body claims JSON and isn't.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parse = (request: Pick<IncomingMessage, "headers">, bytes: Buffer): unknown => {
  if (bytes.length === 0) return undefined
  const encoding = request.headers["content-encoding"]
  if (encoding !== undefined && encoding !== "identity") return bytes
  const contentType = request.headers["content-type"] ?? ""
  if (JSON_TYPE.test(contentType)) return JSON.parse(withoutByteOrderMark(bytes.toString("utf8")))
  if (TEXT_TYPE.test(contentType)) return bytes.toString(LATIN1_CHARSET.test(contentType) ? "latin1" : "utf8")
  return bytes
}

const JSON_TYPE = /^\s*application\/(?:[^;\s/]+\+)?json\s*(?:;|$)/i
const TEXT_TYPE = /^\s*(?:text\/|application\/x-www-form-urlencoded\s*(?:;|$))/i
const LATIN1_CHARSET = /;\s*charset\s*=\s*"?(?:iso-8859-1|latin1|us-ascii)"?/i

const withoutByteOrderMark = (text: string) => (text.charCodeAt(0) === 0xfeff ? text.slice(1) : text)
