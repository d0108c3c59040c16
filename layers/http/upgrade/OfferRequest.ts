/**
 * The body of an upgrade request, which Node's server leaves on the socket.
 *
 * @internal
 */
import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import { tokensOf } from "../HeaderTokens.js"
import { StandInRequest } from "../StandInRequest.js"

/**
 * The request with a body of so many bytes, of which some may have come with its headers.
 *
 * @internal
 */
export class OfferRequest extends StandInRequest {
  readonly #socket: Duplex
  readonly #beginning: Buffer
  #left: number
  #isWanted = false
  #state: "untouched" | "reading" | "whole" = "untouched"

  constructor(source: IncomingMessage, socket: Duplex, length: number, beginning: Buffer) {
    super(source)
    this.#socket = socket
    this.#beginning = beginning
    this.#left = length
    socket.once("close", this.#onClose)
  }

  /** Whether the whole body was read. */
  get complete(): boolean {
    return this.#state === "whole"
  }

  override _read(): void {
    this.#isWanted = true
    if (this.#state === "untouched") {
      this.#state = "reading"
      this.#socket.on("readable", this.#read)
      // The client waits for it before it sends the body (RFC 9110 section 10.1.1).
      if (this.#beginning.length === 0 && tokensOf(this.source.headers.expect).includes("100-continue")) {
        this.#socket.write("HTTP/1.1 100 Continue\r\n\r\n")
      }
      if (this.#beginning.length > 0) this.#take(this.#beginning)
    }
    this.#read()
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#stop()
    callback(error)
  }

  readonly #read = () => {
    while (this.#isWanted && this.#state === "reading") {
      const chunk: Buffer | null = this.#socket.read()
      if (chunk === null) return
      this.#take(chunk)
    }
  }

  readonly #onClose = () => {
    if (this.#state !== "whole") this.destroy()
  }

  #take(chunk: Buffer): void {
    const own = chunk.subarray(0, this.#left)
    if (own.length < chunk.length) this.#socket.unshift(chunk.subarray(own.length))
    this.#left -= own.length
    this.#isWanted = this.push(own)
    if (this.#left > 0) return
    this.#state = "whole"
    this.#stop()
    this.push(null)
  }

  #stop(): void {
    this.#socket.off("readable", this.#read)
    this.#socket.off("close", this.#onClose)
  }
}
