/**
 * An exchange that is recorded for the inspector. What passes isn't changed.
 *
 * @internal
 */
import { isUtf8 } from "node:buffer"
import type { Answerer, ResponseTap } from "../http/GatewayResponse.js"
import * as HttpBody from "../http/HttpBody.js"
import type { Exchange } from "../http/NodeHttpGateway.js"
import { tap } from "../http/StandInRequest.js"
import { RecordedBody } from "../interception/RecordedBody.js"
import type { RecordingBudget } from "../interception/RecordingBudget.js"
import type { BodyRecord, ExchangeRecord, HeaderList } from "./InspectorProtocol.js"

export interface ExchangeRecorder {
  readonly budget: RecordingBudget
  /** Milliseconds on a monotonic clock. */
  readonly now: () => number
  /** What to add to `now` for milliseconds since 1970. */
  readonly origin: number
  readonly onEnd: (exchange: ObservedExchange) => void
}

/** How much of a body is recorded, in bytes. */
const maxBodyBytes = 256 * 1024

/** One is made for each request, and is its own tap. */
export class ObservedExchange implements ResponseTap {
  /** The exchange to go on with. */
  readonly exchange: Exchange
  readonly startedAt: number
  /** Whether it was shown while it was under way. */
  isShown = false
  #ended = false
  #durationMillis: number | undefined
  #waitMillis: number | undefined
  #status: number | undefined
  #responseHeaders: HeaderList = []
  #failure: string | undefined
  #answerers: Array<Answerer> = []
  #sent: RecordedBody | undefined
  #sentBytes = 0
  #answered: RecordedBody | undefined
  #answeredBytes = 0
  readonly #client: string

  constructor(
    readonly number: number,
    exchange: Exchange,
    private readonly recorder: ExchangeRecorder
  ) {
    const { request, response, upgrade } = exchange
    this.startedAt = recorder.now()
    this.#client = `${request.socket.remoteAddress ?? ""}:${request.socket.remotePort ?? ""}`
    response.tap(this)
    response.once("close", () => this.#end("the connection closed before the answer was complete"))
    this.exchange =
      upgrade === undefined && !HttpBody.isPresent(request)
        ? exchange
        : {
            request: upgrade === undefined ? tap(request, (chunk) => this.#onSent(chunk), nothing) : request,
            response,
            upgrade: upgrade && {
              ...upgrade,
              onSwitched: (upstream, rawHeaders) => {
                upgrade.onSwitched?.(upstream, rawHeaders)
                this.onHead(101, pairsOf(rawHeaders.map((bytes) => bytes.toString("latin1"))))
                this.#end(undefined)
              }
            }
          }
  }

  onAnswerer(answerer: Answerer): void {
    if (this.#answerers.length < maxAnswerers) this.#answerers.push(answerer)
  }

  onHead(status: number, headers: HeaderList): void {
    this.#status = status
    this.#responseHeaders = headers
    this.#waitMillis = this.recorder.now() - this.startedAt
  }

  onBody(bytes: Buffer): boolean {
    this.#answeredBytes += bytes.length
    this.#answered ??= new RecordedBody(maxBodyBytes, this.recorder.budget)
    this.#answered.add(bytes)
    return true
  }

  onEnd(): boolean {
    this.#end(undefined)
    return true
  }

  /** What the record takes in memory, about, in bytes. */
  get size(): number {
    return 1024 + this.#bodySize + this.#headSize
  }

  record(): ExchangeRecord {
    const { request } = this.exchange
    return {
      _tag: "Exchange",
      number: this.number,
      startedAt: this.startedAt + this.recorder.origin,
      durationMillis: this.#durationMillis,
      waitMillis: this.#waitMillis,
      method: request.method ?? "",
      target: request.url ?? "",
      httpVersion: request.httpVersion,
      client: this.#client,
      requestHeaders: pairsOf(request.rawHeaders),
      requestBody: bodyOf(this.#sent, this.#sentBytes),
      status: this.#status,
      responseHeaders: this.#responseHeaders,
      responseBody: bodyOf(this.#answered, this.#answeredBytes),
      answerers: this.#answerers,
      failure: this.#failure
    }
  }

  #onSent(chunk: Buffer): void {
    this.#sentBytes += chunk.length
    this.#sent ??= new RecordedBody(maxBodyBytes, this.recorder.budget)
    this.#sent.add(chunk)
  }

  #end(failure: string | undefined): void {
    if (this.#ended) return
    this.#ended = true
    this.#failure = failure
    this.#durationMillis = this.recorder.now() - this.startedAt
    // From here on its size counts in the log.
    const bodies = { size: this.#bodySize, drop: () => {} }
    this.recorder.budget.add(bodies)
    this.recorder.budget.release(bodies)
    this.recorder.onEnd(this)
  }

  get #bodySize(): number {
    return (this.#sent?.size ?? 0) + (this.#answered?.size ?? 0)
  }

  get #headSize(): number {
    let length = this.exchange.request.url?.length ?? 0
    for (const part of this.exchange.request.rawHeaders) length += part.length
    for (const [name, value] of this.#responseHeaders) length += name.length + value.length
    return length
  }
}

const bodyOf = (body: RecordedBody | undefined, size: number): BodyRecord => {
  if (body === undefined || body.size === 0) return { size }
  const bytes = body.bytes()
  // A text that is cut within a character is shown as text all the same.
  const text = bytes.length < size ? withoutCutCharacter(bytes) : bytes
  return isUtf8(text) ? { text: text.toString("utf8"), size } : { base64: bytes.toString("base64"), size }
}

/** Without the bytes of a character of which the last ones are missing. */
const withoutCutCharacter = (bytes: Buffer): Buffer => {
  let start = bytes.length - 1
  while (start > bytes.length - 4 && start > 0 && ((bytes[start] as number) & 0xc0) === 0x80) start--
  return bytes.subarray(0, (bytes[start] as number) >= 0xc0 ? start : bytes.length)
}

const pairsOf = (raw: ReadonlyArray<string>): HeaderList => {
  const pairs: Array<readonly [string, string]> = []
  for (let i = 0; i + 1 < raw.length; i += 2) pairs.push([raw[i] as string, raw[i + 1] as string])
  return pairs
}

/** How many are named: an exchange may try very many instances. */
const maxAnswerers = 8

const nothing = () => {}
