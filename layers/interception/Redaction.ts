/**
 * Hides what lets others act in somebody's name: in URLs, headers and bodies of recorded exchanges.
 *
 * @internal
 */
import type { Redaction } from "../../src/HttpInterception.js"
import * as Har from "../../src/internal/Har.js"
import * as ContentType from "./ContentType.js"
import * as ReadableBody from "./ReadableBody.js"
import * as RedactedText from "./RedactedText.js"
import * as SecretNames from "./SecretNames.js"

export interface Redactor {
  readonly exchange: (exchange: Har.HarExchange) => Har.HarExchange
}

export const make = ({ fields = [], headers = [] }: Redaction = {}): Redactor => {
  const secretHeaders = new Set(headers.map((name) => name.toLowerCase()))
  const text = RedactedText.make(SecretNames.make(fields))

  const headersOf = (given: Har.HarHeaders): Har.HarHeaders =>
    Har.hideSecrets(given).map(([name, value]) => {
      const isSecret = secretHeaders.has(name.toLowerCase()) || text.names.hides(name, value)
      if (isSecret) return [name, Har.hidden]
      return [name, OF_URLS.has(name.toLowerCase()) ? text.inUrl(value) : text.inText(value)]
    })
  const message = <A extends { readonly headers: Har.HarHeaders; readonly body: Har.HarBody }>(given: A): A => {
    const { bytes, size = bytes.length } = given.body
    const named = Object.fromEntries(given.headers.map(([name, value]) => [name.toLowerCase(), value]))
    // What can't be read can't be searched.
    const shown = ReadableBody.isReadable(named)
      ? body(ReadableBody.contentTypeOf(named), Buffer.from(bytes))
      : new Uint8Array()
    // A body that was cut stays so.
    const missing = ReadableBody.isReadable(named) ? size - bytes.length : size
    return { ...given, headers: headersOf(given.headers), body: { bytes: shown, size: shown.length + missing } }
  }
  const body = (contentType: string, bytes: Buffer): Uint8Array => {
    if (bytes.length === 0) return bytes
    if (/^\s*multipart\//i.test(contentType)) {
      const boundary = BOUNDARY.exec(contentType)
      return multipart(boundary?.[1] ?? boundary?.[2] ?? "", bytes)
    }
    const kind = ContentType.kindOf(contentType)
    const given = kind === "bytes" ? ContentType.utf8Of(bytes) : ContentType.textOf(contentType, bytes)
    // An image, for example.
    if (given === undefined) return bytes
    const shown = kind === "form" ? text.inForm(given) : text.inText(given)
    return shown === given ? bytes : ContentType.bytesOf(contentType, shown)
  }

  /** As characters of one byte each, so that the parts that are no text stay as they are. */
  const multipart = (boundary: string, bytes: Buffer): Uint8Array => {
    const parts = bytes.toString("latin1").split(`--${boundary}`)
    return Buffer.from(parts.map(part).join(`--${boundary}`), "latin1")
  }
  const part = (given: string): string => {
    const end = HEAD_END.exec(given)
    if (end === null) return given
    const head = given.slice(0, end.index + end[0].length)
    const [content = "", last = ""] = splitLast(given.slice(head.length))
    const disposition = NAME.exec(head)
    const name = disposition?.[1] ?? disposition?.[2]
    if (name !== undefined && text.names.hides(name, content)) return `${head}${Har.hidden}${last}`
    const contentType = PART_TYPE.exec(head)?.[1] ?? "text/plain"
    return `${head}${Buffer.from(body(contentType, Buffer.from(content, "latin1"))).toString("latin1")}${last}`
  }

  return {
    exchange: ({ comment, failure, request, response, ...rest }) => ({
      ...rest,
      ...(comment === undefined ? {} : { comment: text.inText(comment) }),
      failure: failure === undefined ? undefined : text.inText(failure),
      request: { ...message(request), url: text.inUrl(request.url) },
      response: response === undefined ? undefined : message(response)
    })
  }
}

/** Hides nothing. */
export const none: Redactor = { exchange: (exchange) => exchange }

/** The line break before the next boundary is the boundary's. */
const splitLast = (content: string): readonly [content: string, last: string] => {
  const last = /\r?\n$/.exec(content)?.[0] ?? ""
  return [content.slice(0, content.length - last.length), last]
}

const OF_URLS: ReadonlySet<string> = new Set(["location", "content-location", "referer"])

const BOUNDARY = /;\s*boundary=(?:"([^"]+)"|([^\s;]+))/i

const HEAD_END = /\r?\n\r?\n/

const NAME = /^content-disposition:[^\r\n]*;\s*name\*?=(?:"([^"\r\n]*)"|([^\s;\r\n]+))/im

const PART_TYPE = /^content-type:\s*([^\r\n]+)/im
