/**
 * The latest routes that a participant knows: it reports their changes to its program, and starts from them when it
 * becomes the leader.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Route, RouteChange } from "../DiscoveryEntry.js"
import { Events } from "../internal/Events.js"
import { ownedKeyOf } from "./EntryKey.js"

export interface RouteCache {
  readonly routes: () => ReadonlyArray<Route>
  /** Whether this entry of this owner is known. The rest of the route may differ. */
  readonly has: (route: Route) => boolean
  readonly learn: (changes: ReadonlyArray<RouteChange>) => void
  readonly forget: (isGone: (route: Route) => boolean) => void
  /** These are all the routes that there are. */
  readonly replace: (routes: ReadonlyArray<Route>) => void
  /** A route that is wanted, if there is any. */
  readonly find: (isWanted: (route: Route) => boolean) => Route | undefined
  /** Calls back at once with every route that is added, added again or removed. The returned function ends that. */
  readonly subscribe: (listener: (change: RouteChange) => void) => () => void
  /** The changes that are new to this participant: a route that a new leader repeats isn't. Ends with the scope. */
  readonly changes: Stream.Stream<RouteChange>
}

/** Keeps no more routes than this; further ones are learned when there is room again. */
export const make = (maxRoutes: number): Effect.Effect<RouteCache, never, Scope.Scope> =>
  Effect.gen(function* () {
    const events = new Events<RouteChange>()
    yield* Effect.addFinalizer(() => events.shutdown)
    const known = new Map<string, Route>()
    const listeners = new Set<(change: RouteChange) => void>()
    const announce = (change: RouteChange): void => {
      for (const listener of listeners) listener(change)
    }

    const learn = (changes: ReadonlyArray<RouteChange>): void => {
      for (const change of changes) {
        const key = routeKeyOf(change.route)
        const isKnown = known.has(key)
        if (change._tag === "Unregistered") {
          if (!known.delete(key)) continue
          announce(change)
          events.publish(change)
        } else if (isKnown || known.size < maxRoutes) {
          known.set(key, change.route)
          announce(change)
          if (!isKnown) events.publish(change)
        }
      }
    }

    const forget = (isGone: (route: Route) => boolean): void =>
      learn(Array.from(known.values()).flatMap((route) => (isGone(route) ? [{ _tag: "Unregistered", route }] : [])))

    const cache: RouteCache = {
      routes: () => Array.from(known.values()),
      has: (route) => known.get(routeKeyOf(route))?.kind === route.kind,
      find: (isWanted) => {
        for (const route of known.values()) if (isWanted(route)) return route
        return undefined
      },
      learn,
      forget,
      replace: (routes) => {
        const present = new Set(routes.map(routeKeyOf))
        forget((route) => !present.has(routeKeyOf(route)))
        learn(routes.map((route) => ({ _tag: "Registered", route })))
      },
      subscribe: (listener) => {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
      changes: events.stream
    }
    return cache
  })

const routeKeyOf = (route: Route): string => ownedKeyOf(route.owner, route)
