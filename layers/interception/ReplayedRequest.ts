/**
 * A request whose body was read for matching before it was passed on.
 */
import type { IncomingMessage } from "node:http"
import * as HttpBody from "../http/HttpBody.js"
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

/**
 * Reads up to `maxBytes` of the body, and gives a request that still has all of it. Where the client disconnects
 * meanwhile, `onRead` isn't called.
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
