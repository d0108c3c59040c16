/**
 * What services need of their participant.
 *
 * @internal
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { EndpointEntry, InvalidEntry } from "../DiscoveryEntry.js"
import type { EntryUnsupported, RegistryLimitExceeded, RequestError } from "../IPCError.js"
import type * as RoutingStrategy from "../RoutingStrategy.js"
import * as DiscoveryService from "./DiscoveryService.js"
import type { MemberStrategies } from "./MemberStrategies.js"
import type { RouteCache } from "./RouteCache.js"

export interface Member {
  readonly runtimeId: string
  readonly known: RouteCache
  /** Registers an endpoint until the scope closes. */
  readonly registerEndpoint: (
    entry: EndpointEntry
  ) => Effect.Effect<void, InvalidEntry | RegistryLimitExceeded | EntryUnsupported | RequestError, Scope.Scope>
  /** The api's strategy, by the name that the leader gives it. */
  readonly strategyOf: (api: string, name: string | undefined) => RoutingStrategy.RoutingStrategy
  /** Calls back when this participant sets a strategy. The returned function ends that. */
  readonly onStrategySet: (listener: () => void) => () => void
}

export const make = (
  runtimeId: string,
  known: RouteCache,
  strategies: MemberStrategies,
  primitives: DiscoveryService.Primitives
): Member => ({
  runtimeId,
  known,
  registerEndpoint: (entry) => DiscoveryService.hold(primitives, [entry]),
  strategyOf: strategies.of,
  onStrategySet: strategies.onSet
})
