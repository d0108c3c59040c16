/**
 * Preflights of web pages of another origin: the Fetch standard's CORS protocol.
 *
 * @internal
 */
import type { IncomingMessage, ServerResponse } from "node:http"

/** The method that a preflight asks for; `undefined` where the request isn't one. */
export const methodOf = (request: IncomingMessage): string | undefined => {
  if (request.method !== "OPTIONS" || request.headers.origin === undefined) return undefined
  return request.headers["access-control-request-method"]
}

/** Allows what a preflight asks for. */
export const answer = (request: IncomingMessage, response: ServerResponse, method: string): void => {
  allow(request, response)
  response.setHeader("access-control-allow-methods", method)
  const headers = request.headers["access-control-request-headers"]
  if (headers !== undefined) response.setHeader("access-control-allow-headers", headers)
  response.writeHead(204)
  response.end()
}

/** Lets the page that asks read the answer. */
export const allow = (request: IncomingMessage, response: ServerResponse): void => {
  const { origin } = request.headers
  if (origin === undefined) return
  response.setHeader("access-control-allow-origin", origin)
  response.setHeader("access-control-allow-credentials", "true")
  response.setHeader("vary", "origin")
}
