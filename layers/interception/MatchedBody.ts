/**
 * A request's body as matchers see it.
 *
 * @internal
 */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { BodyMatcher, MultipartFile } from "../../src/RequestMatcher.js"
import * as ContentType from "./ContentType.js"
import * as Difference from "./Difference.js"
import * as ReadableBody from "./ReadableBody.js"

/** A body, read for matching. */
export interface MatchedBody {
  /** Parsed JSON, the fields of a form or multipart body, a string of other text, bytes, or `undefined` without a body. */
  readonly value: unknown
  /** What an expression is matched against; `undefined` where it isn't text. */
  readonly text: string | undefined
  readonly contentType: string
}

type Fields = Readonly<Record<string, unknown>>

/** Reads the whole of a body; at once unless it is multipart. Throws as `ReadableBody.decode` does. */
export const read = (
  headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>,
  bytes: Buffer,
  admit?: (bytes: number) => void
): MatchedBody | Promise<MatchedBody> => {
  const contentType = ReadableBody.contentTypeOf(headers)
  if (bytes.length === 0) return { value: undefined, text: undefined, contentType }
  const plain = ReadableBody.decompress(headers, bytes)
  if (plain === undefined) return { value: bytes, text: undefined, contentType }
  const kind = ContentType.kindOf(contentType)
  if (kind === "multipart") {
    return multipartFields(contentType, plain).then(
      (value) => ({ value, text: undefined, contentType }),
      () => ({ value: plain, text: ContentType.utf8Of(plain), contentType })
    )
  }
  const text = kind === "bytes" ? ContentType.utf8Of(plain) : ContentType.textOf(contentType, plain)
  return {
    value: kind === "form" ? formFields(text ?? "") : ReadableBody.decode(headers, bytes, admit),
    text,
    contentType
  }
}

/** What differs; nothing where the body is the one that is wanted. */
export const differences = (
  { contentType, text, value }: MatchedBody,
  wanted: BodyMatcher
): ReadonlyArray<Difference.Difference> => {
  if (wanted instanceof RegExp) {
    const texts = [text, typeof value === "string" || value === undefined ? undefined : compact(value)]
    const matches = texts.some((one) => one !== undefined && Difference.testOf(wanted, one))
    if (matches) return []
    return [{ part: "body", expected: Difference.show(wanted), received: shownText(text, value) }]
  }
  const found = Difference.between(value, wanted, "body")
  const isText = typeof value === "string" && isStructured(wanted)
  if (found.length === 0 || !isText) return found
  // Text that looks like the object that is wanted was sent under another content type.
  const hint = contentType === "" ? "no content type" : `content type ${contentType}`
  return [{ part: "body", expected: Difference.show(wanted), received: `text of ${hint}: ${Difference.show(value)}` }]
}

/** The body that a handler gets: as its matcher decoded or saw it. */
export const given = (matched: MatchedBody, wanted: BodyMatcher, body: unknown): unknown => {
  if (Schema.isSchema(wanted)) {
    const decoded = ParseResult.decodeUnknownEither(wanted as Schema.Schema.AnyNoContext)(matched.value)
    return Either.isRight(decoded) ? decoded.right : body
  }
  return isStructured(wanted) ? matched.value : body
}

const isStructured = (wanted: unknown): boolean =>
  typeof wanted === "object" &&
  wanted !== null &&
  !(wanted instanceof RegExp) &&
  !(wanted instanceof Uint8Array) &&
  (!Difference.isExact(wanted) || isStructured(wanted.value))

const shownText = (text: string | undefined, value: unknown): string | undefined =>
  value === undefined ? undefined : Difference.show(text ?? value)

/** As `JSON.stringify` writes it, whatever spaces were sent. */
const compact = (value: unknown): string | undefined => {
  if (value instanceof Uint8Array) return undefined
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}

const formFields = (text: string): Fields => fieldsOf(new URLSearchParams(text))

const multipartFields = async (contentType: string, bytes: Buffer): Promise<Fields> => {
  const form = await new Response(new Uint8Array(bytes), { headers: { "content-type": contentType } }).formData()
  const entries = await Promise.all(
    [...form].map(
      async ([name, entry]): Promise<[string, unknown]> => [
        name,
        typeof entry === "string" ? entry : await fileOf(entry)
      ]
    )
  )
  return fieldsOf(entries)
}

const fileOf = async (file: File): Promise<MultipartFile> => {
  const bytes = new Uint8Array(await file.arrayBuffer())
  return { filename: file.name, contentType: file.type, text: ContentType.utf8Of(bytes), bytes }
}

/** A name given more than once has all its values, in order. */
const fieldsOf = (entries: Iterable<readonly [string, unknown]>): Fields => {
  const fields = new Map<string, unknown>()
  for (const [name, value] of entries) {
    const present = fields.get(name)
    fields.set(name, present === undefined ? value : Array.isArray(present) ? [...present, value] : [present, value])
  }
  return Object.fromEntries(fields)
}
