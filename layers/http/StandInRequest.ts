/**
 * Requests whose body is read from elsewhere than the message itself.
 *
 * @internal
 */
import type { IncomingMessage } from "node:http"
import { Readable } from "node:stream"

/**
 * Has everything of the source but its body: that is what the subclass reads. Once destroyed, it discards the rest.
 *
 * @internal
 */
export abstract class StandInRequest extends Readable {
  protected readonly source: IncomingMessage

  constructor(source: IncomingMessage) {
    super()
    this.source = source
  }

  /** For what takes an `IncomingMessage`, of which it has all that the gateway uses. */
  get asMessage(): IncomingMessage {
    return this as unknown as IncomingMessage
  }
}

for (const name of [
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
] as const) {
  Object.defineProperty(StandInRequest.prototype, name, {
    get(this: { readonly source: IncomingMessage }) {
      return this.source[name]
    },
    configurable: true
  })
}

/**
 * The request itself, whose body is shown to `onData` as it is read; `onEnd` is called once all of it was.
 *
 * @internal
 */
export const tap = (request: IncomingMessage, onData: (chunk: Buffer) => void, onEnd: () => void): IncomingMessage =>
  new TappedRequest(request, onData, onEnd).asMessage

class TappedRequest extends StandInRequest {
  readonly #onData: (chunk: Buffer) => void
  readonly #onEnd: () => void
  #reading = false

  constructor(source: IncomingMessage, onData: (chunk: Buffer) => void, onEnd: () => void) {
    super(source)
    this.#onData = onData
    this.#onEnd = onEnd
    source.once("close", () => {
      if (!source.complete) this.destroy()
    })
  }

  override _read(): void {
    if (!this.#reading) {
      this.#reading = true
      this.source.on("data", (chunk: Buffer) => {
        this.#onData(chunk)
        if (!this.push(chunk) && !this.destroyed) this.source.pause()
      })
      this.source.on("end", () => {
        this.#onEnd()
        this.push(null)
      })
    }
    this.source.resume()
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.source.resume()
    callback(error)
  }
}
