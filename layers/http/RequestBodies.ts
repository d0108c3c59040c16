/**
 * The bodies of requests to routes, read whole: with limits of size, of all bodies together, and of idle time.
 *
 * @internal
 */
import type { IncomingMessage } from "node:http"
import type { Deadlines, Expiring } from "../../src/internal/Deadlines.js"

/**
 * @internal
 */
export interface BodyLimits {
  /** Of one body, in bytes. */
  readonly maxBodyBytes: number
  /** Of all bodies that are being read or that a running handler has, in bytes. */
  readonly maxTotalBodyBytes: number
  /** How long a body may go without another byte, in milliseconds. */
  readonly bodyIdleMillis: number
}

/**
 * What becomes of a body: exactly one of these is called.
 *
 * @internal
 */
export interface BodyReader {
  /** The whole body; `release` is called when it is no longer held. */
  readonly onBytes: (bytes: Buffer, release: () => void) => void
  /** It is over a limit, and nothing of it is kept. */
  readonly onRefused: (status: number, message: string) => void
  /** The client disconnected before its end. */
  readonly onAborted: () => void
}

/**
 * The bodies of one gateway.
 *
 * @internal
 */
export class RequestBodies {
  readonly #limits: BodyLimits
  readonly #deadlines: Deadlines
  #held = 0

  constructor(limits: BodyLimits, deadlines: Deadlines) {
    this.#limits = limits
    this.#deadlines = deadlines
  }

  /** Reads the body. A content-length over the limit is refused before anything is read. */
  read(request: IncomingMessage, reader: BodyReader): void {
    const { maxBodyBytes } = this.#limits
    const tooLarge = () =>
      reader.onRefused(
        413,
        `The body is over the limit of ${maxBodyBytes} bytes. Send less, or raise the server's { maxBodyBytes }.`
      )
    if (Number(request.headers["content-length"] ?? 0) > maxBodyBytes) return tooLarge()
    this.#collect(request, maxBodyBytes, reader, (_, release) => {
      release()
      tooLarge()
    })
  }

  /** Reads the body, or the first of more than `maxBytes` of it: then the rest is still to be read from the request. */
  readBeginning(
    request: IncomingMessage,
    maxBytes: number,
    reader: Omit<BodyReader, "onBytes"> & {
      readonly onBytes: (bytes: Buffer, isWhole: boolean, release: () => void) => void
    }
  ): void {
    const { onBytes, ...rest } = reader
    this.#collect(
      request,
      maxBytes,
      { ...rest, onBytes: (bytes, release) => onBytes(bytes, true, release) },
      (chunks, release) => {
        request.pause()
        onBytes(Buffer.concat(chunks), false, release)
      }
    )
  }

  /** `onMore` is called in place of the reader once the body is larger. */
  #collect(
    request: IncomingMessage,
    maxBytes: number,
    reader: BodyReader,
    onMore: (chunks: ReadonlyArray<Buffer>, release: () => void) => void
  ): void {
    const { bodyIdleMillis, maxTotalBodyBytes } = this.#limits
    let size = 0
    let chunks: Array<Buffer> = []
    const onData = (chunk: Buffer) => {
      size += chunk.length
      this.#held += chunk.length
      if (this.#held > maxTotalBodyBytes) {
        drop()
        return reader.onRefused(
          503,
          `The server holds ${maxTotalBodyBytes} bytes of request bodies, its limit. Send it again later, or raise the server's { maxTotalBodyBytes }.`
        )
      }
      chunks.push(chunk)
      if (size > maxBytes) {
        stop()
        return onMore(chunks, release)
      }
      this.#deadlines.add(idle)
    }
    const onEnd = () => {
      stop()
      const bytes = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size)
      chunks = []
      reader.onBytes(bytes, release)
    }
    const onClose = () => {
      drop()
      reader.onAborted()
    }
    const idle: Expiring = {
      dueAt: Number.POSITIVE_INFINITY,
      millis: bodyIdleMillis,
      onDeadline: () => {
        drop()
        reader.onRefused(
          408,
          `The rest of the body didn't come within ${bodyIdleMillis} ms. Send it without a pause, or raise the server's { bodyIdleTimeout }.`
        )
      }
    }
    const stop = () => {
      this.#deadlines.remove(idle)
      request.off("data", onData)
      request.off("end", onEnd)
      request.off("close", onClose)
    }
    const release = () => {
      this.#held -= size
      size = 0
    }
    const drop = () => {
      stop()
      chunks = []
      release()
    }
    this.#deadlines.add(idle)
    request.on("data", onData)
    request.on("end", onEnd)
    request.on("close", onClose)
  }
}
