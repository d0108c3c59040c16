/**
 * What answers an exchange that no interceptor took: a route, else the proxy, else 404.
 *
 * @internal
 */
import type { IncomingMessage } from "node:http"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Exchange } from "./Exchange.js"
import type { GatewayResponse } from "./GatewayResponse.js"
import type { HttpRoutes } from "./HttpRoutes.js"
import * as JsonResponse from "./JsonResponse.js"
import type { HttpProxy } from "./proxy/HttpProxy.js"
import { pathOf } from "./RequestTarget.js"
import type { RouteHandler } from "./RouteHandler.js"
import * as ScopedList from "./ScopedList.js"

/**
 * An error that the gateway itself answers.
 *
 * @internal
 */
export interface ErrorResponse {
  readonly status: number
  readonly error: string
}

/**
 * Answers a request that arrives while the gateway closes.
 *
 * @internal
 */
export const isClosing: ErrorResponse = { status: 503, error: "The gateway is closing." }

/**
 * Sees a request that nothing takes. What it returns is added to the 404.
 *
 * @internal
 */
export type UnmatchedListener = (request: IncomingMessage) => string | undefined

/**
 * The answers of one gateway.
 *
 * @internal
 */
export interface GatewayAnswers {
  readonly answer: (exchange: Exchange) => void
  /** Answers with the error, and closes the connection if the client is still sending its body. */
  readonly sendError: (request: IncomingMessage, response: GatewayResponse, error: ErrorResponse) => void
  /** Calls the listener with each request that nothing takes, until the scope closes. */
  readonly onUnmatched: (listener: UnmatchedListener) => Effect.Effect<void, never, Scope.Scope>
  /** From now on, every exchange is answered by an error. Cuts off errors that wait for their clients. */
  readonly close: () => void
}

/**
 * Answers by these routes and this proxy.
 *
 * @internal
 */
export const make = (routes: HttpRoutes<RouteHandler>, proxy: HttpProxy): GatewayAnswers => {
  const listeners = ScopedList.make<UnmatchedListener>()
  const lingering = new Set<GatewayResponse>()
  let closed = false

  const answer = (exchange: Exchange) => {
    const { request, response, upgrade } = exchange
    if (closed) return sendError(request, response, isClosing)
    // An offered WebSocket goes to a service; a route answers only where there is none.
    if (upgrade === undefined && toRoute(request, response)) return
    if (proxy.relay(request, response, upgrade)) return
    if (upgrade !== undefined && toRoute(request, response)) return
    noRoute(request, response)
  }

  const toRoute = (request: IncomingMessage, response: GatewayResponse): boolean => {
    const method = request.method as string
    const url = request.url as string
    const match = routes.find(method, url)
    if (match !== undefined) {
      if (response.isTapped) response.tellAnswerer({ kind: "route", name: `${method} ${pathOf(url)}` })
      match.value.handle(request, response, match)
    } else if (routes.takesMalformed(method, url)) sendError(request, response, malformedPath)
    else return false
    return true
  }

  const sendError = (request: IncomingMessage, response: GatewayResponse, { error, status }: ErrorResponse) =>
    JsonResponse.sendErrorEarly(request, response, status, error, lingering)

  const noRoute = (request: IncomingMessage, response: GatewayResponse) => {
    const url = request.url as string
    const methods = routes.methodsOf(url)
    const hint =
      methods.length > 0
        ? `It is routed for ${methods.join(", ")}.`
        : proxy.hasResolver()
          ? "No route matches, and the proxy resolver knows no upstream for it: is the service registered?"
          : "No route matches, and no proxy resolver is set."
    const hints = listeners.values.map((listener) => listener(request)).filter((more) => more !== undefined)
    JsonResponse.sendError(response, 404, [`No route for ${request.method} ${pathOf(url)}.`, hint, ...hints].join(" "))
  }

  const close = () => {
    closed = true
    for (const response of lingering) response.destroy()
  }

  return { answer, sendError, onUnmatched: listeners.add, close }
}

const malformedPath: ErrorResponse = { status: 400, error: "The path isn't percent-encoded as URLs are." }
