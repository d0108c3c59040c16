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
import * as RunFork from "../../src/internal/RunFork.js"
import { limit } from "../../src/internal/WholeNumber.js"
import * as Tracing from "../../src/telemetry/Tracing.js"
import * as ProcessMemory from "../ProcessMemory.js"
import * as Arrivals from "./Arrivals.js"
import { ExchangeMemory } from "./ExchangeMemory.js"
import * as GatewayAnswers from "./GatewayAnswers.js"
import type { GatewayResponse } from "./GatewayResponse.js"
import * as HttpRoutes from "./HttpRoutes.js"
import * as InterceptorStack from "./InterceptorStack.js"
import * as HttpProxy from "./proxy/HttpProxy.js"
import { type BodyLimits, RequestBodies } from "./RequestBodies.js"
import * as RouteHandler from "./RouteHandler.js"

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
  /** Puts the interceptor above those of the same order and less until the scope closes. */
  readonly intercept: InterceptorStack.InterceptorStack["intercept"]
  /** The interceptors that describe themselves, topmost first. */
  readonly interceptors: InterceptorStack.InterceptorStack["descriptions"]
  /** The bodies that it holds, which are bounded together. */
  readonly bodies: RequestBodies
  /** What its exchanges hold in addition to those bodies. */
  readonly memory: ExchangeMemory
  /** Shows every exchange to the watcher, before any interceptor, until the scope closes. */
  readonly watch: InterceptorStack.InterceptorStack["watch"]
  /** A handler that runs as a route's does, for an interceptor to call, until the scope closes. */
  readonly handler: <E, R>(
    handler: HttpRouteHandler<E, R>,
    options?: RouteHandler.RouteHandlerOptions
  ) => Effect.Effect<RouteHandler.RouteHandler, never, R | Scope.Scope>
  /** Calls the listener with each request that nothing takes, until the scope closes. */
  readonly onUnmatched: GatewayAnswers.GatewayAnswers["onUnmatched"]
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
  const routes = HttpRoutes.make<RouteHandler.RouteHandler>(yield* HttpRoutes.load)
  const runs = new RouteHandler.RouteRuns(
    new RequestBodies(limitsOf(options), yield* Deadlines.make),
    new ExchangeMemory(yield* ProcessMemory.current)
  )
  const tracing = yield* Tracing.current
  const proxy = yield* HttpProxy.make
  const answers = GatewayAnswers.make(routes, proxy)
  const interceptors = InterceptorStack.make(answers.answer)
  const arrivals = Arrivals.make(tracing, answers, routes, interceptors.begin)
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      arrivals.close()
      answers.close()
      return runs.end
    })
  )

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

  const gateway: NodeHttpGateway = {
    [TypeId]: TypeId,
    bodies: runs.bodies,
    memory: runs.memory,
    startClosing: arrivals.startClosing,
    onRequest: arrivals.onRequest,
    onUpgrade: arrivals.onUpgrade,
    route,
    proxy: proxy.setResolver,
    intercept: interceptors.intercept,
    interceptors: interceptors.descriptions,
    watch: interceptors.watch,
    handler,
    onUnmatched: answers.onUnmatched
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
