/**
 * The HTTP side of a server's port: routes first, then the proxy, then 404.
 *
 * @since 0.1.0
 */

import type { IncomingMessage, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { HttpMethod, HttpRouteHandler } from "../../src/HttpRoute.js"
import type { InvalidRoute, RouteConflict } from "../../src/IPCError.js"
import type { RouteProxyResolver } from "../../src/Upstream.js"
import * as HttpAnswer from "./HttpAnswer.js"
import * as HttpProxy from "./HttpProxy.js"
import * as HttpRoutes from "./HttpRoutes.js"
import { pathOf } from "./RequestTarget.js"
import * as RouteHandler from "./RouteHandler.js"
import * as UpgradedSocket from "./UpgradedSocket.js"

/**
 * Answers the requests and upgrades of an `http.Server` that belongs to someone else.
 *
 * @since 0.1.0
 * @category models
 */
export interface HttpGateway {
  /** Never throws. */
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void
  /** Never throws. Upgrades are for the proxy alone: a route has no socket to give. */
  readonly onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  /** A route for as long as the scope lives; with the scope its runs in progress are interrupted. */
  readonly route: <E, R>(
    method: HttpMethod,
    path: string,
    handler: HttpRouteHandler<E, R>
  ) => Effect.Effect<void, RouteConflict | InvalidRoute, R | Scope.Scope>
  /** The newest resolver wins; when its scope closes, the one beneath it is back. */
  readonly setRouteProxyResolver: (resolver: RouteProxyResolver) => Effect.Effect<void, never, Scope.Scope>
}

/**
 * A gateway without routes. When its scope closes, handlers are interrupted, proxied exchanges aborted, upgraded
 * sockets destroyed and connections to upstreams closed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (options: {
  /** The largest body, in bytes, that a route takes; one above it is answered 413. The proxy has no limit. */
  readonly maxBodyBytes: number
  /** How long an upstream may take to answer with its headers, in milliseconds; 5 minutes unless told otherwise. */
  readonly headersTimeout?: number
}) {
  const routes = HttpRoutes.make<RouteHandler.RouteHandler>()
  const running = new RouteHandler.Running()
  const sockets = new Set<Duplex>()
  let closed = false

  const proxy = yield* HttpProxy.make(options)
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      closed = true
      for (const socket of sockets) socket.destroy()
      return running.end
    })
  )

  const answer = (request: IncomingMessage, response: ServerResponse) => {
    if (closed) return HttpAnswer.sendError(response, 503, "The gateway is closing.")
    const match = routes.find(request.method as string, request.url as string)
    if (match !== undefined) return match.value.handle(request, response, match)
    if (!proxy.relay(request, response)) noRoute(request, response)
  }

  const noRoute = (request: IncomingMessage, response: ServerResponse) => {
    const url = request.url as string
    const methods = routes.methodsOf(url)
    const hint =
      methods.length > 0
        ? `It is routed for ${methods.join(", ")}.`
        : proxy.hasResolver()
          ? "No route matches, and the proxy resolver knows no upstream for it: is the service registered?"
          : "No route matches, and no proxy resolver is set."
    HttpAnswer.sendError(response, 404, `No route for ${request.method} ${pathOf(url)}. ${hint}`)
  }

  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    try {
      answer(request, response)
    } catch (defect) {
      HttpAnswer.sendError(response, 500, HttpAnswer.messageOf(defect))
    }
  }

  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => socket.destroy())
    try {
      if (closed || socket.destroyed) {
        socket.destroy()
        return
      }
      sockets.add(socket)
      socket.once("close", () => sockets.delete(socket))
      const response = UpgradedSocket.responseOn(request, socket)
      if (!proxy.relay(request, response, { socket, head })) noRoute(request, response)
    } catch {
      socket.destroy()
    }
  }

  const route = <E, R>(method: HttpMethod, path: string, handler: HttpRouteHandler<E, R>) =>
    Effect.gen(function* () {
      const runtime = yield* Effect.runtime<R>()
      const routeHandler = RouteHandler.make(handler, runtime, options.maxBodyBytes, running)
      yield* Effect.acquireRelease(routes.add(method, path, routeHandler), (registered) => {
        routes.remove(registered)
        return routeHandler.interrupt
      })
    })

  const gateway: HttpGateway = { onRequest, onUpgrade, route, setRouteProxyResolver: proxy.setResolver }
  return gateway
})
