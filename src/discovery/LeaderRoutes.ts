/**
 * A follower's view of the leader's routes: asked for by pages, and kept current by the leader's messages.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import type { Route, RouteChange } from "../DiscoveryEntry.js"
import { isPlain, validateAny } from "../DiscoveryEntry.js"
import type { IPCClient } from "../IPCClient.js"
import type { RequestError } from "../IPCError.js"
import type { RequestOptions } from "../IPCRequest.js"
import { detached } from "../internal/Detached.js"
import * as Protocol from "./DiscoveryProtocol.js"
import type { RouteCache } from "./RouteCache.js"

export interface Whole {
  /** The version of the first page: later changes make the routes current. */
  readonly version: number
  readonly routes: ReadonlyArray<Route>
  /** Whether they are all that participants have registered: a leader of an earlier version doesn't keep every kind. */
  readonly all: boolean
}

/** All routes, or an api's. */
export const fetch = (
  client: IPCClient.Service,
  maxRoutes: number,
  api?: string,
  options?: RequestOptions
): Effect.Effect<ReadonlyArray<Route>, RequestError> =>
  Effect.catchTag(
    Effect.map(fetchPages(client, { watch: false, api, maxRoutes }, options), ({ routes }) => routes),
    "NoHandler",
    () =>
      Effect.map(client.request(Protocol.GetRoutes, undefined, options), (routes) =>
        api === undefined ? routes : routes.filter((route) => route.api === api)
      )
  )

/** All routes; from then on every change comes as a message. A leader of version 0.1 knows no pages. */
export const fetchWatched = (client: IPCClient.Service, maxRoutes: number): Effect.Effect<Whole, RequestError> =>
  Effect.catchTag(fetchPages(client, { watch: true, maxRoutes }), "NoHandler", () =>
    Effect.map(client.request(Protocol.Watch), (watched) => ({ ...watched, all: false }))
  )

/** Keeps the cache as the leader's registry is, until the scope closes. Done once it is. */
export const follow: (
  client: IPCClient.Service,
  cache: RouteCache,
  maxRoutes: number
) => Effect.Effect<void, RequestError, Scope.Scope> = Effect.fnUntraced(function* (client, cache, maxRoutes) {
  const scope = yield* Effect.scope
  /** The changes that came before the whole did; none once it is there. */
  let early: Array<{ readonly version: number; readonly changes: ReadonlyArray<RouteChange> }> | undefined = []
  let earlyChanges = 0
  let missed = false

  /** The route as an entry would be, in the spelling of this version: this participant may come to route by it. */
  const accepted = (route: Route): ReadonlyArray<Route> => {
    // It was validated when it became known: a new leader repeats what the last one told.
    if (cache.has(route)) return [route]
    const valid = validateAny(route)
    if (Either.isLeft(valid) || route.owner.length > maxNameLength) return []
    return [{ ...route, ...valid.right }]
  }

  const fetchWhole: Effect.Effect<void, RequestError> = Effect.suspend(() => {
    early = []
    earlyChanges = 0
    missed = false
    // An original leader can't be watched. It is followed all the same.
    const fetched = Effect.catchTag(fetchWatched(client, maxRoutes), "NoHandler", () =>
      Effect.succeed<Whole>({ version: 0, routes: [], all: false })
    )
    return Effect.flatMap(fetched, ({ all, routes, version }) => {
      if (missed) return fetchWhole
      // Of what such a leader doesn't keep, the last known is the best there is.
      const kept = all ? [] : cache.routes().filter((route) => !isPlain(route))
      cache.replace([...routes.flatMap(accepted), ...kept])
      for (const message of early ?? []) if (message.version > version) cache.learn(message.changes)
      early = undefined
      return Effect.void
    })
  })

  /** After a pause: where changes come faster than this follower reads, so would this. */
  let isFetching = false
  const fetchAgain = Effect.suspend(() => {
    isFetching = false
    return Effect.ignore(fetchWhole)
  }).pipe(Effect.delay(missedPause))

  yield* client.handle(Protocol.Changed, ({ changes, missed: missedBefore = false, version }) => {
    const known = changes.flatMap((change) => accepted(change.route).map((route) => ({ ...change, route })))
    if (early === undefined) {
      cache.learn(known)
      // The election handles the end of the connection.
      if (!missedBefore || isFetching) return Effect.void
      isFetching = true
      return Effect.asVoid(Effect.forkIn(detached(fetchAgain), scope))
    }
    earlyChanges += known.length
    missed ||= missedBefore || earlyChanges > maxRoutes
    if (missed) early = []
    else early.push({ version, changes: known })
    return Effect.void
  })
  yield* fetchWhole
})

const fetchPages = (
  client: IPCClient.Service,
  { api, maxRoutes, watch }: { readonly watch: boolean; readonly api?: string | undefined; readonly maxRoutes: number },
  options?: RequestOptions
): Effect.Effect<Whole, RequestError> =>
  Effect.gen(function* () {
    const routes: Array<Route> = []
    let version: number | undefined
    let after = 0
    while (true) {
      const payload = { after, watch: watch && after === 0, all: true, ...(api === undefined ? {} : { api }) }
      const page = yield* client.request(Protocol.RoutePage, payload, options)
      version ??= page.version
      for (const route of page.routes) routes.push(Protocol.received(route))
      // Bounded, whatever the peer answers.
      const goesOn = page.routes.length > 0 && routes.length < maxRoutes
      if (page.next === undefined || page.next <= after || !goesOn) return { version, routes, all: page.all === true }
      after = page.next
    }
  })

const missedPause = Duration.millis(200)

/** Longer than any owner's name, in characters. */
const maxNameLength = 512
