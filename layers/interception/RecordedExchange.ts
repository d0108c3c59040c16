/**
 * Records an exchange without changing it: what passes is what passed before, in the same pieces.
 */
import type { IncomingMessage } from "node:http"
import * as Duration from "effect/Duration"
import type { RecordedCall, RecordedMessage, RecordedRequest, RecordedResponse } from "../../src/HttpInterception.js"
import * as HttpBody from "../http/HttpBody.js"
import type { Exchange } from "../http/NodeHttpGateway.js"
import type { Upgrade } from "../http/proxy/Forwarder.js"
import { parseQuery, pathOf } from "../http/RequestTarget.js"
import { tap } from "../http/StandInRequest.js"
import type { Matched } from "./Matching.js"
import * as ReadableBody from "./ReadableBody.js"

export interface RecorderOptions {
  /** Of each body, in bytes. */
  readonly maxBytes: number
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly onEnd: (call: RecordedCall) => void
}

/** An exchange that is recorded. */
export interface RecordedExchange {
  /** The exchange to go on with: what passes through it is recorded. */
  readonly exchange: Exchange
  /** Tells why the response won't come whole, before it is cut off. */
  readonly fail: (reason: string) => void
}

/** Begins to record. */
export const watch = (exchange: Exchange, matched: Matched, options: RecorderOptions): RecordedExchange => {
  const { request, response, upgrade } = exchange
  const startedAt = options.now()
  const sent = new RecordedBody(options.maxBytes)
  const answered = new RecordedBody(options.maxBytes)
  let head: Head | undefined
  let trailers: Record<string, string> = {}
  let ended = false

  const hasBody = HttpBody.isPresent(request)
  const end = (failure: string | undefined) => {
    if (ended) return
    ended = true
    options.onEnd({
      request: requestOf(request, matched, sent.bytes, sent.overflowed || (hasBody && !request.complete)),
      response: head === undefined ? undefined : responseOf(head, answered, failure !== undefined, trailers),
      failure,
      startedAt,
      duration: Duration.millis(options.now() - startedAt)
    })
  }

  response.tap({
    onHead: (status, headers) => {
      head = { status, headers: joined(headers) }
    },
    onBody: (bytes) => {
      answered.add(bytes)
      return true
    },
    onTrailers: (pairs) => {
      trailers = joined(pairs)
    },
    // Before the last byte is sent: a client that has the whole answer finds the call recorded.
    onEnd: () => {
      end(undefined)
      return true
    }
  })
  response.once("close", () => end("the connection closed before the answer was complete"))
  const onSwitched: Upgrade["onSwitched"] = (...args) => {
    upgrade?.onSwitched?.(...args)
    head = { status: 101, headers: {} }
    end(undefined)
  }
  return {
    exchange: {
      request: hasBody ? tap(request, (chunk) => sent.add(chunk)) : request,
      response,
      upgrade: upgrade === undefined ? undefined : { ...upgrade, onSwitched }
    },
    fail: end
  }
}

interface Head {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
}

/** The request as it is recorded. */
export const requestOf = (
  request: IncomingMessage,
  matched: Matched,
  bytes: () => Buffer,
  truncated: boolean
): RecordedRequest => {
  const { headers, method, url } = request
  return Object.assign(new Message(headersOf(headers), bytes(), truncated), {
    method: method as string,
    path: pathOf(url as string),
    params: matched.params,
    query: parseQuery(matched.query)
  })
}

const responseOf = (head: Head, kept: RecordedBody, cut: boolean, trailers: Record<string, string>): RecordedResponse =>
  Object.assign(new Message(head.headers, kept.bytes(), kept.overflowed || cut), { status: head.status, trailers })

/** Decodes the body when it is first looked at. */
class Message implements RecordedMessage {
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: Buffer
  readonly truncated: boolean
  #body: { readonly value: unknown } | undefined

  constructor(headers: Readonly<Record<string, string>>, bytes: Buffer, truncated: boolean) {
    this.headers = headers
    this.bytes = bytes
    this.truncated = truncated
  }

  get body(): unknown {
    this.#body ??= { value: ReadableBody.decode(this.headers, this.bytes, this.truncated) }
    return this.#body.value
  }
}

/** The beginning of what goes by. */
class RecordedBody {
  readonly #max: number
  #chunks: Array<Buffer> = []
  #size = 0
  overflowed = false

  constructor(max: number) {
    this.#max = max
  }

  add(bytes: Buffer): void {
    const left = this.#max - this.#size
    if ((left === 0 && this.overflowed) || bytes.length === 0) return
    if (bytes.length > left) this.overflowed = true
    if (left === 0) return
    // A copy: whoever wrote the chunk may use its memory again.
    const kept = Buffer.from(bytes.subarray(0, left))
    this.#chunks.push(kept)
    this.#size += kept.length
  }

  readonly bytes = (): Buffer => {
    const whole = Buffer.concat(this.#chunks, this.#size)
    this.#chunks = [whole]
    return whole
  }
}

const textOf = (value: unknown): string => (Array.isArray(value) ? value.join(", ") : String(value))

const joined = (pairs: ReadonlyArray<readonly [string, string]>): Record<string, string> => {
  const headers: Record<string, string> = {}
  for (const [name, value] of pairs) {
    const lower = name.toLowerCase()
    headers[lower] = Object.hasOwn(headers, lower) ? `${headers[lower]}, ${value}` : value
  }
  return headers
}

const headersOf = (headers: IncomingMessage["headers"]): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, textOf(value)]))
