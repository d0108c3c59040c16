/**
 * A request whose body was looked at before it went on.
 *
 * @since 0.1.0
 */
import type { IncomingMessage } from "node:http"
import { Readable } from "node:stream"
import * as HttpBody from "../http/HttpBody.js"

/**
 * Stands for the request from which the beginning of the body was taken: gives that beginning first, then the rest as it
 * comes.
 *
 * @since 0.1.0
 * @category models
 */
export class ReplayedRequest extends Readable {
  readonly #source: IncomingMessage
  /** The beginning of the body. */
  readonly beginning: Buffer
  /** Whether the beginning is the whole body. */
  readonly isWhole: boolean
  #state: "untouched" | "replayed" | "relaying" = "untouched"

  constructor(source: IncomingMessage, beginning: Buffer, isWhole: boolean) {
    super()
    this.#source = source
    this.beginning = beginning
    this.isWhole = isWhole
    source.once("close", () => {
      if (!isWhole && !source.complete) this.destroy()
    })
    for (const name of FIELDS) Object.defineProperty(this, name, { get: () => source[name], configurable: true })
  }

  override _read(): void {
    if (this.#state === "untouched") {
      this.#state = "replayed"
      if (this.beginning.length > 0) this.push(this.beginning)
      if (this.isWhole) this.push(null)
      if (this.isWhole || this.beginning.length > 0) return
    }
    if (this.isWhole) return
    if (this.#state === "replayed") {
      this.#state = "relaying"
      this.#source.on("data", (chunk: Buffer) => {
        if (!this.push(chunk)) this.#source.pause()
      })
      this.#source.on("end", () => this.push(null))
    }
    this.#source.resume()
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    // As a request does: what nobody reads is discarded.
    this.#source.resume()
    callback(error)
  }
}

const FIELDS = [
  "method",
  "url",
  "headers",
  "headersDistinct",
  "rawHeaders",
  "trailers",
  "rawTrailers",
  "httpVersion",
  "httpVersionMajor",
  "httpVersionMinor",
  "socket",
  "connection",
  "complete",
  "aborted"
] as const

/**
 * Takes the body, or as much of it as `maxBytes`, and gives a request that still has all of it. A client that goes away
 * meanwhile gets no answer, and `onRead` isn't called.
 *
 * @since 0.1.0
 * @category reading
 */
export const read = (
  request: IncomingMessage,
  maxBytes: number,
  onRead: (replayed: ReplayedRequest & IncomingMessage) => void
): void => {
  if (request instanceof ReplayedRequest) return onRead(request as ReplayedRequest & IncomingMessage)
  const replay = (bytes: Buffer, isWhole: boolean) => {
    request.off("data", onData)
    request.off("end", onEnd)
    onRead(new ReplayedRequest(request, bytes, isWhole) as unknown as ReplayedRequest & IncomingMessage)
  }
  const chunks: Array<Buffer> = []
  let size = 0
  const onData = (chunk: Buffer) => {
    chunks.push(chunk)
    size += chunk.length
    if (size <= maxBytes) return
    request.pause()
    replay(Buffer.concat(chunks, size), false)
  }
  const onEnd = () => replay(Buffer.concat(chunks, size), true)
  if (!HttpBody.isPresent(request)) return replay(HttpBody.EMPTY, true)
  request.on("data", onData)
  request.on("end", onEnd)
}
