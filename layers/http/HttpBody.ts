/**
 * The body of a request: whether there is one, and its value by content type.
 *
 * @internal
 */
import type { IncomingMessage } from "node:http"
import * as JsonBounds from "../../src/internal/JsonBounds.js"
import { NoRoom } from "./ExchangeMemory.js"
import { tokensOf } from "./HeaderTokens.js"

/**
 * The bytes of a request without a body.
 *
 * @internal
 */
export const EMPTY = Buffer.alloc(0)

/**
 * Whether the request brings a body: a content-length above zero, or a transfer-encoding (RFC 9112 section 6).
 *
 * @internal
 */
export const isPresent = (request: IncomingMessage): boolean => {
  // Looks at the raw headers: request.headers builds an object of them all.
  const raw = request.rawHeaders
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string
    if (name.length === 14 && name.toLowerCase() === "content-length" && Number(raw[i + 1]) !== 0) return true
    if (name.length === 17 && name.toLowerCase() === "transfer-encoding") return true
  }
  return false
}

/**
 * The value of a body: parsed JSON, the string of text, XML or a form, the bytes of anything else and of what is
 * compressed, `undefined` for an empty one. Throws a `SyntaxError` when a body claims JSON and isn't, a
 * `RangeError` where its JSON is over the bounds, and what `admit` throws, which is told how many bytes the value takes.
 *
 * @internal
 */
export const parse: Parser = (request, bytes, admit) => {
  if (bytes.length === 0) return undefined
  if (tokensOf(request.headers["content-encoding"]).some((coding) => coding !== "identity")) return bytes
  const contentType = request.headers["content-type"] ?? ""
  const type = (contentType.split(";")[0] as string).trim().toLowerCase()
  if (JSON_TYPE.test(type)) return JsonBounds.parse(withoutByteOrderMark(bytes.toString("utf8")), admit)
  if (TEXT_TYPE.test(type)) return decode(bytes, CHARSET.exec(contentType)?.[1])
  return bytes
}

/**
 * Marks a handler that gets every body that is JSON as its value, whatever its content type says, and any other as text.
 *
 * @internal
 */
export const takesAnyJson = <Handler extends object>(handler: Handler): Handler => {
  takingAnyJson.add(handler)
  return handler
}

/**
 * How bodies are parsed for a handler.
 *
 * @internal
 */
export const parserOf = (handler: object): Parser => (takingAnyJson.has(handler) ? parseAny : parse)

const takingAnyJson = new WeakSet<object>()

const parseAny: Parser = (request, bytes, admit) => {
  const body = parse(request, bytes, admit)
  if (typeof body !== "string" && !(body instanceof Uint8Array)) return body
  const text = utf8.decode(bytes)
  try {
    return JsonBounds.parse(text, admit)
  } catch (error) {
    if (error instanceof NoRoom) throw error
    return typeof body === "string" ? body : text
  }
}

/** Without a byte order mark. */
const utf8 = new TextDecoder()

type Parser = (request: Pick<IncomingMessage, "headers">, bytes: Buffer, admit: (bytes: number) => void) => unknown

/** JSON's and XML's types as the WHATWG's MIME Sniffing standard has them, section 4.6. */
const JSON_TYPE = /^(?:(?:application|text)\/json|[^/\s]+\/[^/\s]+\+json)$/
const TEXT_TYPE = /^(?:text\/.+|application\/(?:xml|x-www-form-urlencoded|(?:java|ecma)script)|[^/\s]+\/[^/\s]+\+xml)$/
const CHARSET = /;\s*charset\s*=\s*"?([^\s";]+)/i

/** An unknown charset is decoded as UTF-8. */
const decode = (bytes: Buffer, charset = "utf-8"): string => {
  const label = charset.toLowerCase()
  if (label === "utf-8" || label === "utf8") return bytes.toString("utf8")
  // The Encoding standard takes these for windows-1252.
  if (label === "iso-8859-1" || label === "latin1" || label === "us-ascii") return bytes.toString("latin1")
  try {
    return new TextDecoder(label).decode(bytes)
  } catch {
    return bytes.toString("utf8")
  }
}

const withoutByteOrderMark = (text: string) => (text.charCodeAt(0) === 0xfeff ? text.slice(1) : text)
