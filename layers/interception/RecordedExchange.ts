/**
 * Watches an exchange without touching it: what passes is what passed before, in the same pieces.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import { parse as parseQuery } from "node:querystring"
import * as Duration from "effect/Duration"
import type { RecordedCall, RecordedMessage, RecordedRequest, RecordedResponse } from "../../src/HttpInterception.js"
import * as HttpBody from "../http/HttpBody.js"
import type { Exchange } from "../http/NodeHttpGateway.js"
import { pathOf } from "../http/RequestTarget.js"
import type { Matched } from "./Matching.js"
import * as ReadableBody from "./ReadableBody.js"

export interface RecorderOptions {
  /** Of each body, in bytes. */
  readonly maxBytes: number
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly onEnd: (call: RecordedCall) => void
}

/** What a watcher is told of, beside what it sees. */
export interface Watched {
  /** Why the response won't come whole, before it is cut off. */
  readonly fail: (reason: string) => void
  /** That the connection goes on in another protocol. */
  readonly switched: () => void
}

/** Begins to watch. */
export const watch = (
  { request, response }: Pick<Exchange, "request" | "response">,
  matched: Matched,
  options: RecorderOptions
): Watched => {
  const startedAt = options.now()
  const sent = new RecordedBody(options.maxBytes)
  const answered = new RecordedBody(options.maxBytes)
  let head: { readonly status: number; readonly headers: Readonly<Record<string, string>> } | undefined
  let trailers: Record<string, string> = {}
  let ended = false

  watchRequest(request, sent)
  const hasBody = HttpBody.isPresent(request)
  const withoutBody = request.method === "HEAD"

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

  const { addTrailers, end: endResponse, write, writeHead } = response
  Object.assign(response, {
    writeHead(this: ServerResponse, ...args: Parameters<typeof writeHead>) {
      head = headOf(response, args)
      return writeHead.apply(this, args)
    },
    write(this: ServerResponse, ...args: Parameters<typeof write>) {
      if (!withoutBody) answered.add(args[0], args[1])
      return write.apply(this, args)
    },
    addTrailers(this: ServerResponse, ...args: Parameters<typeof addTrailers>) {
      const pairs = Array.isArray(args[0]) ? (args[0] as ReadonlyArray<[string, string]>) : Object.entries(args[0])
      trailers = joined(pairs.map(([name, value]) => [name, String(value)]))
      return addTrailers.apply(this, args)
    },
    end(this: ServerResponse, ...args: Parameters<typeof endResponse>) {
      if (!withoutBody && args.length > 0 && typeof args[0] !== "function") answered.add(args[0], args[1])
      // Before the last byte leaves: who has the whole answer finds the call recorded.
      head ??= headOf(response, [response.statusCode] as unknown as Parameters<typeof writeHead>)
      end(undefined)
      return endResponse.apply(this, args)
    }
  })
  response.once("close", () => end("the connection closed before the answer was complete"))
  const switched = () => {
    head = { status: 101, headers: {} }
    end(undefined)
  }
  return { fail: end, switched }
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
    query: parseQuery(matched.query) as Record<string, string | ReadonlyArray<string>>
  })
}

const responseOf = (
  head: { readonly status: number; readonly headers: Readonly<Record<string, string>> },
  kept: RecordedBody,
  cut: boolean,
  trailers: Record<string, string>
): RecordedResponse =>
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

  add(chunk: unknown, encoding: unknown): void {
    const left = this.#max - this.#size
    if (left === 0 && this.overflowed) return
    const bytes = bufferOf(chunk, encoding)
    if (bytes === undefined || bytes.length === 0) return
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

const bufferOf = (chunk: unknown, encoding: unknown): Uint8Array | undefined => {
  if (chunk instanceof Uint8Array) return chunk
  if (typeof chunk !== "string") return undefined
  return Buffer.from(chunk, typeof encoding === "string" ? (encoding as BufferEncoding) : "utf8")
}

// A listener for data would set the request flowing; this only looks at what its reader is given.
const watchRequest = (request: IncomingMessage, kept: RecordedBody) => {
  const { emit } = request
  request.emit = function (this: IncomingMessage, event: string | symbol, ...args: Array<unknown>) {
    if (event === "data") kept.add(args[0], undefined)
    return (emit as (...all: Array<unknown>) => boolean).call(this, event, ...args)
  }
}

const headOf = (response: ServerResponse, args: Parameters<ServerResponse["writeHead"]>) => {
  const [status, second, third] = args as ReadonlyArray<unknown>
  const given = typeof second === "string" ? third : (second ?? third)
  const own = Object.entries(response.getHeaders()).map(([name, value]): [string, string] => [name, textOf(value)])
  const named = pairsOf(given)
  const overridden = new Set(named.map(([name]) => name.toLowerCase()))
  return {
    status: status as number,
    headers: joined([...own.filter(([name]) => !overridden.has(name.toLowerCase())), ...named])
  }
}

const pairsOf = (headers: unknown): ReadonlyArray<[string, string]> => {
  if (headers === undefined || headers === null) return []
  if (!Array.isArray(headers)) {
    return Object.entries(headers as Record<string, unknown>).map(([name, value]) => [name, textOf(value)])
  }
  if (Array.isArray(headers[0])) {
    return (headers as ReadonlyArray<[string, unknown]>).map(([name, value]) => [name, textOf(value)])
  }
  const pairs: Array<[string, string]> = []
  for (let i = 0; i < headers.length; i += 2) pairs.push([headers[i] as string, textOf(headers[i + 1])])
  return pairs
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
