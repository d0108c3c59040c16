/**
 * The participants' records in the bucket: this one's own as it writes and renews them, all others' as its watch tells.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Entry, InvalidEntry } from "../DiscoveryEntry.js"
import { keyOf } from "../discovery/EntryKey.js"
import type { LocalRegistrations } from "../discovery/LocalRegistrations.js"
import { boundedRelease } from "../internal/BoundedRelease.js"
import { millisOf } from "../internal/MonotonicTime.js"
import type * as RoutingStrategy from "../RoutingStrategy.js"
import type { Bucket } from "./Bucket.js"
import * as BucketView from "./BucketView.js"
import { EntryRecord, entryKey, type Owner, OwnerRecord, type OwnerRoutes, ownerKey, silenceOf } from "./OwnerRoutes.js"

export interface RecordsOptions {
  /** This participant's name, which owns its entries. */
  readonly runtimeId: string
  /** In milliseconds. */
  readonly lease: number
  /** How long the bucket keeps an entry that isn't written again, in milliseconds; it doesn't tell when it drops one. */
  readonly maxAge: number
  /** What others are told in place of an entry's base URL, or why none can be. */
  readonly advertised: (entry: Entry) => Either.Either<Entry, InvalidEntry>
  /** What this participant has registered: the bucket is made to have it. */
  readonly registrations: LocalRegistrations
  /** Takes every write that the watch tells. */
  readonly routes: OwnerRoutes
}

export interface Records {
  readonly view: BucketView.BucketView
  /** Tells this run of the participant from others by its name. */
  readonly run: string
  /** Waits until all that was in the bucket at the start has been seen. */
  readonly isCurrent: Effect.Effect<void>
  /** Waits until the entries are in the bucket, or are not, as the registrations have it. */
  readonly settled: (entries: ReadonlyArray<Entry>) => Effect.Effect<void>
  /** Whether another process takes part by this participant's name, so that this one's entries aren't routed. */
  readonly isReplaced: () => boolean
  /** Tells the others this participant's strategy of an api; done once the bucket has it. */
  readonly setStrategy: (api: string, name: RoutingStrategy.RoutingStrategyName) => Effect.Effect<void>
}

/** All participants together renew so often at most, once in so many milliseconds: each of them is told of every renewal. */
const renewalSpacing = 10

/** After a write that failed, before the next. */
const writePause = Schedule.exponential("50 millis").pipe(
  Schedule.union(Schedule.spaced("1 second")),
  Schedule.jittered
)

/**
 * Until the scope closes: from then on the others know that this participant has left.
 */
export const make: (bucket: Bucket, options: RecordsOptions) => Effect.Effect<Records, never, Scope.Scope> =
  Effect.fnUntraced(function* (bucket, options) {
    const { advertised, lease, maxAge, registrations, routes, runtimeId } = options
    const scope = yield* Effect.scope
    const clock = yield* Effect.clock
    const now = () => millisOf(clock)
    const run = (yield* Random.nextIntBetween(36 ** 5, 36 ** 6)).toString(36) + (yield* Random.nextInt).toString(36)

    /** The number of each entry's key: an entry that is registered again has the same. */
    const numbers = new Map<string, number>()
    /** The keys that this process has written, and hasn't removed. */
    const written = new Set<string>()
    /** The strategies that this participant has set. */
    const strategies = new Map<string, RoutingStrategy.RoutingStrategyName>()
    const ownKey = ownerKey(runtimeId)
    /** How often this participant renews, in milliseconds. */
    let every = lease / 3
    /** Whether the bucket may differ from what this participant wants of it. */
    let unsettled = true
    /** When this participant last saw a renewal of its own: what others wrote until then, it has seen. */
    const maxInterval = 10 * lease
    let inContactAt = now()

    const view = yield* BucketView.make(bucket, Duration.millis(lease), (entry) => {
      const owner = routes.take(entry)
      if (owner?.name !== runtimeId) return
      unsettled = true
      if (entry.key !== ownKey || owner.record?.run !== run) return
      // It may have missed the others' renewals as well as its own.
      if (now() - inContactAt > 2 * every) view.restartSilence()
      inContactAt = now()
    })
    const isCurrent = view.until(() => (view.currentSince() === undefined ? undefined : Effect.void))

    const self = (): Owner | undefined => routes.owners.get(runtimeId)
    const isRegistered = (): boolean => self()?.record?.run === run
    const isReplaced = (): boolean => {
      const record = self()?.record
      const seen = view.get(ownKey)
      if (record === undefined || record.run === run || seen === undefined) return false
      return now() - seen.since < silenceOf(record, maxInterval)
    }

    const touch = Effect.sync(() => {
      unsettled = true
      view.announce()
    })

    /** Renews this participant's own record, and takes it where another process of the same name left it. */
    const keepRenewing = Effect.gen(function* () {
      yield* isCurrent
      let wasReplaced = false
      /** Another process holds the name, and renews: it is left to that one. */
      const hasYielded = () => wasReplaced && isReplaced()
      const renew = Effect.suspend(() => {
        if (hasYielded()) return Effect.void
        every = Math.max(lease / 3, routes.owners.size * renewalSpacing)
        const value = encodeOwner({ run, every, strategies: Object.fromEntries(strategies) })
        return Effect.tap(put(ownKey, value), () =>
          Effect.sync(() => {
            wasReplaced = false
          })
        )
      })
      const noticeReplacement = Effect.suspend(() => {
        const record = self()?.record
        if (record === undefined || record.run === run || wasReplaced) return Effect.void
        wasReplaced = true
        return logReplaced(runtimeId)
      })
      let registered = false
      while (true) {
        const renewed = yield* Effect.either(renew)
        if (Either.isRight(renewed)) {
          registered ||= isRegistered()
          const wanted = JSON.stringify(Array.from(strategies))
          const toldNothingNew = view.until(() =>
            JSON.stringify(Array.from(strategies)) === wanted && (isRegistered() || !registered || hasYielded())
              ? undefined
              : Effect.void
          )
          yield* Effect.raceFirst(Effect.sleep(Duration.millis(every)), toldNothingNew)
          if (registered) yield* noticeReplacement
        } else {
          if (registered) yield* noticeReplacement
          yield* Effect.sleep(Duration.millis(Math.min(lease / 12, 250)))
        }
      }
    })

    /**
     * Writes on condition of what the view has of the key, or removes it. Where the view isn't told of it, the watch has lost
     * something, or the bucket has dropped the key for its age.
     */
    const put = (key: string, value: string | undefined) =>
      Effect.suspend(() => {
        const expected = view.get(key)?.revision ?? 0
        const write = value === undefined ? bucket.remove(key, expected) : bucket.write(key, value, expected)
        return write.pipe(
          Effect.tap((revision) => view.awaitWrite(key, (seen) => (seen?.revision ?? 0) >= revision, lease / 3)),
          Effect.tapErrorTag("RevisionMismatch", () =>
            view.awaitWrite(key, (seen) => (seen?.revision ?? 0) !== expected, lease / 12)
          )
        )
      })

    const numberOf = (key: string): number => {
      const number = numbers.get(key) ?? numbers.size
      numbers.set(key, number)
      return number
    }

    /** Makes the bucket have what is registered here, and nothing else in this participant's name. */
    const settle = Effect.suspend(() => {
      const wanted = new Map(
        registrations.entries().flatMap((entry) => {
          const told = Either.getOrUndefined(advertised(entry))
          return told === undefined ? [] : [[entryKey(runtimeId, numberOf(keyOf(entry))), told] as const]
        })
      )
      const held = self()?.entries ?? new Map()
      const writes: Array<Effect.Effect<unknown, unknown>> = []
      for (const [key, entry] of wanted) {
        const there = held.get(key)
        const isFresh = now() - (view.get(key)?.since ?? 0) < maxAge / 3
        if (isFresh && there?.run === run && keyOf(there.entry) === keyOf(entry)) continue
        const value = encodeEntry({ run, entry })
        written.add(key)
        writes.push(put(key, value))
      }
      // Also what the bucket has dropped for its age: others may have seen it before, and nothing else tells them.
      for (const key of new Set([...held.keys(), ...written])) {
        if (wanted.has(key)) continue
        writes.push(Effect.tap(put(key, undefined), () => Effect.sync(() => written.delete(key))))
      }
      return Effect.forEach(writes, (write) => write, { concurrency: 16, discard: true })
    })

    /** Has the entries written again well before the bucket drops them. */
    const keepFresh = Effect.forever(Effect.zipRight(Effect.sleep(Duration.millis(maxAge / 12)), touch))

    const keepSettled = Effect.forever(
      Effect.zipRight(
        view.until(() => (unsettled && isRegistered() ? Effect.void : undefined)),
        Effect.suspend(() => {
          unsettled = false
          return Effect.tapError(settle, () =>
            Effect.sync(() => {
              unsettled = true
            })
          )
        }).pipe(Effect.retry(writePause), Effect.ignore)
      )
    )

    /** A participant that doesn't see its own renewals doesn't see the others' either, and keeps what it knows. */
    const abandonSilent = Effect.sync(() => {
      if (now() - inContactAt > 2 * every) return
      routes.abandonSilent(({ name }) => (name === runtimeId ? undefined : silentFor(name)), maxInterval)
    })

    const silentFor = (owner: string): number | undefined => {
      const seen = view.get(ownerKey(owner))
      return seen === undefined ? undefined : now() - seen.since
    }

    /** The others know by its record that it has left; its entries are removed lest they be kept for nothing. */
    const leave = Effect.suspend(() => {
      const removals = [ownKey, ...(self()?.entries.keys() ?? [])].map((key) =>
        Effect.ignore(bucket.remove(key, view.get(key)?.revision ?? 0))
      )
      return isRegistered() ? Effect.all(removals, { concurrency: 16, discard: true }) : Effect.void
    })

    yield* Effect.addFinalizer(() => boundedRelease(leave, BucketView.releasePatience))
    const renewing = yield* Effect.forkIn(Effect.interruptible(keepRenewing), scope)
    const settling = yield* Effect.forkIn(Effect.interruptible(keepSettled), scope)
    yield* Effect.forkScoped(Effect.interruptible(keepFresh))
    yield* abandonSilent.pipe(
      Effect.delay(Duration.millis(lease / 6)),
      Effect.forever,
      Effect.interruptible,
      Effect.forkScoped
    )
    yield* Effect.addFinalizer(() => Fiber.interruptAll([renewing, settling]))

    /** Waits until the entries are in the bucket, or are not, as registrations now have it. */
    const settled = (entries: ReadonlyArray<Entry>): Effect.Effect<void> => {
      let next = 0
      return Effect.zipRight(
        touch,
        view.until(() => {
          const routed = isRegistered() ? self()?.routed : undefined
          // From the one on that wasn't when it looked last: it looks at every write, of which each entry has one.
          for (let looked = 0; looked < entries.length; looked++) {
            const entry = entries[next] as Entry
            const told = Either.getOrElse(advertised(entry), () => entry)
            if (registrations.has(entry) !== (routed?.has(keyOf(told)) ?? false)) return undefined
            next = (next + 1) % entries.length
          }
          return Effect.void
        })
      )
    }

    const records: Records = {
      view,
      run,
      isCurrent,
      isReplaced,
      settled,
      setStrategy: (api, name) =>
        Effect.suspend(() => {
          strategies.set(api, name)
          const told = view.until(() => (self()?.record?.strategies?.[api] === name ? Effect.void : undefined))
          return Effect.zipRight(touch, told)
        })
    }
    return records
  })

const encodeOwner = Schema.encodeSync(OwnerRecord)
const encodeEntry = Schema.encodeSync(EntryRecord)

const logReplaced = (runtimeId: string) =>
  Effect.logWarning(
    `Another process takes part as ${runtimeId}; this one's entries aren't routed while that one does. Give each participant a runtimeId of its own.`
  )
