/**
 * HTTP routes whose handlers give promises, as data: they are there before the server is, and for every run that follows.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import { isPromiseLike } from "effect/Predicate"
import * as RuntimeFlags from "effect/RuntimeFlags"
import * as RuntimeFlagsPatch from "effect/RuntimeFlagsPatch"
import * as Scope from "effect/Scope"
import type { HttpMethod, HttpRouteRequest } from "../../src/HttpGateway.js"
import type { IPCServer } from "../../src/IPCServer.js"
import * as HttpRoutes from "../http/HttpRoutes.js"
import { settle } from "./PromiseHandlers.js"
import { runSync } from "./Promises.js"

/**
 * Answers an HTTP request with a value (a 200 in JSON), `undefined` (an empty 200), a platform `HttpServerResponse`, or a
 * promise of one of these. What it throws or rejects with answers 500 `{"error": message}`.
 *
 * `body` is the parsed JSON whatever the content type says, the text of what isn't JSON, or `undefined` without one. Its
 * type is what the handler says it is, unchecked. The headers' names are in lower case.
 *
 * @since 0.1.0
 * @category models
 */
export type HttpHandler<Body = unknown> = (
  body: Body,
  pathParams: HttpRouteRequest["params"],
  headers: HttpRouteRequest["headers"]
) => unknown

/**
 * One handler a route.
 *
 * @since 0.1.0
 * @category models
 */
export class PromiseRoutes {
  // A table of its own, so that a conflict is found when it is made, whether the server runs or not.
  readonly #table = HttpRoutes.make<HttpHandler>()
  readonly #routes = new Map<string, Route>()
  readonly #inProgress = new Set<() => void>()
  #register: ((route: Route) => void) | undefined

  /** Throws `RouteConflict` or `InvalidRoute`. */
  add(method: HttpMethod, path: string, handler: HttpHandler): void {
    const registered = runSync(this.#table.add(method, path, handler))
    const route: Route = { registered, handler, scope: undefined }
    this.#routes.set(key(method, path), route)
    this.#register?.(route)
  }

  /** Requests in progress are still answered; there may be no such route. */
  remove(method: HttpMethod, path: string): void {
    const route = this.#routes.get(key(method, path))
    if (route === undefined) return
    this.#routes.delete(key(method, path))
    this.#table.remove(route.registered)
    if (route.scope !== undefined) runSync(Scope.close(route.scope, Exit.void))
  }

  /** Registers the routes there are, and those to come, until the scope closes; requests in progress end with it. */
  attach(server: IPCServer.Service): Effect.Effect<void, never, Scope.Scope> {
    return Effect.flatMap(Effect.scope, (scope) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          this.#register = (route) => {
            const { method, path } = route.registered
            const handler = (request: HttpRouteRequest) => this.#answer(route.handler, request)
            route.scope = runSync(Scope.fork(scope, ExecutionStrategy.sequential))
            runSync(Scope.extend(server.interceptHttp(method, path, handler), route.scope))
          }
          for (const route of this.#routes.values()) this.#register(route)
        }),
        () =>
          Effect.sync(() => {
            this.#register = undefined
            for (const route of this.#routes.values()) route.scope = undefined
            for (const end of this.#inProgress) end()
          })
      )
    )
  }

  #answer(handler: HttpHandler, { body, bytes, headers, params }: HttpRouteRequest): Effect.Effect<unknown, unknown> {
    const result = settle(() => handler(parsed(body, bytes), params, headers))
    return isPromiseLike(result) ? this.#awaiting(result) : result
  }

  /**
   * A promise can't be interrupted, and its handler may well remove its own route (one that answers once): so removing
   * the route doesn't end it, only closing the server does.
   */
  #awaiting(promise: Promise<Exit.Exit<unknown, unknown>>): Effect.Effect<unknown, unknown> {
    if (this.#register === undefined) return Effect.interrupt
    return Effect.zipRight(
      uninterruptibleToTheEnd,
      Effect.async<unknown, unknown>((resume) => {
        const end = () => resume(Effect.interrupt)
        this.#inProgress.add(end)
        promise.then((exit) => {
          this.#inProgress.delete(end)
          resume(exit)
        })
      })
    )
  }
}

interface Route {
  readonly registered: HttpRoutes.RegisteredRoute
  readonly handler: HttpHandler
  /** That of its registration with the running server. */
  scope: Scope.CloseableScope | undefined
}

const key = (method: HttpMethod, path: string): string => `${method.toUpperCase()} ${path}`

/** What the gateway left as text or bytes may still be JSON; what it parsed is. */
const parsed = (body: unknown, bytes: Uint8Array): unknown => {
  if (typeof body !== "string" && !(body instanceof Uint8Array)) return body
  const text = decoder.decode(bytes)
  try {
    return JSON.parse(text)
  } catch {
    return typeof body === "string" ? body : text
  }
}

const decoder = new TextDecoder()

/** Unlike after Effect.uninterruptible, an interruption that came meanwhile isn't made up for at the end. */
const uninterruptibleToTheEnd = Effect.patchRuntimeFlags(RuntimeFlagsPatch.disable(RuntimeFlags.Interruption))
