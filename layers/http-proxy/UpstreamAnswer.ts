/**
 * An upstream's answer as Node's HTTP client gives it, made fit to be passed on.
 *
 * @internal
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import * as ForwardedHeaders from "../http/proxy/ForwardedHeaders.js"

/**
 * The headers that the client gets, names and values in turn. Throws where the answer can't be passed on.
 *
 * @internal
 */
export const headersOf = (answer: IncomingMessage, response: ServerResponse): Array<string> => {
  const status = answer.statusCode ?? 0
  if (status < 200) throw new RangeError(`${status} isn't the status of a response`)
  const headers = ForwardedHeaders.ofResponse(bytesOf(answer.rawHeaders), status)
  // Node refuses to announce trailers where it can't send them.
  if (!hasTrailers(answer, response)) ForwardedHeaders.remove(headers, "trailer")
  return headers
}

/**
 * Takes from the answer what concerns its connection only, for http-proxy to copy the rest, and has its trailers passed on.
 *
 * @internal
 */
export const prepare = (answer: IncomingMessage, response: ServerResponse): void => {
  const names = new Set(headersOf(answer, response).map((name, index) => (index % 2 === 0 ? name.toLowerCase() : "")))
  for (const name of Object.keys(answer.headers)) if (!names.has(name)) delete answer.headers[name]
  // In place of the client's own, which http-proxy would put there.
  answer.headers.connection = response.shouldKeepAlive ? "keep-alive" : "close"
  if (hasTrailers(answer, response)) answer.once("end", () => addTrailers(answer, response))
}

/**
 * The raw headers of a message, each as its bytes.
 *
 * @internal
 */
export const bytesOf = (raw: ReadonlyArray<string>): ReadonlyArray<Buffer> =>
  raw.map((text) => Buffer.from(text, "latin1"))

const addTrailers = (answer: IncomingMessage, response: ServerResponse): void => {
  const trailers = ForwardedHeaders.ofTrailers(bytesOf(answer.rawTrailers))
  if (trailers.length > 0) response.addTrailers(trailers)
}

const hasTrailers = (answer: IncomingMessage, { req }: ServerResponse): boolean =>
  req.method !== "HEAD" &&
  req.httpVersionMinor > 0 &&
  answer.statusCode !== 204 &&
  answer.statusCode !== 304 &&
  answer.headers["content-length"] === undefined
