/**
 * The request as http-proxy gets it.
 *
 * @internal
 */
import type { IncomingHttpHeaders, IncomingMessage } from "node:http"
import { tokensOf } from "../http/HeaderTokens.js"
import * as ForwardedHeaders from "../http/proxy/ForwardedHeaders.js"
import * as GatewayMark from "../http/proxy/GatewayMark.js"
import { tap } from "../http/StandInRequest.js"
import type { ForwardedExchange, UpstreamAttempt } from "../UpstreamProxy.js"

/**
 * One for each attempt, since http-proxy changes the headers. Those of the client's connection aren't there; `x-forwarded-*`
 * are the client's, for http-proxy to extend.
 *
 * @internal
 */
export const make = (
  exchange: ForwardedExchange,
  passedOn: UpstreamAttempt["headers"],
  isWebSocket: boolean
): IncomingMessage => {
  const incoming = tap(exchange.request, ignore, ignore)
  const headers = headersOf(exchange.request, passedOn)
  if (isWebSocket) Object.assign(headers, { connection: "Upgrade", upgrade: "websocket" })
  Object.defineProperties(incoming, { url: { value: exchange.target }, headers: { value: headers } })
  return incoming
}

const headersOf = (request: IncomingMessage, passedOn: UpstreamAttempt["headers"]): IncomingHttpHeaders => {
  const names = new Set(passedOn.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase()))
  const ofConnection = new Set(tokensOf(request.headers.connection))
  const result: IncomingHttpHeaders = {}
  for (const [name, value] of Object.entries(request.headers)) {
    const isForwarded = name.startsWith("x-forwarded-")
    if (isForwarded ? !ofConnection.has(name) : names.has(name)) result[name] = value
  }
  for (const name of OF_THE_GATEWAY) {
    const value = ForwardedHeaders.get(passedOn, name)
    if (value !== undefined) result[name] = value
  }
  return result
}

/** What the gateway sends in place of the client's. */
const OF_THE_GATEWAY = ["te", "traceparent", "x-forwarded-prefix", GatewayMark.HEADER]

const ignore = () => {}
