/**
 * From what a handler gave to the response on the wire.
 *
 * @since 0.1.0
 */

import type { IncomingMessage, ServerResponse } from "node:http"
import type { HttpServerResponse } from "@effect/platform/HttpServerResponse"

/**
 * Whether the value is a platform `HttpServerResponse`: by its type id, as importing the platform costs start-up time.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isServerResponse = (value: unknown): value is HttpServerResponse =>
  typeof value === "object" && value !== null && ServerResponseTypeId in value

/**
 * Answers 200 with the value in JSON, or an empty 200 for `undefined`. Throws, with nothing sent, when the value has no
 * JSON.
 *
 * @since 0.1.0
 * @category answering
 */
export const sendValue = (response: ServerResponse, value: unknown): void => {
  if (value === undefined) {
    response.writeHead(200, EMPTY_HEADERS)
    response.end()
    return
  }
  const text: string | undefined = JSON.stringify(value)
  if (text === undefined) throw new TypeError(`a ${typeof value} has no JSON`)
  sendJson(response, 200, text)
}

/**
 * Answers `{"error": message}`; a response already begun is cut off instead, so that nobody takes it for complete.
 *
 * @since 0.1.0
 * @category answering
 */
export const sendError = (response: ServerResponse, status: number, message: string): void => {
  if (response.headersSent) {
    response.destroy()
    return
  }
  sendJson(response, status, JSON.stringify({ error: message }))
}

/**
 * Answers `{"error": message}` while the client may still be sending its body, and closes the connection. What comes is
 * discarded for a while: closing at once would reset the connection under the answer (RFC 9112 section 9.6). Until then the
 * response is in `lingering`; whoever can't wait destroys it.
 *
 * @since 0.1.0
 * @category answering
 */
export const sendErrorEarly = (
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  message: string,
  lingering: Set<ServerResponse>
): void => {
  if (request.complete || response.headersSent || response.destroyed) {
    sendError(response, status, message)
    return
  }
  const text = JSON.stringify({ error: message })
  response.writeHead(status, [...jsonHeaders(text), "connection", "close"])
  response.write(text)
  const end = () => {
    clearTimeout(timer)
    response.end()
  }
  const timer = setTimeout(end, LINGER_MILLIS).unref()
  request.once("end", end)
  lingering.add(response)
  response.once("close", () => {
    clearTimeout(timer)
    lingering.delete(response)
  })
  request.resume()
}

const sendJson = (response: ServerResponse, status: number, text: string) => {
  response.writeHead(status, jsonHeaders(text))
  response.end(text)
}

const jsonHeaders = (text: string): Array<string> => [
  "content-type",
  "application/json",
  "content-length",
  String(Buffer.byteLength(text))
]

const EMPTY_HEADERS = ["content-length", "0"]

const LINGER_MILLIS = 5_000

const ServerResponseTypeId = Symbol.for("@effect/platform/HttpServerResponse")
