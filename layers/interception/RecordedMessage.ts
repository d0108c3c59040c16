/**
 * Requests and responses as they are recorded: plain objects, which any assertion can compare, copy and print.
 *
 * @internal
 */
import type { IncomingMessage } from "node:http"
import type { RecordedMessage, RecordedRequest, RecordedResponse } from "../../src/RecordedCall.js"
import { parseQuery, pathOf } from "../http/RequestTarget.js"
import type { Matched } from "./Matching.js"
import * as ReadableBody from "./ReadableBody.js"

type Headers = Readonly<Record<string, string>>

/** A body as it was recorded. */
export interface Content {
  readonly bytes: Buffer
  readonly truncated: boolean
}

export const requestOf = (request: IncomingMessage, matched: Matched, content: Content): RecordedRequest =>
  withBody(
    {
      method: request.method as string,
      path: pathOf(request.url as string),
      params: { ...matched.params },
      query: { ...parseQuery(matched.query) },
      headers: headersOf(request.headers)
    },
    content
  )

export const responseOf = (status: number, headers: Headers, trailers: Headers, content: Content): RecordedResponse =>
  withBody({ status, headers, trailers }, content)

/** The same request with other `params`. */
export const withParams = (request: RecordedRequest, params: RecordedRequest["params"]): RecordedRequest =>
  Object.defineProperties({} as RecordedRequest, {
    // The body is still decoded only when it is read.
    ...Object.getOwnPropertyDescriptors(request),
    params: { value: { ...params }, enumerable: true, configurable: true, writable: true }
  })

/** Drops the bytes of a recorded body. */
export const drop = (message: RecordedMessage): void => {
  const recorded = message as { -readonly [Name in keyof RecordedMessage]: RecordedMessage[Name] }
  if (recorded.bytes.length === 0) return
  recorded.bytes = EMPTY
  recorded.truncated = true
}

/** The body is decoded when it is first read. It is the object's own and enumerable, so that copies have it, too. */
const withBody = <A extends { readonly headers: Headers }>(
  message: A,
  { bytes, truncated }: Content
): A & RecordedMessage => {
  const recorded: A & Omit<RecordedMessage, "body"> = { ...message, bytes, truncated }
  return Object.defineProperty(recorded, "body", {
    get: () => {
      const value = ReadableBody.decode(recorded.headers, Buffer.from(recorded.bytes))
      Object.defineProperty(recorded, "body", { value, enumerable: true, configurable: true })
      return value
    },
    enumerable: true,
    configurable: true
  }) as unknown as A & RecordedMessage
}

/** Names in lower case; the values of a name are joined by commas. */
export const joined = (pairs: Iterable<readonly [string, string]>): Headers => {
  const headers = new Map<string, string>()
  for (const [name, value] of pairs) {
    const lower = name.toLowerCase()
    const present = headers.get(lower)
    headers.set(lower, present === undefined ? value : `${present}, ${value}`)
  }
  return Object.fromEntries(headers)
}

const headersOf = (headers: IncomingMessage["headers"]): Headers =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : String(value)])
  )

const EMPTY = Buffer.alloc(0)
