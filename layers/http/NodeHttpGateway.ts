/**
 * The HTTP side of a server's port: interceptors first, then routes, then the proxy, then 404.
 *
 * @internal
 */

import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { HttpGateway, HttpMethod, HttpRouteHandler } from "../../src/HttpGateway.js"
import * as Deadlines from "../../src/internal/Deadlines.js"
import { messageOf } from "../../src/internal/ErrorMessage.js"
import * as RunFork from "../../src/internal/RunFork.js"
import { limit } from "../../src/internal/WholeNumber.js"
import * as Tracing from "../../src/telemetry/Tracing.js"
import * as ProcessMemory from "../ipc/ProcessMemory.js"
import type { GatewayResponse } from "./GatewayResponse.js"
import * as HttpRoutes from "./HttpRoutes.js"
import * as JsonResponse from "./JsonResponse.js"
import { isNext, Pipelines } from "./Pipelines.js"
import type { Upgrade } from "./proxy/Forwarder.js"
import * as HttpProxy from "./proxy/HttpProxy.js"
import { type BodyLimits, RequestBodies } from "./RequestBodies.js"
import { normalize, pathOf } from "./RequestTarget.js"
import * as RouteHandler from "./RouteHandler.js"
import { ServerCall } from "./ServerCall.js"
import { UnreadAnswers } from "./UnreadAnswers.js"
import * as ClientSocket from "./upgrade/ClientSocket.js"
import * as Offer from "./upgrade/Offer.js"

/**
 * A request on its way through the gateway.
 *
 * @internal
 */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: GatewayResponse
  /** The client's socket, where it asks for another protocol on it. */
  readonly upgrade: Upgrade | undefined
}

/**
 * Takes an exchange, or passes on that exchange or a substitute, once, now or later.
 *
 * @internal
 */
export type GatewayInterceptor = (exchange: Exchange, passOn: (exchange: Exchange) => void) => void

/**
 * Sees an exchange as it arrives. Gives that exchange or a substitute, which goes on in its place. Must not throw.
 *
 * @internal
 */
export type GatewayWatcher = (exchange: Exchange) => Exchange

/**
 * An interceptor in words, for the inspector.
 *
 * @internal
 */
export interface InterceptorDescription {
  readonly kind: string
  readonly name: string
  readonly calls: number
  readonly times?: number | undefined
}

interface InterceptOptions {
  /** Default 0. */
  readonly order?: number
  readonly describe?: () => InterceptorDescription
}

/**
 * Answers the requests and upgrades of an `http.Server` that its owner makes and closes.
 *
 * @internal
 */
export interface NodeHttpGateway extends HttpGateway.Service {
  readonly [TypeId]: typeof TypeId
  /** Never throws. The server's `ServerResponse` is `GatewayResponse`. */
  readonly onRequest: (request: IncomingMessage, response: GatewayResponse) => void
  /** Never throws. An offer that no interceptor and no upstream takes is answered as an ordinary request. */
  readonly onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  /** From now on, requests are answered 503, and their connections are closed. */
  readonly startClosing: () => void
  /** Puts the interceptor above those of the same order and less, for as long as the scope lives. */
  readonly intercept: (
    interceptor: GatewayInterceptor,
    options?: InterceptOptions
  ) => Effect.Effect<void, never, Scope.Scope>
  /** The interceptors that describe themselves, topmost first. */
  readonly interceptors: () => ReadonlyArray<InterceptorDescription>
  /** The bodies that it holds, which are bounded together. */
  readonly bodies: RequestBodies
  /** Shows every exchange to the watcher, before any interceptor, for as long as the scope lives. */
  readonly watch: (watcher: GatewayWatcher) => Effect.Effect<void, never, Scope.Scope>
  /** A handler that runs as a route's does, for an interceptor to call, until the scope closes. */
  readonly handler: <E, R>(
    handler: HttpRouteHandler<E, R>,
    options?: RouteHandler.RouteHandlerOptions
  ) => Effect.Effect<RouteHandler.RouteHandler, never, R | Scope.Scope>
  /** Calls the listener with each request that nothing took; what it returns is added to the 404. */
  readonly onUnmatched: (
    listener: (request: IncomingMessage) => string | undefined
  ) => Effect.Effect<void, never, Scope.Scope>
}

const TypeId: unique symbol = Symbol.for("effect-ipc/NodeHttpGateway")

/**
 * What interception needs of a gateway beyond its public service. Dies where the service isn't this module's.
 *
 * @internal
 */
export const fromService = (gateway: HttpGateway.Service): Effect.Effect<NodeHttpGateway> =>
  TypeId in gateway
    ? Effect.succeed(gateway as NodeHttpGateway)
    : Effect.dieMessage("Interception needs the HttpGateway that NodeIPCServer or LocalDiscovery provides.")

/**
 * As `NodeIPCServerOptions`.
 *
 * @internal
 */
export interface GatewayOptions {
  readonly maxBodyBytes?: number | undefined
  readonly maxTotalBodyBytes?: number | undefined
  readonly bodyIdleTimeout?: Duration.DurationInput | undefined
}

/**
 * A gateway without routes. When its scope closes, handlers are interrupted, proxied exchanges aborted, upgraded
 * sockets destroyed and connections to upstreams closed.
 *
 * @internal
 */
export const make = Effect.fnUntraced(function* (options: GatewayOptions) {
  const routes = HttpRoutes.make<RouteHandler.RouteHandler>()
  const runs = new RouteHandler.RouteRuns(
    new RequestBodies(limitsOf(options), yield* Deadlines.make),
    new UnreadAnswers(yield* ProcessMemory.current)
  )
  const sockets = new Set<Duplex>()
  const pipelines = new Pipelines()
  /** Topmost first. Replaced, never changed: an exchange under way keeps the order it came in by. */
  let interceptors: ReadonlyArray<PlacedInterceptor> = []
  let listeners: ReadonlyArray<(request: IncomingMessage) => string | undefined> = []
  let watchers: ReadonlyArray<GatewayWatcher> = []
  let closing = false
  let closed = false
  const startClosing = () => {
    closing = true
  }

  const tracing = yield* Tracing.current
  const proxy = yield* HttpProxy.make
  const lingering = new Set<GatewayResponse>()
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      startClosing()
      closed = true
      for (const socket of sockets) socket.destroy()
      for (const response of lingering) response.destroy()
      return runs.end
    })
  )

  const answer = (exchange: Exchange) => {
    const { request, response, upgrade } = exchange
    if (closed) return refuse(request, response, isClosing)
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
    } else if (routes.takesMalformed(method, url)) refuse(request, response, malformedPath)
    else return false
    return true
  }

  const refuse = (request: IncomingMessage, response: GatewayResponse, { error, status }: Refusal) =>
    JsonResponse.sendErrorEarly(request, response, status, error, lingering)

  const begin = (arrived: Exchange) => {
    let exchange = arrived
    for (const watcher of watchers) exchange = watcher(exchange)
    if (interceptors.length === 0) answer(exchange)
    else intercepted(exchange, interceptors, 0)
  }

  const intercepted = (exchange: Exchange, stack: ReadonlyArray<PlacedInterceptor>, from: number): void => {
    for (let at = from; at < stack.length; at++) {
      const placed = stack[at] as PlacedInterceptor
      if (placed.removed) continue
      return placed.value(exchange, (next) => guarded(next, (next) => intercepted(next, stack, at + 1)))
    }
    answer(exchange)
  }

  const noRoute = (request: IncomingMessage, response: GatewayResponse) => {
    const url = request.url as string
    const methods = routes.methodsOf(url)
    const hint =
      methods.length > 0
        ? `It is routed for ${methods.join(", ")}.`
        : proxy.hasResolver()
          ? "No route matches, and the proxy resolver knows no upstream for it: is the service registered?"
          : "No route matches, and no proxy resolver is set."
    const hints = listeners.map((listener) => listener(request)).filter((more) => more !== undefined)
    JsonResponse.sendError(response, 404, [`No route for ${request.method} ${pathOf(url)}.`, hint, ...hints].join(" "))
  }

  const guarded = (exchange: Exchange, run: (exchange: Exchange) => void) => {
    // The client may have disconnected while an interceptor waited.
    if (exchange.response.destroyed || exchange.upgrade?.socket.destroyed === true) return
    try {
      run(exchange)
    } catch (defect) {
      JsonResponse.sendError(exchange.response, 500, messageOf(defect))
    }
  }

  const onRequest = (request: IncomingMessage, response: GatewayResponse) => {
    if (isNext(response)) enter(request, response)
    else pipelines.wait(request, response, () => enter(request, response))
  }

  const enter = (request: IncomingMessage, response: GatewayResponse) => {
    response.call = new ServerCall(tracing, request, response)
    const refusal = closing ? isClosing : refusalOf(request)
    if (closing) response.shouldKeepAlive = false
    if (refusal === undefined) guarded({ request, response, upgrade: undefined }, begin)
    else refuse(request, response, refusal)
  }

  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (closing || socket.destroyed) {
      socket.destroy()
      return
    }
    keep(socket)
    ClientSocket.inTurn(socket, () => {
      try {
        offer(request, socket, head)
      } catch {
        socket.destroy()
      }
    })
  }

  const offer = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const refusal = refusalOf(request)
    const protocols = Offer.protocolsOf(request)
    const isForRoute =
      !Offer.hasWebSocket(protocols) && routes.find(request.method as string, request.url as string) !== undefined
    if (protocols.length === 0 || isForRoute || !Offer.isReadable(request)) return Offer.ignore(request, socket, head)
    const exchange = Offer.exchangeOf(request, socket, head, protocols)
    exchange.response.call = new ServerCall(tracing, exchange.request, exchange.response)
    if (refusal === undefined) begin(exchange)
    else refuse(exchange.request, exchange.response, refusal)
  }

  /** A socket comes again when its offer was not taken and it carries another request. */
  const keep = (socket: Duplex) => {
    if (sockets.has(socket)) return
    sockets.add(socket)
    socket.on("error", () => socket.destroy())
    socket.once("close", () => sockets.delete(socket))
  }

  const handler = <E, R>(handle: HttpRouteHandler<E, R>, options: RouteHandler.RouteHandlerOptions = {}) =>
    Effect.flatMap(Effect.zip(RunFork.make<R>(), Tracing.current), ([runFork, tracing]) =>
      Effect.acquireRelease(
        Effect.sync(() => RouteHandler.make(handle, runFork, tracing, runs, options)),
        ({ interrupt }) => interrupt
      )
    )

  const route = <E, R>(method: HttpMethod, path: string, handle: HttpRouteHandler<E, R>) =>
    Effect.flatMap(handler(handle, { route: path }), (routeHandler) =>
      Effect.asVoid(
        Effect.acquireRelease(routes.add(method, path, routeHandler), (registered) =>
          Effect.sync(() => routes.remove(registered))
        )
      )
    )

  const intercept = (value: GatewayInterceptor, { describe, order = 0 }: InterceptOptions = {}) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const placed: PlacedInterceptor = { value, describe, order, removed: false }
        const above = interceptors.filter((other) => other.order > order)
        interceptors = [...above, placed, ...interceptors.slice(above.length)]
        return placed
      }),
      (placed) =>
        Effect.sync(() => {
          placed.removed = true
          interceptors = interceptors.filter((other) => other !== placed)
        })
    ).pipe(Effect.asVoid)

  const onUnmatched: NodeHttpGateway["onUnmatched"] = (listener) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        listeners = [...listeners, listener]
      }),
      () =>
        Effect.sync(() => {
          listeners = listeners.filter((other) => other !== listener)
        })
    )

  const watch: NodeHttpGateway["watch"] = (watcher) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        watchers = [...watchers, watcher]
      }),
      () =>
        Effect.sync(() => {
          watchers = watchers.filter((other) => other !== watcher)
        })
    )

  const gateway: NodeHttpGateway = {
    [TypeId]: TypeId,
    bodies: runs.bodies,
    startClosing,
    onRequest,
    onUpgrade,
    route,
    proxy: proxy.setResolver,
    intercept,
    interceptors: () => interceptors.flatMap(({ describe }) => (describe === undefined ? [] : [describe()])),
    watch,
    handler,
    onUnmatched
  }
  return gateway
})

const limitsOf = (options: GatewayOptions): BodyLimits => {
  const maxBodyBytes = limit(options.maxBodyBytes, 16 * 1024 * 1024)
  return {
    maxBodyBytes,
    maxTotalBodyBytes: limit(options.maxTotalBodyBytes, Math.max(128 * 1024 * 1024, maxBodyBytes)),
    bodyIdleMillis: Duration.toMillis(options.bodyIdleTimeout ?? "30 seconds")
  }
}

interface Refusal {
  readonly status: number
  readonly error: string
}

const isClosing: Refusal = { status: 503, error: "The gateway is closing." }
const malformedPath: Refusal = { status: 400, error: "The path isn't percent-encoded as URLs are." }

/** What no part of the gateway can do anything with. */
const refusalOf = (request: IncomingMessage): Refusal | undefined => {
  if (!normalize(request)) return { status: 400, error: "The target of the request has no host." }
  const coding = request.headers["transfer-encoding"]
  // Node decodes the chunks and ignores any other coding (RFC 9112 section 6.1).
  if (coding === undefined || coding.toLowerCase() === "chunked") return undefined
  return { status: 501, error: `The transfer coding ${JSON.stringify(coding)} isn't known here; "chunked" is.` }
}

interface PlacedInterceptor {
  readonly value: GatewayInterceptor
  readonly describe: (() => InterceptorDescription) | undefined
  readonly order: number
  removed: boolean
}
