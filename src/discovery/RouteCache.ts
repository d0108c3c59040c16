/**
 * The routes as a participant last heard of them: what it tells its program of, and what it starts from when it comes to
 * lead.
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
  readonly learn: (changes: ReadonlyArray<RouteChange>) => void
  readonly forget: (isGone: (route: Route) => boolean) => void
  /** For the routes and changes that a new leader sends. */
  readonly view: () => LeaderView
  /** The changes that are new to this participant: a route that a new leader repeats isn't. Ends with the scope. */
  readonly changes: Stream.Stream<RouteChange>
}

/**
 * One leader's routes, which come as a whole, and its changes. Changes that come before the whole count only where the
 * whole doesn't include them.
 */
export interface LeaderView {
  readonly onChanged: (news: { readonly version: number; readonly changes: ReadonlyArray<RouteChange> }) => void
  readonly onWatched: (watched: { readonly version: number; readonly routes: ReadonlyArray<Route> }) => void
}

export const make: Effect.Effect<RouteCache, never, Scope.Scope> = Effect.gen(function* () {
  const news = new Events<RouteChange>()
  yield* Effect.addFinalizer(() => news.shutdown)
  const known = new Map<string, Route>()

  const learn = (changes: ReadonlyArray<RouteChange>): void => {
    for (const change of changes) {
      const key = routeKeyOf(change.route)
      const isNews = known.has(key) === (change._tag === "Unregistered")
      if (change._tag === "Registered") known.set(key, change.route)
      else known.delete(key)
      if (isNews) news.publish(change)
    }
  }

  const forget = (isGone: (route: Route) => boolean): void =>
    learn(Array.from(known.values()).flatMap((route) => (isGone(route) ? [{ _tag: "Unregistered", route }] : [])))

  const view = (): LeaderView => {
    const early: Array<Parameters<LeaderView["onChanged"]>[0]> = []
    let since: number | undefined
    const onChanged: LeaderView["onChanged"] = (news) => {
      if (since === undefined) early.push(news)
      else if (news.version > since) learn(news.changes)
    }
    return {
      onChanged,
      onWatched: ({ routes, version }) => {
        const present = new Set(routes.map(routeKeyOf))
        forget((route) => !present.has(routeKeyOf(route)))
        learn(routes.map((route) => ({ _tag: "Registered", route })))
        since = version
        early.forEach(onChanged)
      }
    }
  }

  return { routes: () => Array.from(known.values()), learn, forget, view, changes: news.stream }
})

const routeKeyOf = (route: Route): string => ownedKeyOf(route.owner, route)
