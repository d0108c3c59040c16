/**
 * HTTP routes whose handlers return promises, kept apart from the server: they may be registered before it runs, and are
 * attached again each time it starts.
 *
 * @since 0.1.0
 */

import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import FindMyWay from "find-my-way"
import type { HttpMethod, HttpRouteRequest } from "../../src/HttpGateway.js"
import type { IPCServer } from "../../src/IPCServer.js"
import type { Traits } from "../../src/internal/CallbackEffect.js"
import { CallbackEffect } from "../../src/internal/CallbackEffect.js"
import * as LinkedList from "../../src/internal/LinkedList.js"
import type { OnEnd } from "../../src/internal/Waiting.js"
import * as HttpBody from "../http/HttpBody.js"
import * as HttpRoutes from "../http/HttpRoutes.js"
import * as CallArguments from "./CallArguments.js"
import { answerBy, settle } from "./PromiseHandlers.js"
import { runSync } from "./Promises.js"

/**
 * Answers an HTTP request with a value (a 200 in JSON), `undefined` (an empty 200), a platform `HttpServerResponse`, or a
 * promise of one of these. Where it throws or rejects, the answer is 500 `{"error": message}`.
 *
 * `body` is the parsed JSON whatever the content type is, the text of what isn't JSON, or `undefined` without one. Its
 * type is the handler's own and isn't checked. The headers' names are in lower case.
 *
 * @since 0.1.0
 * @category models
 */
export type HttpHandler<Body = unknown> = (
  body: Body,
  pathParams: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>>
) => unknown

/**
 * One handler per route.
 *
 * @since 0.1.0
 * @category models
 */
export class PromiseRoutes {
  // Finds conflicts whether the server runs or not.
  readonly #table = HttpRoutes.make<HttpHandler>(FindMyWay)
  readonly #routes = new Map<string, Route>()
  readonly #waiting = new LinkedList.LinkedList<WaitingRequest>()
  #register: ((route: Route) => void) | undefined

  /** Throws `RouteConflict` or `InvalidRoute`. */
  add(method: HttpMethod, path: string, handler: HttpHandler): void {
    checkRoute("interceptHttp", method, path)
    CallArguments.checkFunction("interceptHttp", "handler", handler)
    const registered = runSync(this.#table.add(method, path, handler))
    const route: Route = { registered, handler, scope: undefined }
    this.#routes.set(key(method, path), route)
    this.#register?.(route)
  }

  /** Removes the route if there is one. Requests in flight are still answered. */
  remove(method: HttpMethod, path: string): void {
    checkRoute("removeInterceptHttp", method, path)
    const route = this.#routes.get(key(method, path))
    if (route === undefined) return
    this.#routes.delete(key(method, path))
    this.#table.remove(route.registered)
    if (route.scope !== undefined) runSync(Scope.close(route.scope, Exit.void))
  }

  /** Registers the routes, also those added from now on, until the scope closes; requests in flight end with it. */
  attach(server: IPCServer.Service): Effect.Effect<void, never, Scope.Scope> {
    return Effect.flatMap(Effect.scope, (scope) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          this.#register = (route) => {
            const { method, path } = route.registered
            const handler = HttpBody.takesAnyJson((request: HttpRouteRequest) => this.#answer(route.handler, request))
            route.scope = runSync(Scope.fork(scope, ExecutionStrategy.sequential))
            runSync(Scope.extend(server.interceptHttp(method, path, handler), route.scope))
          }
          for (const route of this.#routes.values()) this.#register(route)
        }),
        () =>
          Effect.sync(() => {
            this.#register = undefined
            for (const route of this.#routes.values()) route.scope = undefined
            for (const waiting of this.#waiting.entries()) waiting.end(Effect.interrupt)
          })
      )
    )
  }

  #answer(handler: HttpHandler, { body, headers, params }: HttpRouteRequest): Effect.Effect<unknown, unknown> {
    return answerBy(
      () => handler(body, params as Readonly<Record<string, string>>, headers),
      (promise) => new CallbackEffect((onEnd) => this.#wait(promise, onEnd), untilTheEnd)
    )
  }

  /** Only closing the server ends the wait: a promise can't be interrupted, and a handler may remove its own route. */
  #wait(promise: PromiseLike<unknown>, onEnd: OnEnd<unknown, unknown>): undefined {
    const waiting = new WaitingRequest(onEnd)
    if (this.#register === undefined) waiting.end(Effect.interrupt)
    else this.#waiting.add(waiting)
    settle(promise, (exit) => waiting.end(exit))
  }
}

/** A request whose handler's promise is pending. */
class WaitingRequest implements LinkedList.Linked {
  previous: LinkedList.Linked | undefined = undefined
  next: LinkedList.Linked | undefined = undefined
  #isOver = false

  constructor(private readonly onEnd: OnEnd<unknown, unknown>) {}

  end(result: Effect.Effect<unknown, unknown>): void {
    if (this.#isOver) return
    this.#isOver = true
    LinkedList.remove(this)
    this.onEnd(result)
  }
}

const untilTheEnd: Traits = { interruptible: false, traced: false }

interface Route {
  readonly registered: HttpRoutes.RegisteredRoute
  readonly handler: HttpHandler
  /** The scope of its registration with the running server. */
  scope: Scope.CloseableScope | undefined
}

const checkRoute = (call: string, method: unknown, path: unknown): void => {
  CallArguments.checkText(call, "method", method)
  CallArguments.checkText(call, "path", path)
}

const key = (method: HttpMethod, path: string): string => `${method.toUpperCase()} ${path}`
