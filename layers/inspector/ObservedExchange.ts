/**
 * An exchange that is recorded for the inspector. What passes isn't changed.
 *
 * @internal
 */

import type { IncomingMessage } from "node:http"
import type { Linked } from "../../src/internal/LinkedList.js"
import type { Exchange } from "../http/Exchange.js"
import type { Answerer, ResponseTap } from "../http/GatewayResponse.js"
import { pairsOf } from "../http/HeaderPairs.js"
import * as HttpBody from "../http/HttpBody.js"
import { tap } from "../http/StandInRequest.js"
import * as BodyBytes from "./BodyBytes.js"
import type { BodyRecord, FlatExchange, HeaderList } from "./InspectorProtocol.js"

export interface ExchangeRecorder {
  /** What the bodies of exchanges under way hold, in bytes. */
  openBytes: number
  /** How many more bytes of bodies may be recorded at present. */
  bodyAllowance: number
  /** Milliseconds on a monotonic clock. */
  readonly now: () => number
  /** What to add to `now` for milliseconds since 1970. */
  readonly origin: number
  readonly onEnd: (exchange: ObservedExchange) => void
}

/** How much of a body is recorded, in bytes. */
const maxBodyBytes = 256 * 1024

/** How much of the bodies of all exchanges under way is, in bytes. */
const maxOpenBytes = 16 * 1024 * 1024

/** Begins to record; the exchange to go on with. */
export const observe = (
  exchange: Exchange,
  number: number,
  recorder: ExchangeRecorder
): readonly [observed: ObservedExchange, exchange: Exchange] => {
  const { request, response, upgrade } = exchange
  const observed = new ObservedExchange(number, request, recorder)
  response.tap(observed)
  if (upgrade === undefined) {
    if (!HttpBody.isPresent(request)) return [observed, exchange]
    return [observed, { request: tap(request, (chunk) => observed.onSent(chunk), nothing), response, upgrade }]
  }
  const onSwitched: typeof upgrade.onSwitched = (upstream, rawHeaders) => {
    upgrade.onSwitched?.(upstream, rawHeaders)
    observed.onSwitched(rawHeaders.map((bytes) => bytes.toString("latin1")))
  }
  return [observed, { request, response, upgrade: { ...upgrade, onSwitched } }]
}

/** One is made for each request, and is its own tap. It keeps neither the request nor the response alive. */
export class ObservedExchange implements ResponseTap, Linked {
  readonly startedAt: number
  previous: Linked | undefined
  next: Linked | undefined
  #ended = false
  #durationMillis: number | undefined
  #waitMillis: number | undefined
  #status: number | undefined
  #responseHeaders: HeaderList = []
  #failure: string | undefined
  #answerers: Array<Answerer> = []
  readonly #sent: Body = { chunks: [], kept: 0, size: 0 }
  readonly #answered: Body = { chunks: [], kept: 0, size: 0 }
  readonly #method: string
  readonly #target: string
  readonly #httpVersion: string
  readonly #requestHeaders: ReadonlyArray<string>
  readonly #client: string

  constructor(
    readonly number: number,
    { httpVersion, method, rawHeaders, socket, url }: IncomingMessage,
    private readonly recorder: ExchangeRecorder
  ) {
    this.startedAt = recorder.now()
    this.#method = method ?? ""
    this.#target = url ?? ""
    this.#httpVersion = httpVersion
    this.#requestHeaders = rawHeaders
    this.#client = `${socket.remoteAddress ?? ""}:${socket.remotePort ?? ""}`
  }

  onAnswerer(answerer: Answerer): void {
    if (this.#answerers.length < maxAnswerers) this.#answerers.push(answerer)
  }

  onHead(status: number, headers: HeaderList): void {
    this.#status = status
    this.#responseHeaders = headers
    this.#waitMillis = rounded(this.recorder.now() - this.startedAt)
  }

  onBody(bytes: Buffer): boolean {
    this.#keep(this.#answered, bytes)
    return true
  }

  onEnd(): boolean {
    this.end(undefined)
    return true
  }

  onClosed(): void {
    this.end("the connection closed before the answer was complete")
  }

  onSent(bytes: Buffer): void {
    this.#keep(this.#sent, bytes)
  }

  onSwitched(rawHeaders: ReadonlyArray<string>): void {
    this.onHead(101, pairsOf(rawHeaders))
    this.end(undefined)
  }

  end(failure: string | undefined): void {
    if (this.#ended) return
    this.#ended = true
    this.#failure = failure
    this.#durationMillis = rounded(this.recorder.now() - this.startedAt)
    // From here on its bodies count in the log.
    this.recorder.openBytes -= this.keptBytes
    this.recorder.onEnd(this)
  }

  /** The bytes that are kept of its bodies. */
  get keptBytes(): number {
    return this.#sent.kept + this.#answered.kept
  }

  record(): FlatExchange {
    return {
      _tag: "Exchange",
      number: this.number,
      startedAt: rounded(this.startedAt + this.recorder.origin),
      durationMillis: this.#durationMillis,
      waitMillis: this.#waitMillis,
      method: this.#method,
      target: this.#target,
      httpVersion: this.#httpVersion,
      client: this.#client,
      requestHeaders: this.#requestHeaders,
      requestBody: bodyOf(this.#sent),
      status: this.#status,
      responseHeaders: this.#responseHeaders.flat(),
      responseBody: bodyOf(this.#answered),
      answerers: this.#answerers,
      failure: this.#failure
    }
  }

  #keep(body: Body, bytes: Buffer): void {
    const isWhole = body.kept === body.size
    body.size += bytes.length
    // What was left out once is followed by nothing.
    if (!isWhole || this.#ended || bytes.length === 0) return
    const { bodyAllowance, openBytes } = this.recorder
    const room = Math.min(maxBodyBytes - body.kept, maxOpenBytes - openBytes, bodyAllowance)
    if (room <= 0) return
    // A copy: the chunk's memory may be used again.
    const copy = Buffer.from(bytes.subarray(0, room))
    body.chunks.push(copy)
    body.kept += copy.length
    this.recorder.openBytes += copy.length
    this.recorder.bodyAllowance -= copy.length
  }
}

interface Body {
  chunks: Array<Buffer>
  /** How much of it was recorded, and how much there was, in bytes. */
  kept: number
  size: number
}

const bodyOf = ({ chunks, kept, size }: Body): BodyRecord =>
  BodyBytes.toRecord(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, kept), size)

/** How many are named: an exchange may try very many instances. */
const maxAnswerers = 8

/** To microseconds: more digits are slow to print. */
const rounded = (millis: number): number => Math.round(millis * 1000) / 1000

const nothing = () => {}
