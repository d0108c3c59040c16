/**
 * Answers in JSON: the gateway's own, and a handler's plain values.
 *
 * @internal
 */

import type { IncomingMessage } from "node:http"
import { clearTimeout, setTimeout } from "node:timers"
import * as EndOfTurn from "./EndOfTurn.js"
import type { GatewayResponse } from "./GatewayResponse.js"

/**
 * Answers 200 with the value in JSON, or an empty 200 for `undefined`. Throws, with nothing sent, when the value has no
 * JSON.
 *
 * @internal
 */
export const sendValue = (response: GatewayResponse, value: unknown): void => {
  if (value === undefined) {
    response.writeHead(200, EMPTY_HEADERS)
    response.end()
    return
  }
  const text: string | undefined = JSON.stringify(value)
  // A Map or an Error would be sent as an empty object, without a word that its values are lost.
  if (text === undefined || (text === "{}" && !isPlainObject(value))) {
    throw new TypeError(
      `${nameOf(value)} has no JSON; a handler gives a plain value, bytes, a stream, a Response or an HttpServerResponse`
    )
  }
  sendJson(response, 200, text)
}

/**
 * Answers `{"error": message}`; a response already begun is cut off instead, so that the client doesn't take it for complete.
 * Never throws.
 *
 * @internal
 */
export const sendError = (response: GatewayResponse, status: number, message: string): void => {
  if (response.headersSent) {
    response.destroy()
    return
  }
  response.discardHead()
  sendJson(response, status, JSON.stringify({ error: message }))
}

/**
 * Answers `{"error": message}` while the client may still be sending its body, and closes the connection. What comes is
 * discarded for a while: closing at once would reset the connection under the answer (RFC 9112 section 9.6). Until then the
 * response is in `lingering`, for an owner that closes earlier to destroy.
 *
 * @internal
 */
export const sendErrorEarly = (
  request: IncomingMessage,
  response: GatewayResponse,
  status: number,
  message: string,
  lingering: Set<GatewayResponse>
): void => {
  if (request.complete || response.headersSent || response.destroyed) {
    sendError(response, status, message)
    return
  }
  response.discardHead()
  const text = JSON.stringify({ error: message })
  response.writeHead(status, [...jsonHeaders(text), "connection", "close"])
  response.write(text)
  // If the rest of the request isn't HTTP, Node destroys the socket at once and loses what is corked.
  response.socket?.uncork()
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

const sendJson = (response: GatewayResponse, status: number, text: string) => {
  if (response.memory?.hold(response, text.length) === false) return sendError(response, 503, response.memory.issue)
  response.writeHead(status, jsonHeaders(text))
  EndOfTurn.end(response, text, "utf8")
}

const jsonHeaders = (text: string): Array<string> => [
  "content-type",
  "application/json",
  "content-length",
  String(Buffer.byteLength(text))
]

const isPlainObject = (value: unknown): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** `a Map`, `an Error`, `a function`. */
const nameOf = (value: unknown): string => {
  const name = typeof value === "object" ? Object.prototype.toString.call(value).slice(8, -1) : typeof value
  return `${/^[aeiou]/i.test(name) ? "an" : "a"} ${name}`
}

const EMPTY_HEADERS = ["content-length", "0"]

const LINGER_MILLIS = 5_000
