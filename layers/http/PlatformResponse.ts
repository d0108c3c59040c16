/**
 * Sends a platform `HttpServerResponse`: every kind of body, headers, cookies and status. Loaded with the first one.
 *
 * @since 0.1.0
 */

import type { OutgoingHttpHeaders, ServerResponse } from "node:http"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import type { ReadableStream as WebReadableStream } from "node:stream/web"
import { toSetCookieHeaders } from "@effect/platform/Cookies"
import type { HttpServerResponse } from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/**
 * Sends the answer; succeeds once it is handed to the connection. Interruption leaves the rest unsent.
 *
 * @since 0.1.0
 * @category answering
 */
export const send = (
  response: ServerResponse,
  answer: HttpServerResponse,
  isHead: boolean
): Effect.Effect<void, unknown> =>
  Effect.suspend(() => {
    const headers = headersOf(answer)
    const body = answer.body
    switch (body._tag) {
      case "Empty":
        return sendBytes(response, answer, headers, undefined)
      case "Uint8Array":
        return sendBytes(response, answer, headers, body.body)
      case "Raw":
        return sendRaw(response, answer, headers, body.body, isHead)
      case "FormData": {
        const encoded = new Response(body.formData)
        for (const [name, value] of encoded.headers) headers[name] = value
        return sendReadable(response, answer, headers, Readable.fromWeb(encoded.body as WebReadableStream), isHead)
      }
      case "Stream": {
        begin(response, answer, headers)
        if (isHead) return end(response)
        return sendStream(response, body.stream)
      }
    }
  })

const headersOf = (answer: HttpServerResponse): OutgoingHttpHeaders => {
  const headers: OutgoingHttpHeaders = { ...answer.headers }
  const cookies = toSetCookieHeaders(answer.cookies)
  if (cookies.length > 0) {
    const own = headers["set-cookie"]
    headers["set-cookie"] = own === undefined ? cookies : [...cookies, String(own)]
  }
  return headers
}

const begin = (response: ServerResponse, answer: HttpServerResponse, headers: OutgoingHttpHeaders) => {
  if (answer.statusText === undefined) response.writeHead(answer.status, headers)
  else response.writeHead(answer.status, answer.statusText, headers)
}

const end = (response: ServerResponse) =>
  Effect.sync(() => {
    response.end()
  })

const sendBytes = (
  response: ServerResponse,
  answer: HttpServerResponse,
  headers: OutgoingHttpHeaders,
  bytes: string | Uint8Array | undefined
) =>
  Effect.sync(() => {
    if (
      headers["content-length"] === undefined &&
      answer.status >= 200 &&
      answer.status !== 204 &&
      answer.status !== 304
    ) {
      headers["content-length"] = bytes === undefined ? 0 : Buffer.byteLength(bytes)
    }
    begin(response, answer, headers)
    response.end(bytes)
  })

const sendRaw = (
  response: ServerResponse,
  answer: HttpServerResponse,
  headers: OutgoingHttpHeaders,
  body: unknown,
  isHead: boolean
): Effect.Effect<void, unknown> => {
  if (body === undefined || body === null) return sendBytes(response, answer, headers, undefined)
  if (typeof body === "string" || body instanceof Uint8Array) return sendBytes(response, answer, headers, body)
  if (body instanceof ArrayBuffer) return sendBytes(response, answer, headers, new Uint8Array(body))
  if (body instanceof Readable) return sendReadable(response, answer, headers, body, isHead)
  if (body instanceof ReadableStream) {
    return sendReadable(response, answer, headers, Readable.fromWeb(body as WebReadableStream), isHead)
  }
  if (body instanceof Blob) {
    return sendReadable(response, answer, headers, Readable.fromWeb(body.stream() as WebReadableStream), isHead)
  }
  return Effect.fail(
    new TypeError(
      `a raw body of type ${Object.prototype.toString.call(body)} can't be sent; a string, bytes or a stream can`
    )
  )
}

const sendReadable = (
  response: ServerResponse,
  answer: HttpServerResponse,
  headers: OutgoingHttpHeaders,
  readable: Readable,
  isHead: boolean
) => {
  begin(response, answer, headers)
  if (isHead) {
    readable.destroy()
    return end(response)
  }
  response.flushHeaders()
  return Effect.tryPromise({ try: (signal) => pipeline(readable, response, { signal }), catch: (error) => error })
}

const sendStream = (response: ServerResponse, stream: Stream.Stream<Uint8Array, unknown>) => {
  response.flushHeaders()
  return Effect.zipRight(
    Stream.runForEach(stream, (chunk) =>
      Effect.suspend(() => (chunk.length === 0 || response.write(chunk) ? Effect.void : drained(response)))
    ),
    end(response)
  )
}

const drained = (response: ServerResponse) =>
  Effect.async<void>((resume) => {
    const onDrain = () => resume(Effect.void)
    response.once("drain", onDrain)
    return Effect.sync(() => {
      response.off("drain", onDrain)
    })
  })
