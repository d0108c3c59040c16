/**
 * Requests and upgrades as they arrive at a gateway: each in its turn, refused where the gateway can't serve it.
 *
 * @internal
 */
import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import type { Tracing } from "../../src/telemetry/Tracing.js"
import { type Exchange, goOn } from "./Exchange.js"
import { type ErrorResponse, type GatewayAnswers, isClosing } from "./GatewayAnswers.js"
import type { GatewayResponse } from "./GatewayResponse.js"
import type { HttpRoutes } from "./HttpRoutes.js"
import { isNext, Pipelines } from "./Pipelines.js"
import { hostIssue, normalize } from "./RequestTarget.js"
import { ServerCall } from "./ServerCall.js"
import * as ClientSocket from "./upgrade/ClientSocket.js"
import * as Offer from "./upgrade/Offer.js"

/**
 * The listeners of an `http.Server`'s events. They never throw.
 *
 * @internal
 */
export interface Arrivals {
  readonly onRequest: (request: IncomingMessage, response: GatewayResponse) => void
  readonly onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  /** From now on, requests are answered 503, and their connections are closed. */
  readonly startClosing: () => void
  /** As `startClosing`. Destroys the sockets of upgrades. */
  readonly close: () => void
}

/**
 * `begin` gets each exchange that isn't refused.
 *
 * @internal
 */
export const make = (
  tracing: Tracing,
  answers: GatewayAnswers,
  routes: Pick<HttpRoutes<unknown>, "find">,
  begin: (exchange: Exchange) => void
): Arrivals => {
  const pipelines = new Pipelines()
  const sockets = new Set<Duplex>()
  let closing = false

  const onRequest = (request: IncomingMessage, response: GatewayResponse) => {
    if (isNext(response)) enter(request, response)
    else pipelines.wait(request, response, () => enter(request, response))
  }

  const enter = (request: IncomingMessage, response: GatewayResponse) => {
    response.call = new ServerCall(tracing, request, response)
    const error = closing ? isClosing : errorOf(request)
    if (closing) response.shouldKeepAlive = false
    if (error === undefined) goOn({ request, response, upgrade: undefined }, begin)
    else answers.sendError(request, response, error)
  }

  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (socket.destroyed) return
    keep(socket)
    ClientSocket.inTurn(socket, () => {
      try {
        // Answered as any other request is while the gateway closes.
        if (closing) Offer.ignore(request, socket, head)
        else offer(request, socket, head)
      } catch {
        socket.destroy()
      }
    })
  }

  const offer = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const error = errorOf(request)
    const protocols = Offer.protocolsOf(request)
    const isForRoute =
      !Offer.hasWebSocket(protocols) && routes.find(request.method as string, request.url as string) !== undefined
    if (protocols.length === 0 || isForRoute || !Offer.isReadable(request)) return Offer.ignore(request, socket, head)
    const exchange = Offer.exchangeOf(request, socket, head, protocols)
    exchange.response.call = new ServerCall(tracing, exchange.request, exchange.response)
    if (error === undefined) begin(exchange)
    else answers.sendError(exchange.request, exchange.response, error)
  }

  /** A socket comes again when its offer was not taken and it carries another request. */
  const keep = (socket: Duplex) => {
    if (sockets.has(socket)) return
    sockets.add(socket)
    socket.on("error", () => socket.destroy())
    socket.once("close", () => sockets.delete(socket))
  }

  const startClosing = () => {
    closing = true
  }

  const close = () => {
    startClosing()
    for (const socket of sockets) socket.destroy()
  }

  return { onRequest, onUpgrade, startClosing, close }
}

/** What no part of the gateway can do anything with. */
const errorOf = (request: IncomingMessage): ErrorResponse | undefined => {
  const issue = hostIssue(request)
  if (issue !== undefined) return { status: 400, error: issue }
  if (!normalize(request)) return { status: 400, error: "The target of the request has no host, or an invalid one." }
  const coding = request.headers["transfer-encoding"]
  // Node decodes the chunks and ignores any other coding (RFC 9112 section 6.1).
  if (coding === undefined || coding.toLowerCase() === "chunked") return undefined
  return { status: 501, error: `The transfer coding ${JSON.stringify(coding)} isn't known here; "chunked" is.` }
}
