/**
 * Sends a response with a body of any kind, framed by what the body really is.
 *
 * @internal
 */
import type { OutgoingHttpHeaders } from "node:http"
import type { Readable } from "node:stream"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import type { GatewayResponse } from "./GatewayResponse.js"
import { tokensOf } from "./HeaderTokens.js"
import { sendError } from "./JsonResponse.js"
import { checked, Thrown } from "./SafeReadable.js"

/**
 * @internal
 */
export interface Head {
  readonly status: number
  readonly statusText?: string | undefined
  /** Names in lower case. */
  readonly headers: OutgoingHttpHeaders
}

/**
 * The content-length sent is that of the bytes, whatever the head has. A status that has no content sends none of them.
 *
 * @internal
 */
export const sendBytes = (
  response: GatewayResponse,
  head: Head,
  bytes: string | Uint8Array | undefined
): Effect.Effect<void, unknown> =>
  Effect.try({
    try: () => {
      const length = bytes === undefined || isWithoutContent(head.status) ? 0 : Buffer.byteLength(bytes)
      if (response.memory?.hold(response, length) === false) return sendError(response, 503, response.memory.issue)
      const headers = ofMessage(response, head)
      // An empty answer to a HEAD, and a 304, may tell the length of the body that a GET would have.
      const mayTell = head.status === 304 || (response.req.method === "HEAD" && length === 0)
      if (mayTell && isLength(head.headers["content-length"])) {
        headers["content-length"] = head.headers["content-length"]
      } else if (head.status !== 204 && head.status !== 304) headers["content-length"] = length
      writeHead(response, head, headers)
      response.end(length === 0 ? undefined : bytes)
    },
    catch: (error) => error
  })

/**
 * Succeeds once all is handed to the connection. Fails where the readable does, or gives another length than the head
 * says. Interruption destroys it.
 *
 * @internal
 */
export const sendReadable = (response: GatewayResponse, head: Head, readable: Readable): Effect.Effect<void, unknown> =>
  Effect.async((resume) => {
    let length: BodyLength
    const fail = (error: unknown) => {
      readable.destroy()
      // Effect.fail looks into the error, which throws for some.
      resume(Exit.fail(error instanceof Thrown ? error.reason : error))
    }
    readable.on("error", fail)
    try {
      length = begin(response, head)
    } catch (error) {
      fail(error)
      return
    }
    if (!hasBody(response, head)) {
      readable.destroy()
      response.end()
      resume(Effect.void)
      return
    }
    const onDrain = () => readable.resume()
    const onData = (chunk: unknown) => {
      try {
        if (!response.write(length.count(chunk))) readable.pause()
      } catch (error) {
        fail(error)
      }
    }
    const onEnd = () => {
      const missing = length.missing()
      if (missing !== undefined) return fail(missing)
      response.end()
      resume(Effect.void)
    }
    const onClose = () => fail(new Error("The body was closed before its end"))
    const stop = () => {
      response.off("drain", onDrain)
      readable.off("data", onData).off("end", onEnd).off("close", onClose)
    }
    response.flushHeaders()
    response.on("drain", onDrain)
    readable.on("data", onData).on("end", onEnd).on("close", onClose)
    return Effect.sync(() => {
      stop()
      readable.destroy()
    })
  })

/**
 * As {@link sendReadable}.
 *
 * @internal
 */
export const sendStream = (
  response: GatewayResponse,
  head: Head,
  stream: Stream.Stream<unknown, unknown>
): Effect.Effect<void, unknown> =>
  Effect.flatMap(
    Effect.try({ try: () => begin(response, head), catch: (error) => error }),
    (length): Effect.Effect<void, unknown> => {
      const end = Effect.sync(() => {
        response.end()
      })
      if (!hasBody(response, head)) return end
      response.flushHeaders()
      const write = (chunk: unknown) =>
        Effect.flatMap(
          Effect.try({ try: () => response.write(length.count(chunk)), catch: (error) => error }),
          (more) => (more ? Effect.void : drained(response))
        )
      return Stream.runForEach(stream, write).pipe(
        Effect.zipRight(Effect.suspend(() => Effect.mapError(failWith(length.missing()), (error) => error))),
        Effect.zipRight(end)
      )
    }
  )

const failWith = (error: Error | undefined): Effect.Effect<void, Error> =>
  error === undefined ? Effect.void : Effect.fail(error)

const begin = (response: GatewayResponse, head: Head): BodyLength => {
  const headers = ofMessage(response, head)
  const announced = head.headers["content-length"]
  if (head.status === 205) headers["content-length"] = 0
  else if (isLength(announced) && head.status !== 204) headers["content-length"] = announced
  writeHead(response, head, headers)
  return new BodyLength(isLength(announced) ? Number(announced) : undefined)
}

const writeHead = (response: GatewayResponse, head: Head, headers: OutgoingHttpHeaders): void => {
  if (head.statusText === undefined) response.writeHead(head.status, headers)
  else response.writeHead(head.status, head.statusText, headers)
}

/** The server alone decides how a message is framed, and what its connection is for (RFC 9110 section 7.6.1). */
const ofMessage = (response: GatewayResponse, head: Head): OutgoingHttpHeaders => {
  const headers = { ...head.headers }
  const { connection } = headers
  for (const name of FRAMING) delete headers[name]
  if (connection === undefined && headers.upgrade === undefined) return headers
  const options = tokensOf(String(connection ?? ""))
  const closes = options.includes("close") || !response.shouldKeepAlive
  // What the server would take as well (RFC 9110 section 7.8), with a 426 say.
  const offers = headers.upgrade !== undefined
  const kept = [...(offers ? ["upgrade"] : []), ...(closes ? ["close"] : [])]
  return kept.length === 0 ? headers : { ...headers, connection: kept.join(", ") }
}

const FRAMING = [
  "connection",
  "content-length",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding"
] as const

const isLength = (value: unknown): value is string | number => /^\d+$/.test(String(value))

const hasBody = (response: GatewayResponse, { status }: Head): boolean =>
  response.req.method !== "HEAD" && !isWithoutContent(status)

/** RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5. */
const isWithoutContent = (status: number): boolean => status === 204 || status === 205 || status === 304

/** Holds a body to the length that its head has announced: the client reads just so much, and waits for what is missing. */
class BodyLength {
  readonly #announced: number | undefined
  #given = 0

  constructor(announced: number | undefined) {
    this.#announced = announced
  }

  /** The chunk, counted. Throws where it is none, or one too many. */
  count(chunk: unknown): string | Uint8Array {
    const part = checked(chunk)
    this.#given += Buffer.byteLength(part)
    if (this.#announced !== undefined && this.#given > this.#announced) throw this.#mismatch()
    return part
  }

  missing(): Error | undefined {
    return this.#announced !== undefined && this.#given < this.#announced ? this.#mismatch() : undefined
  }

  #mismatch(): Error {
    return new RangeError(`the content-length is ${this.#announced}, and the body has ${this.#given} bytes`)
  }
}

const drained = (response: GatewayResponse) =>
  Effect.async<void>((resume) => {
    // The client may have read while the fiber had yielded.
    if (!response.writableNeedDrain && !response.destroyed) return resume(Effect.void)
    const onDrain = () => resume(Effect.void)
    response.once("drain", onDrain)
    return Effect.sync(() => {
      response.off("drain", onDrain)
    })
  })
