/**
 * The gateway's own routes: find-my-way tables that routes come into and go from while requests are served.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type FindMyWay from "find-my-way"
import type { HttpMethod } from "../../src/HttpGateway.js"
import { InvalidRoute, RouteConflict } from "../../src/IPCError.js"
import { messageOf } from "../../src/internal/ErrorMessage.js"
import * as Lazily from "../Lazily.js"
import { pathOf } from "./RequestTarget.js"

/**
 * A route that a request matched, with what its `:name` and `*` stood for and the query as it came.
 *
 * @internal
 */
export interface Match<A> {
  readonly value: A
  readonly params: Readonly<Record<string, string | undefined>>
  readonly query: string
}

/**
 * Routes by method and path. A route of the request's own method is preferred to one for `ALL`; a HEAD without a route
 * of its own takes the GET's (RFC 9110 section 9.3.2).
 *
 * @internal
 */
export interface HttpRoutes<A> {
  /** Fails with `RouteConflict` when the method has this path already, `InvalidRoute` when find-my-way refuses it. */
  readonly add: (
    method: HttpMethod,
    path: string,
    value: A
  ) => Effect.Effect<RegisteredRoute, RouteConflict | InvalidRoute>
  readonly remove: (route: RegisteredRoute) => void
  readonly find: (method: string, url: string) => Match<A> | undefined
  /** Whether a route would match the URL, were its path percent-encoded as it should be (RFC 3986 section 2.1). */
  readonly takesMalformed: (method: string, url: string) => boolean
  /** The methods that have a route for the URL, for hints. */
  readonly methodsOf: (url: string) => ReadonlyArray<string>
}

/**
 * What `add` gives and `remove` takes.
 *
 * @internal
 */
export interface RegisteredRoute {
  readonly method: string
  readonly path: string
  readonly value: unknown
}

/**
 * find-my-way, for a gateway: a process without one doesn't load it.
 *
 * @internal
 */
export const load: Effect.Effect<typeof FindMyWay, NodeJS.ErrnoException> = Lazily.module(
  "find-my-way",
  async () => (await import("find-my-way")).default
)

/**
 * An empty table.
 *
 * @internal
 */
export const make = <A>(findMyWay: typeof FindMyWay): HttpRoutes<A> => {
  const registered = new Set<RegisteredRoute>()
  const specific = findMyWay(options)
  const all = findMyWay(options)
  let stale = false

  const insert = (route: RegisteredRoute) =>
    route.method === ALL
      ? all.on(METHOD_OF_ALL, route.path, noHandler, route.value)
      : specific.on(route.method as FindMyWay.HTTPMethod, route.path, noHandler, route.value)

  // find-my-way's own removal rebuilds its tables each time; one rebuild at the next look-up serves any number of removals.
  const refresh = () => {
    stale = false
    specific.reset()
    all.reset()
    for (const route of registered) insert(route)
  }

  const lookup = (router: FindMyWay.Instance<FindMyWay.HTTPVersion.V1>, method: string, url: string) =>
    router.find(method as FindMyWay.HTTPMethod, url)

  const find = (method: string, url: string): Match<A> | undefined => {
    if (registered.size === 0) return undefined
    if (stale) refresh()
    const found =
      lookup(specific, method, url) ??
      (method === "HEAD" ? lookup(specific, "GET", url) : null) ??
      lookup(all, METHOD_OF_ALL, url)
    if (found === null) return undefined
    return { value: found.store, params: found.params, query: found.searchParams as unknown as string }
  }

  return {
    find,
    takesMalformed: (method, url) => {
      if (!url.includes("%")) return false
      const path = pathOf(url)
      return !isWellFormed(path) && find(method, path.replaceAll("%", "%25")) !== undefined
    },
    add: (method, path, value) =>
      Effect.suspend((): Effect.Effect<RegisteredRoute, RouteConflict | InvalidRoute> => {
        if (stale) refresh()
        const route: RegisteredRoute = { method: method.toUpperCase(), path, value }
        try {
          insert(route)
          registered.add(route)
          return Effect.succeed(route)
        } catch (error) {
          // A path with an optional part is two paths; the first may be in when the second is refused.
          stale = true
          const issue = messageOf(error).replace(/\.+$/, "")
          return issue.includes("already declared")
            ? Effect.fail(new RouteConflict({ method: route.method, path }))
            : Effect.fail(new InvalidRoute({ method: route.method, path, issue }))
        }
      }),
    remove: (route) => {
      if (registered.delete(route)) stale = true
    },
    methodsOf: (url) => {
      const methods = new Set<string>()
      for (const route of registered) methods.add(route.method)
      return [...methods].filter((method) =>
        method === ALL ? lookup(all, METHOD_OF_ALL, url) !== null : lookup(specific, method, url) !== null
      )
    }
  }
}

const isWellFormed = (path: string): boolean => {
  try {
    decodeURIComponent(path)
    return true
  } catch {
    return false
  }
}

const ALL = "ALL"

// The table of the routes for every method needs some method, always the same.
const METHOD_OF_ALL = "GET"

const options: FindMyWay.Config<FindMyWay.HTTPVersion.V1> = {
  // As long as any URL that Node takes in: by default, a parameter over 100 characters matches nothing.
  maxParamLength: 16_384,
  querystringParser: (query) => query
}

const noHandler = () => {}
