/**
 * Hides what lets others act in somebody's name: in headers, queries and bodies of recorded exchanges.
 *
 * @internal
 */
import * as Predicate from "effect/Predicate"
import type { Redaction } from "../../src/HttpInterception.js"
import * as Har from "../../src/internal/Har.js"
import * as JsonBounds from "../../src/internal/JsonBounds.js"
import * as ContentType from "./ContentType.js"

export interface Redactor {
  readonly exchange: (exchange: Har.HarExchange) => Har.HarExchange
  readonly url: (url: string) => string
  readonly body: (contentType: string, bytes: Uint8Array) => Uint8Array
}

export const make = ({ fields = [], headers = [] }: Redaction = {}): Redactor => {
  const secretHeaders = new Set([...HEADERS, ...headers.map((name) => name.toLowerCase())])
  const secretFields = new Set([...FIELDS, ...fields].map(plain))
  const isSecret = (name: string) => secretFields.has(plain(name))

  const url = (text: string): string =>
    text.replace(PARAMETER, (whole, before: string, name: string) =>
      isSecret(decoded(name)) ? `${before}${name}=${encodeURIComponent(Har.hidden)}` : whole
    )

  const json = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(json)
    if (!Predicate.isRecord(value)) return value
    return Object.fromEntries(
      Object.entries(value).map(([name, field]) => [name, isSecret(name) ? Har.hidden : json(field)])
    )
  }
  const text = (given: string): string =>
    given
      .replace(JSON_FIELD, (whole, before: string, name: string) =>
        isSecret(name) ? `${before}"${Har.hidden}"` : whole
      )
      .replace(XML_FIELD, (whole, name: string, attributes: string) =>
        isSecret(name.replace(/^.*:/, "")) ? `<${name}${attributes}>${Har.hidden}</${name}>` : whole
      )
  const jsonText = (given: string): string => {
    try {
      return JSON.stringify(json(JsonBounds.parse(given)))
    } catch {
      // Cut, or one value a line.
      return text(given)
    }
  }
  const body = (contentType: string, bytes: Uint8Array): Uint8Array => {
    if (bytes.length === 0) return bytes
    const buffer = Buffer.from(bytes)
    switch (ContentType.kindOf(contentType)) {
      case "json":
        return Buffer.from(jsonText(buffer.toString("utf8")))
      case "form":
        return Buffer.from(url(`?${buffer.toString("utf8")}`).slice(1))
      case "multipart":
        return Buffer.from(
          buffer
            .toString("latin1")
            .replace(PART, (whole, before: string, name: string) =>
              isSecret(name) ? `${before}${Har.hidden}` : whole
            ),
          "latin1"
        )
      default: {
        const given = ContentType.utf8Of(buffer)
        return given === undefined ? bytes : Buffer.from(text(given))
      }
    }
  }
  const headersOf = (given: Har.HarHeaders): Har.HarHeaders =>
    Har.hideSecrets(given).map(([name, value]) => {
      const lower = name.toLowerCase()
      if (secretHeaders.has(lower) || isSecret(name)) return [name, Har.hidden]
      return [name, lower === "location" || lower === "referer" ? url(value) : value]
    })
  const message = <A extends { readonly headers: Har.HarHeaders; readonly body: Har.HarBody }>(given: A): A => {
    const bytes = body(contentTypeOf(given.headers), given.body.bytes)
    // A body that was cut stays so.
    const missing = (given.body.size ?? given.body.bytes.length) - given.body.bytes.length
    return { ...given, headers: headersOf(given.headers), body: { bytes, size: bytes.length + missing } }
  }

  return {
    url,
    body,
    exchange: ({ request, response, ...rest }) => ({
      ...rest,
      request: { ...message(request), url: url(request.url) },
      response: response === undefined ? undefined : message(response)
    })
  }
}

/** Hides nothing. */
export const none: Redactor = { exchange: (exchange) => exchange, url: (url) => url, body: (_, bytes) => bytes }

export const contentTypeOf = (headers: Har.HarHeaders): string =>
  headers.find(([name]) => name.toLowerCase() === "content-type")?.[1] ?? ""

/** `accessToken`, `access_token` and `Access-Token` are one. */
const plain = (name: string): string => name.toLowerCase().replaceAll(/[-_\s]/g, "")

const decoded = (name: string): string => {
  // decodeURIComponent tells of bad escapes only by throwing.
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

/** Beside those that `Har.hideSecrets` hides. */
const HEADERS: ReadonlyArray<string> = [
  "x-api-key",
  "x-auth-token",
  "x-access-token",
  "x-csrf-token",
  "x-xsrf-token",
  "x-amz-security-token"
]

const FIELDS: ReadonlyArray<string> = [
  "password",
  "passwd",
  "passphrase",
  "secret",
  "client_secret",
  "token",
  "access_token",
  "refresh_token",
  "id_token",
  "auth_token",
  "session_token",
  "api_key",
  "private_key",
  "signature",
  "sig",
  "x-amz-signature",
  "x-amz-security-token",
  "client_assertion",
  "code_verifier"
]

const PARAMETER = /([?&])([^=&#]+)=([^&#]*)/g

/** A string, a number or a word; the whole of an object or an array isn't known from text. */
const JSON_FIELD = /("((?:[^"\\]|\\.)*)"\s*:\s*)("(?:[^"\\]|\\.)*"?|[^\s,}\]"{[]+)/g

const XML_FIELD = /<([\w.:-]+)((?:\s[^<>]*)?)>[^<]*<\/\1>/g

/** Up to the next line that begins with two hyphens: the boundary. */
const PART = /(content-disposition:[^\r\n]*;\s*name="([^"]*)"[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n)[\s\S]*?(?=\r\n--)/gi
