/**
 * The routes as a participant last heard of them: what it tells its program of, and inherits when it comes to lead.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Route, RouteChange } from "../DiscoveryEntry.js"
import { keyOf } from "./LocalRegistrations.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface RouteCache {
  readonly routes: () => ReadonlyArray<Route>
  readonly learn: (changes: ReadonlyArray<RouteChange>) => void
  readonly forget: (isGone: (route: Route) => boolean) => void
  /** What a new leader says, from now on. */
  readonly view: () => LeaderView
  /** What is news here: a route that a new leader repeats isn't. Ends with the scope. */
  readonly changes: Stream.Stream<RouteChange>
}

/**
 * One leader's routes, which come as a whole, and its changes, which may come before that: then those that are in the
 * whole already don't count.
 *
 * @since 0.1.0
 * @category models
 */
export interface LeaderView {
  readonly onChanged: (news: { readonly version: number; readonly changes: ReadonlyArray<RouteChange> }) => void
  readonly onWatched: (watched: { readonly version: number; readonly routes: ReadonlyArray<Route> }) => void
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<RouteCache, never, Scope.Scope> = Effect.gen(function* () {
  const events = yield* Effect.acquireRelease(PubSub.unbounded<RouteChange>(), PubSub.shutdown)
  const known = new Map<string, Route>()

  const learn = (changes: ReadonlyArray<RouteChange>): void => {
    for (const change of changes) {
      const key = ownedKeyOf(change.route)
      const isNews = known.has(key) === (change._tag === "Unregistered")
      if (change._tag === "Registered") known.set(key, change.route)
      else known.delete(key)
      if (isNews) events.unsafeOffer(change)
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
        const present = new Set(routes.map(ownedKeyOf))
        forget((route) => !present.has(ownedKeyOf(route)))
        learn(routes.map((route) => ({ _tag: "Registered", route })))
        since = version
        early.forEach(onChanged)
      }
    }
  }

  return { routes: () => Array.from(known.values()), learn, forget, view, changes: Stream.fromPubSub(events) }
})

const ownedKeyOf = (route: Route): string => `${route.owner}\n${keyOf(route)}`
