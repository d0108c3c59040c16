/**
 * Which requests are for an api, and how a mocked api is registered.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Discovery } from "../../src/Discovery.js"
import type { InvalidEntry, Route } from "../../src/DiscoveryEntry.js"
import type { EntryUnsupported, RegistryLimitExceeded, RequestError } from "../../src/IPCError.js"

/** The apis of one gateway, as interceptors need them. */
export interface ApiRequests {
  /** Whether a request is for the api: by the longest prefix that matches its path, as the gateway would route it. */
  readonly isFor: (api: string, path: string) => Effect.Effect<boolean, RequestError>
  /** The prefix that the gateway takes off the path on its way to the api; `undefined` where it takes off none. */
  readonly strippedPrefix: (api: string, path: string) => Effect.Effect<string | undefined, RequestError>
  /** The longest prefix of a registered service that the path is below; `undefined` where there is none. */
  readonly prefixOf: (path: string) => Effect.Effect<string | undefined, RequestError>
  /** Registers a mocked api until the scope closes, so that `discover` finds it. */
  readonly register: (
    api: string
  ) => Effect.Effect<void, InvalidEntry | RegistryLimitExceeded | EntryUnsupported | RequestError, Scope.Scope>
}

export const make = (discovery: Discovery.Service): ApiRequests => ({
  isFor: (api, path) =>
    Effect.map(realRoutes(discovery), (routes) => {
      const longest = longestOf(routes, path)
      if (longest === undefined) return !routes.some((route) => route.api === api) && isBelow(`/${api}`, path)
      return routes.some((route) => route.api === api && route.pathPrefix === longest.pathPrefix)
    }),
  strippedPrefix: (api, path) =>
    Effect.map(realRoutes(discovery), (routes) => {
      const longest = longestOf(routes, path)?.pathPrefix
      return routes.find((route) => route.api === api && route.pathPrefix === longest && route.stripPrefix === true)
        ?.pathPrefix
    }),
  prefixOf: (path) => Effect.map(realRoutes(discovery), (routes) => longestOf(routes, path)?.pathPrefix),
  register: (api) =>
    discovery.register([{ api, baseUrl: NO_INSTANCE, pathPrefix: `/__intercepted/${encodeURIComponent(api)}` }])
})

/** Whether the path has the prefix, by whole segments. */
export const isBelow = (prefix: string, path: string): boolean =>
  prefix === "/" || path === prefix || path.startsWith(`${prefix}/`)

const realRoutes = (discovery: Discovery.Service) =>
  Effect.map(discovery.routes, (all) => all.filter((route) => route.baseUrl !== NO_INSTANCE))

const longestOf = (routes: ReadonlyArray<Route>, path: string): Route | undefined =>
  routes.filter((route) => isBelow(route.pathPrefix, path)).reduce(longer, undefined)

const longer = (longest: Route | undefined, route: Route): Route =>
  longest === undefined || route.pathPrefix.length > longest.pathPrefix.length ? route : longest

/** Stands for the instance of a mocked api. Nothing is routed there; the domain never resolves (RFC 6761 section 6.4). */
const NO_INSTANCE = "http://intercepted.invalid"
