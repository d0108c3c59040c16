/**
 * A request's body on its way to an upstream.
 *
 * @internal
 */
import type { IncomingMessage } from "node:http"
import { Readable } from "node:stream"

/**
 * Reads a request on demand. The dispatcher destroys the body it is given when an upstream fails; were that the request
 * itself, the client couldn't be answered any more. Once destroyed, the rest of the request is discarded.
 *
 * @internal
 */
export class RequestBody extends Readable {
  readonly #request: IncomingMessage
  #reading = false

  constructor(request: IncomingMessage) {
    super()
    this.#request = request
    // The dispatcher listens only while it sends.
    this.on("error", () => {})
  }

  /** Whether nothing was read of it yet, so that it can still be sent elsewhere. */
  get isUntouched(): boolean {
    return !this.#reading && !this.destroyed
  }

  override _read(): void {
    if (this.#reading) {
      this.#request.resume()
      return
    }
    this.#reading = true
    this.#request.on("data", this.#onData)
    this.#request.on("end", this.#onEnd)
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#request.off("data", this.#onData)
    this.#request.off("end", this.#onEnd)
    this.#request.resume()
    callback(error)
  }

  readonly #onData = (chunk: Buffer) => {
    if (!this.push(chunk)) this.#request.pause()
  }

  readonly #onEnd = () => {
    this.push(null)
  }
}
