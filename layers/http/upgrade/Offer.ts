/**
 * Requests that offer to go on in another protocol (RFC 9110 section 7.8).
 *
 * @internal
 */
import type { IncomingMessage } from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import type { Upgrade } from "../proxy/Forwarder.js"
import * as ClientSocket from "./ClientSocket.js"
import { OfferRequest } from "./OfferRequest.js"
import { OfferResponse } from "./OfferResponse.js"

/**
 * The protocols that may be forwarded, as the client has spelled them. HTTP/2 isn't one: it would concern the connection
 * to the gateway alone (RFC 9113 section 3.1).
 *
 * @internal
 */
export const protocolsOf = (request: IncomingMessage): ReadonlyArray<string> =>
  (request.headers.upgrade ?? "")
    .split(",")
    .map((protocol) => protocol.trim())
    .filter((protocol) => protocol !== "" && !/^h2c?$/i.test(protocol))

/**
 * Whether a WebSocket is among the protocols.
 *
 * @internal
 */
export const hasWebSocket = (protocols: ReadonlyArray<string>): boolean =>
  protocols.some((protocol) => protocol.toLowerCase() === "websocket")

/**
 * An offer with a response on its socket.
 *
 * @internal
 */
export interface OfferExchange {
  readonly request: IncomingMessage
  readonly response: OfferResponse
  readonly upgrade: Upgrade
}

/**
 * The exchange of an offer. If the offer is not taken, the response is sent as an ordinary one and the connection is kept.
 *
 * @internal
 */
export const exchangeOf = (
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  protocols: ReadonlyArray<string>
): OfferExchange => {
  const length = Number(request.headers["content-length"] ?? 0)
  const body = length > 0 ? new OfferRequest(request, socket, length, head.subarray(0, length)) : undefined
  const rest = head.subarray(length)
  const goOn = () => {
    ClientSocket.giveBack(request, socket, rest)
    ClientSocket.closeIfIdle(socket as Socket)
  }
  const response = new OfferResponse(request, socket, () => {
    if (body === undefined || body.complete) return goOn()
    // The response was sent without reading it.
    body.once("end", goOn)
    body.resume()
  })
  return {
    request: body?.asMessage ?? request,
    response,
    upgrade: { socket, head: rest, protocols, take: () => response.takeSocket() }
  }
}

/**
 * Whether the request's body can be read beside its offer: of one in chunks only Node's server finds the end.
 *
 * @internal
 */
export const isReadable = (request: IncomingMessage): boolean => request.headers["transfer-encoding"] === undefined

/**
 * Has the server read the request once more, without the offer. Node reads no body of an upgrade request.
 *
 * @internal
 */
export const ignore = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
  const raw = request.rawHeaders
  let text = `${request.method} ${request.url} HTTP/${request.httpVersion}\r\n`
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase()
    if (name === "upgrade" || name === "http2-settings") continue
    const value = raw[i + 1] as string
    text += `${raw[i]}: ${name === "connection" ? withoutUpgradeTokens(value) : value}\r\n`
  }
  ClientSocket.giveBack(request, socket, Buffer.concat([Buffer.from(`${text}\r\n`, "latin1"), head]))
}

const withoutUpgradeTokens = (value: string): string =>
  value
    .split(",")
    .map((token) => token.trim())
    .filter((token) => token !== "" && !/^(?:upgrade|http2-settings)$/i.test(token))
    .join(", ") || "keep-alive"
