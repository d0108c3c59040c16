/**
 * The routes of a bucket as a process sees them that takes no part: it registers nothing, and never leads.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Route } from "../DiscoveryEntry.js"
import type { Member } from "../discovery/Member.js"
import * as MemberStrategies from "../discovery/MemberStrategies.js"
import * as RegistryLimits from "../discovery/RegistryLimits.js"
import * as RouteCache from "../discovery/RouteCache.js"
import * as RouteTable from "../discovery/RouteTable.js"
import { millisOf } from "../internal/MonotonicTime.js"
import type { Bucket } from "./Bucket.js"
import * as BucketView from "./BucketView.js"
import { OwnerRoutes, ownerKey } from "./OwnerRoutes.js"

export interface LeaseObserver extends Pick<Member, "known" | "strategyOf" | "onStrategySet"> {
  readonly routes: Effect.Effect<ReadonlyArray<Route>>
  /**
   * Completes once each owner in the bucket has renewed its record or has been silent for too long: what dead processes had
   * registered is still there at first.
   */
  readonly settled: Effect.Effect<void>
}

/**
 * Watches until the scope closes. While the bucket can't be reached it keeps what it knows.
 */
export const make: (bucket: Bucket, isConnected: () => boolean) => Effect.Effect<LeaseObserver, never, Scope.Scope> =
  Effect.fnUntraced(function* (bucket, isConnected) {
    const clock = yield* Effect.clock
    const { maxEntries } = RegistryLimits.make(undefined)
    const table = yield* RouteTable.make()
    const known = yield* RouteCache.make(maxEntries)
    const owners = new OwnerRoutes(table, maxEntries, known.learn)
    const view = yield* BucketView.make(bucket, patience, (entry) => {
      owners.take(entry)
    })
    const strategies = MemberStrategies.make({})
    let wasConnected = true

    const abandonSilent = Effect.sync(() => {
      const isBack = !wasConnected && isConnected()
      wasConnected = isConnected()
      if (isBack) view.restartSilence()
      if (!wasConnected) return
      const isAny = owners.abandonSilent(({ name }) => {
        const seen = view.get(ownerKey(name))
        return seen === undefined ? undefined : millisOf(clock) - seen.since
      }, maxInterval)
      if (isAny) view.announce()
    })
    yield* abandonSilent.pipe(Effect.delay("200 millis"), Effect.forever, Effect.interruptible, Effect.forkScoped)

    return {
      known,
      routes: Effect.sync(() => table.routes()),
      settled: view.until(() => {
        const listedAt = view.currentSince()
        if (listedAt === undefined) return undefined
        for (const { name, record } of owners.owners.values()) {
          if (record !== undefined && (view.get(ownerKey(name))?.since ?? 0) <= listedAt) return undefined
        }
        return Effect.void
      }),
      strategyOf: strategies.of,
      onStrategySet: strategies.onSet
    }
  })

/** How long the list of all that is in the bucket may take. */
const patience = Duration.seconds(5)

/** The longest interval between renewals that an owner is waited for, in milliseconds. */
const maxInterval = 100_000
