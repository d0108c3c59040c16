/**
 * Which requests are for an api, and how a mocked api is registered.
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
  /** Registers a mocked api until the scope closes, so that `discover` finds it. */
  readonly register: (
    api: string
  ) => Effect.Effect<void, InvalidEntry | RegistryLimitExceeded | EntryUnsupported | RequestError, Scope.Scope>
}

export const make = (discovery: Discovery.Service): ApiRequests => ({
  isFor: (api, path) =>
    Effect.map(discovery.routes, (all) => {
      const routes = all.filter((route) => route.baseUrl !== NO_INSTANCE)
      const longest = routes.filter((route) => isBelow(route.pathPrefix, path)).reduce(longer, undefined)
      if (longest === undefined) return !routes.some((route) => route.api === api) && isBelow(`/${api}`, path)
      return routes.some((route) => route.api === api && route.pathPrefix === longest.pathPrefix)
    }),
  register: (api) =>
    discovery.register([{ api, baseUrl: NO_INSTANCE, pathPrefix: `/__intercepted/${encodeURIComponent(api)}` }])
})

/** Whether the path has the prefix, by whole segments. */
export const isBelow = (prefix: string, path: string): boolean =>
  prefix === "/" || path === prefix || path.startsWith(`${prefix}/`)

const longer = (longest: Route | undefined, route: Route): Route =>
  longest === undefined || route.pathPrefix.length > longest.pathPrefix.length ? route : longest

/** Stands for the instance of a mocked api. Nothing is routed there; the domain never resolves (RFC 6761 section 6.4). */
const NO_INSTANCE = "http://intercepted.invalid"
