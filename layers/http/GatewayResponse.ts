/**
 * The response class of the gateway's server: it can be watched, and a head that HTTP doesn't allow never ends the process.
 *
 * @internal
 */
import { type IncomingMessage, type OutgoingHttpHeaders, OutgoingMessage, ServerResponse } from "node:http"
import * as BufferPool from "../BufferPool.js"
import type { ExchangeMemory } from "./ExchangeMemory.js"
import type { ServerCall } from "./ServerCall.js"

/**
 * What answers an exchange: a route, an upstream, or an interceptor of that kind.
 *
 * @internal
 */
export interface Answerer {
  readonly kind: string
  /** The route's path, the upstream's base URL, the interceptor's name. */
  readonly name: string
  /** Of an upstream that discovery has chosen. */
  readonly api?: string | undefined
  /** What is taken off the request's path for the upstream. */
  readonly stripPrefix?: string | undefined
}

/**
 * Sees what is written to a response on its way to the client. None of its functions may throw.
 *
 * @internal
 */
export interface ResponseTap {
  /** Each that begins to answer: another one follows where an upstream refuses, or an interceptor passes on. */
  readonly onAnswerer?: (answerer: Answerer) => void
  /** The final head, with what was set by `setHeader`; a header given more than once has an entry for each value. */
  readonly onHead?: (status: number, headers: ReadonlyArray<readonly [name: string, value: string]>) => void
  /** Bytes of the body, before they are sent; not of a body that isn't sent (to a HEAD). False keeps them from being sent. */
  readonly onBody?: (bytes: Buffer) => boolean
  readonly onTrailers?: (trailers: ReadonlyArray<readonly [name: string, value: string]>) => void
  /** Before the last byte is sent. False keeps the response from ending. */
  readonly onEnd?: () => boolean
  /** The response was sent completely, or the client has disconnected. */
  readonly onClosed?: () => void
}

/**
 * @internal
 */
export class GatewayResponse<Request extends IncomingMessage = IncomingMessage> extends ServerResponse<Request> {
  /** Innermost first, as they see what is written. */
  #taps: ReadonlyArray<ResponseTap> | undefined
  #headSeen = false
  /** Where large bodies are counted. */
  memory: ExchangeMemory | undefined
  /** How it is traced. */
  call: ServerCall | undefined

  /** Adds a tap beneath those that there are: it sees what is written before they do. */
  tap(tap: ResponseTap): void {
    this.#taps = this.#taps === undefined ? [tap] : [tap, ...this.#taps]
  }

  /** Whether anything sees what is written. */
  get isTapped(): boolean {
    return this.#taps !== undefined
  }

  /** Whether anything but Node sees what is written, and may keep it: a tap, or a tool that has replaced a `write`. */
  get isSeen(): boolean {
    const isReplaced = this.write !== ownWrite || super.write !== nodeWrite
    return isReplaced || this.isTapped || this.socket === null || !BufferPool.isUnseen(this.socket)
  }

  /** Tells the taps what answers; to be called only where there are some. */
  tellAnswerer(answerer: Answerer): void {
    for (const tap of this.#taps ?? []) tap.onAnswerer?.(answerer)
  }

  tellClosed(): void {
    if (this.#taps === undefined) return
    for (const tap of this.#taps) tap.onClosed?.()
  }

  /** Writes in place of what the tap kept back: only the taps above it see it. Calls back once it is with the system. */
  writeAbove(tap: ResponseTap, bytes: Buffer, callback: () => void): void {
    const taps = this.#taps ?? []
    for (const above of taps.slice(taps.indexOf(tap) + 1)) above.onBody?.(bytes)
    super.write(bytes, "latin1", callback)
  }

  /** Forgets what a head was to have, but for what lets a page of another origin read the answer. */
  discardHead(): void {
    this.statusMessage = ""
    for (const name of this.getHeaderNames()) {
      if (name !== "vary" && !name.startsWith("access-control-")) this.removeHeader(name)
    }
  }

  /** Throws, with nothing sent, where the status isn't that of a final response or a header isn't one. */
  override writeHead(status: number, reason?: unknown, headers?: unknown): this {
    // An informational status would leave the client waiting for the final one.
    if (!(status >= 200)) throw new RangeError(`${status} isn't the status of a response`)
    if (this.#taps !== undefined) this.#tellHead(status, typeof reason === "string" ? headers : reason)
    if (typeof reason !== "string") {
      if (this.statusMessage) this.statusMessage = reasonPhrase(this.statusMessage)
      return super.writeHead(status, reason as OutgoingHttpHeaders)
    }
    return super.writeHead(status, reasonPhrase(reason), headers as OutgoingHttpHeaders)
  }

  override write(chunk: unknown, encoding?: BufferEncoding | WriteCallback, callback?: WriteCallback): boolean {
    if (this.#taps !== undefined && !this.#tellBody(chunk, encoding)) return true
    return super.write(chunk, encoding as BufferEncoding, callback)
  }

  override end(chunk?: unknown, encoding?: BufferEncoding | (() => void), callback?: () => void): this {
    if (this.#taps !== undefined && !this.#tellEnd(chunk, encoding)) return this
    return super.end(chunk, encoding as BufferEncoding, callback)
  }

  override addTrailers(trailers: OutgoingHttpHeaders | ReadonlyArray<[string, string]>): void {
    if (this.#taps !== undefined) {
      const pairs = pairsOf(trailers)
      for (const tap of this.#taps) tap.onTrailers?.(pairs)
    }
    super.addTrailers(trailers)
  }

  #tellHead(status: number, headers: unknown): void {
    this.#headSeen = true
    const given = pairsOf(headers)
    if (this.getHeaderNames().length === 0) {
      for (const tap of this.#taps ?? []) tap.onHead?.(status, given)
      return
    }
    const overridden = new Set(given.map(([name]) => name.toLowerCase()))
    const set = pairsOf(this.getHeaders()).filter(([name]) => !overridden.has(name.toLowerCase()))
    for (const tap of this.#taps ?? []) tap.onHead?.(status, [...set, ...given])
  }

  #tellBody(chunk: unknown, encoding: unknown): boolean {
    if (this.req.method === "HEAD") return true
    const bytes = bytesOf(chunk, encoding)
    return bytes === undefined || (this.#taps ?? []).every((tap) => tap.onBody?.(bytes) ?? true)
  }

  #tellEnd(chunk: unknown, encoding: unknown): boolean {
    if (!this.#tellBody(chunk, encoding)) return false
    if (!this.#headSeen) this.#tellHead(this.statusCode, undefined)
    return (this.#taps ?? []).every((tap) => tap.onEnd?.() ?? true)
  }
}

/** Those that are there when the library is loaded. */
const ownWrite = GatewayResponse.prototype.write
const nodeWrite = OutgoingMessage.prototype.write

type WriteCallback = (error: Error | null | undefined) => void

/** Without what a reason phrase can't contain (RFC 9112 section 4). */
const reasonPhrase = (reason: string): string =>
  NOT_IN_PHRASE.test(reason) ? reason.replace(NOT_IN_PHRASES, "") : reason

const NOT_IN_PHRASE = /[^\t\x20-\x7e\x80-\xff]/
const NOT_IN_PHRASES = /[^\t\x20-\x7e\x80-\xff]/g

const bytesOf = (chunk: unknown, encoding: unknown): Buffer | undefined => {
  if (typeof chunk === "string") {
    return Buffer.from(chunk, typeof encoding === "string" ? (encoding as BufferEncoding) : "utf8")
  }
  if (chunk instanceof Uint8Array) return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
  return undefined
}

/** Headers in any of the forms that Node takes. */
const pairsOf = (headers: unknown): ReadonlyArray<readonly [string, string]> => {
  if (headers === undefined || headers === null) return []
  if (!Array.isArray(headers)) {
    return Object.entries(headers as Record<string, unknown>).flatMap(([name, value]) => valuesOf(name, value))
  }
  if (Array.isArray(headers[0])) {
    return (headers as ReadonlyArray<[string, unknown]>).flatMap(([name, value]) => valuesOf(name, value))
  }
  const pairs: Array<readonly [string, string]> = []
  for (let i = 0; i < headers.length; i += 2) {
    const value: unknown = headers[i + 1]
    if (typeof value === "string") pairs.push([String(headers[i]), value])
    else pairs.push(...valuesOf(String(headers[i]), value))
  }
  return pairs
}

const valuesOf = (name: string, value: unknown): ReadonlyArray<readonly [string, string]> =>
  Array.isArray(value) ? value.map((one) => [name, String(one)] as const) : [[name, String(value)]]
