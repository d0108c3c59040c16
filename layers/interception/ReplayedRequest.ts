/**
 * A request whose body was read for matching before it was passed on.
 *
 * @internal
 */
import type { IncomingMessage } from "node:http"
import type { Exchange } from "../http/Exchange.js"
import * as HttpBody from "../http/HttpBody.js"
import type { RequestBodies } from "../http/RequestBodies.js"
import { StandInRequest } from "../http/StandInRequest.js"

/**
 * Stands in for a request whose body was read in part: gives that part first, then the rest as it arrives.
 */
export class ReplayedRequest extends StandInRequest {
  /** The part that was read. */
  readonly beginning: Buffer
  /** Whether that is the whole body. */
  readonly isWhole: boolean
  #state: "untouched" | "replayed" | "relaying" = "untouched"

  constructor(source: IncomingMessage, beginning: Buffer, isWhole: boolean) {
    super(source)
    this.beginning = beginning
    this.isWhole = isWhole
    source.once("close", () => {
      if (!isWhole && !source.complete) this.destroy()
    })
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
      this.source.on("data", (chunk: Buffer) => {
        if (!this.push(chunk)) this.source.pause()
      })
      this.source.on("end", () => this.push(null))
    }
    this.source.resume()
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    // As a request does: discards what isn't read.
    this.source.resume()
    callback(error)
  }
}

/** Where bodies are read, and what is told of those that can't be. */
export interface Reading {
  readonly bodies: RequestBodies
  /** Of each body, in bytes. */
  readonly maxBytes: number
  readonly onRefused: (status: number, message: string) => void
}

/**
 * Reads the beginning of the body, and gives a request that still has all of it. Where the client disconnects meanwhile,
 * `onRead` isn't called. What was read counts among the gateway's bodies until the response has closed.
 */
export const read = (
  { request, response }: Exchange,
  { bodies, maxBytes, onRefused }: Reading,
  onRead: (replayed: ReplayedRequest & IncomingMessage) => void
): void => {
  if (request instanceof ReplayedRequest) return onRead(request as ReplayedRequest & IncomingMessage)
  const replay = (bytes: Buffer, isWhole: boolean) =>
    onRead(new ReplayedRequest(request, bytes, isWhole) as unknown as ReplayedRequest & IncomingMessage)
  if (!HttpBody.isPresent(request)) return replay(HttpBody.EMPTY, true)
  bodies.readBeginning(request, maxBytes, {
    onBytes: (bytes, isWhole, release) => {
      response.once("close", release)
      replay(bytes, isWhole)
    },
    onRefused,
    onAborted: () => {}
  })
}
