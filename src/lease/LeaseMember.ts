/**
 * Discovery and the election over a bucket: a participant keeps its own records in it, and sees all others' by one watch.
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
import { defaultRequestTimeoutMillis, timeoutMillis } from "../connection/IPCSocketOptions.js"
import type { Discovery } from "../Discovery.js"
import type { Entry, InvalidEntry } from "../DiscoveryEntry.js"
import type { Member } from "../discovery/DiscoveryMember.js"
import * as DiscoveryService from "../discovery/DiscoveryService.js"
import { keyOf } from "../discovery/EntryKey.js"
import * as LocalRegistrations from "../discovery/LocalRegistrations.js"
import * as RegistryLimits from "../discovery/RegistryLimits.js"
import * as RouteCache from "../discovery/RouteCache.js"
import * as RouteTable from "../discovery/RouteTable.js"
import * as StrategyLog from "../discovery/StrategyLog.js"
import { RequestTimeout } from "../IPCError.js"
import type { RequestOptions } from "../IPCRequest.js"
import { boundedRelease } from "../internal/BoundedRelease.js"
import { millisOf } from "../internal/MonotonicTime.js"
import type { LeaderElection } from "../LeaderElection.js"
import * as RoutingStrategy from "../RoutingStrategy.js"
import type { Bucket } from "./Bucket.js"
import * as BucketView from "./BucketView.js"
import * as LeaseElection from "./LeaseElection.js"
import { EntryRecord, entryKey, type Owner, OwnerRecord, OwnerRoutes, ownerKey } from "./OwnerRoutes.js"

export interface LeaseMemberOptions {
  /** This participant's name, which owns its entries. */
  readonly runtimeId: string
  /** In milliseconds. */
  readonly lease: number
  /** How long the bucket keeps an entry that isn't written again, in milliseconds; it tells nobody when it drops one. */
  readonly maxAge: number
  readonly strategy?: RoutingStrategy.RoutingStrategy | undefined
  readonly strategies?: Readonly<Record<string, RoutingStrategy.RoutingStrategy>> | undefined
  readonly limits?: RegistryLimits.RegistryLimits | undefined
  /** What others are told in place of an entry's base URL, or why none can be. */
  readonly advertised?: ((entry: Entry) => Either.Either<Entry, InvalidEntry>) | undefined
}

/** All participants together renew so often at most, once in so many milliseconds: each of them is told of every renewal. */
const renewalSpacing = 10

/** After a write that failed, before the next. */
const writePause = Schedule.exponential("50 millis").pipe(
  Schedule.union(Schedule.spaced("1 second")),
  Schedule.jittered
)

/**
 * Takes part until the scope closes. Done once this participant leads or follows.
 */
export const make: (
  bucket: Bucket,
  options: LeaseMemberOptions
) => Effect.Effect<
  {
    readonly discovery: Discovery.Service
    readonly election: LeaderElection.Service
    readonly member: Member
  },
  never,
  Scope.Scope
> = Effect.fnUntraced(function* (bucket, options) {
  const { advertised = Either.right, lease, maxAge, runtimeId } = options
  const scope = yield* Effect.scope
  const clock = yield* Effect.clock
  const now = () => millisOf(clock)
  const limits = RegistryLimits.make(options.limits)
  const session = (yield* Random.nextIntBetween(36 ** 5, 36 ** 6)).toString(36) + (yield* Random.nextInt).toString(36)

  const strategyLog = yield* StrategyLog.make
  const table = yield* RouteTable.make({ ...strategyLog, strategy: options.strategy })
  const ownStrategies = new Map(Object.entries(options.strategies ?? {}))
  for (const [api, strategy] of ownStrategies) table.setStrategy(api, strategy)
  const known = yield* RouteCache.make(limits.maxEntries)
  const strategyListeners = new Set<() => void>()
  const routes = new OwnerRoutes(table, limits.maxEntries, known.learn)

  const registrations = LocalRegistrations.make()
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
  let inContactAt = now()

  const view = yield* BucketView.make(bucket, Duration.millis(lease), (entry) => {
    const owner = routes.take(entry)
    if (owner?.name !== runtimeId) return
    unsettled = true
    if (entry.key !== ownKey || owner.record?.session !== session) return
    // It may have missed the others' renewals as well as its own.
    if (now() - inContactAt > 2 * every) view.restartSilence()
    inContactAt = now()
  })
  const isCurrent = view.until(() => (view.currentSince() === undefined ? undefined : Effect.void))

  const self = (): Owner | undefined => routes.owners.get(runtimeId)
  const isRegistered = (): boolean => self()?.record?.session === session

  const touch = Effect.sync(() => {
    unsettled = true
    view.announce()
  })

  /** Renews this participant's own record, and takes it where another process of the same name left it. */
  const keepRenewing = Effect.gen(function* () {
    yield* isCurrent
    let wasReplaced = false
    const renew = Effect.suspend(() => {
      const seen = view.get(ownKey)
      const record = self()?.record
      const isOther = record !== undefined && record.session !== session
      if (isOther && wasReplaced && seen !== undefined && now() - seen.since < silence(record)) return Effect.void
      every = Math.max(lease / 3, routes.owners.size * renewalSpacing)
      const value = encodeOwner({ session, every, strategies: Object.fromEntries(strategies) })
      return Effect.tap(put(ownKey, value), () =>
        Effect.sync(() => {
          wasReplaced = false
        })
      )
    })
    const noticeReplacement = Effect.suspend(() => {
      const record = self()?.record
      if (record === undefined || record.session === session || wasReplaced) return Effect.void
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
          JSON.stringify(Array.from(strategies)) === wanted && (isRegistered() || !registered) ? undefined : Effect.void
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
      if (isFresh && there?.session === session && keyOf(there.entry) === keyOf(entry)) continue
      const value = encodeEntry({ session, entry })
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

  /** A participant that hears nothing of its own knows nothing of the others either, and keeps what it knows. */
  const abandonSilent = Effect.sync(() => {
    if (now() - inContactAt > 2 * every) return
    for (const owner of routes.owners.values()) {
      const seen = view.get(ownerKey(owner.name))
      if (owner.record === undefined || owner.name === runtimeId || seen === undefined) continue
      if (now() - seen.since >= silence(owner.record)) routes.abandon(owner)
    }
  })

  const silence = (record: typeof OwnerRecord.Type): number => 3 * Math.min(record.every, 10 * lease)

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
  const election = yield* LeaseElection.make(bucket, view, { runtimeId, session, lease })
  yield* election.settledTerm()

  const within = <A, E>(
    request: string,
    requestOptions: RequestOptions | undefined,
    effect: Effect.Effect<A, E>
  ): Effect.Effect<A, E | RequestTimeout> => {
    const millis = timeoutMillis(requestOptions, defaultRequestTimeoutMillis)
    return Effect.timeoutFail(effect, {
      duration: millis,
      onTimeout: () => new RequestTimeout({ request, target: "the bucket", millis })
    })
  }

  /** Waits until the entries are in the bucket, or are not, as registrations now have it. */
  const settled = (entries: ReadonlyArray<Entry>): Effect.Effect<void> =>
    Effect.zipRight(
      touch,
      view.until(() => {
        const routed = isRegistered() ? self()?.routed : undefined
        const isSettled = entries.every((entry) => {
          const told = Either.getOrElse(advertised(entry), () => entry)
          return registrations.has(entry) === (routed?.has(keyOf(told)) ?? false)
        })
        return isSettled ? Effect.void : undefined
      })
    )

  const primitives: DiscoveryService.Primitives = {
    registrations,
    register: (entries, requestOptions) =>
      Effect.suspend(() => Either.all(entries.map(advertised))).pipe(
        Effect.flatMap((told) => RegistryLimits.check(limits, table, runtimeId, told)),
        Effect.zipRight(within("register", requestOptions, settled(entries)))
      ),
    unregister: (entries, requestOptions) => within("unregister", requestOptions, settled(entries)),
    withdraw: (entries) =>
      Effect.map(
        Effect.forkIn(Effect.interruptible(Effect.timeoutOption(settled(entries), BucketView.releasePatience)), scope),
        (fiber) => Effect.asVoid(Fiber.await(fiber))
      ),
    discover: (api, requestOptions) =>
      within(
        "discover",
        requestOptions,
        Effect.flatMap(isCurrent, () => DiscoveryService.discoverIn(table, api, unknown))
      ),
    routes: (api) =>
      within(
        "routes",
        undefined,
        Effect.map(isCurrent, () => table.routes().filter((route) => api === undefined || route.api === api))
      ),
    changes: known.changes,
    awaitRoute: (isWanted) => view.until(() => (known.find(isWanted) === undefined ? undefined : Effect.void)),
    setStrategy: (api, strategy) =>
      Effect.suspend(() => {
        ownStrategies.set(api, strategy)
        table.setStrategy(api, strategy)
        strategyLog.reset(api)
        for (const listener of strategyListeners) listener()
        const name = RoutingStrategy.nameOf(strategy)
        if (name === undefined) return Effect.void
        strategies.set(api, name)
        const told = view.until(() => (self()?.record?.strategies?.[api] === name ? Effect.void : undefined))
        return within("setStrategy", undefined, Effect.zipRight(touch, told))
      })
  }

  const member: Member = {
    runtimeId,
    known,
    registerEndpoint: (entry) => DiscoveryService.hold(primitives, [entry]),
    strategyOf: (api, name) => {
      const own = ownStrategies.get(api)
      // A custom one is a function of this process, and no other knows it.
      if (own !== undefined && RoutingStrategy.nameOf(own) === undefined) return own
      const named = RoutingStrategy.RoutingStrategyName.literals.find((literal) => literal === name)
      return named === undefined
        ? (own ?? options.strategy ?? RoutingStrategy.roundRobin)
        : RoutingStrategy.fromName(named)
    },
    onStrategySet: (listener) => {
      strategyListeners.add(listener)
      return () => strategyListeners.delete(listener)
    }
  }
  return { discovery: DiscoveryService.make(primitives), election, member }
})

const encodeOwner = Schema.encodeSync(OwnerRecord)
const encodeEntry = Schema.encodeSync(EntryRecord)

const logReplaced = (runtimeId: string) =>
  Effect.logWarning(
    `Another process takes part as ${runtimeId}; this one's entries aren't routed while that one does. Give each participant a runtimeId of its own.`
  )

const unknown = {
  none: "None is registered at all: are they running, and do they take part in this namespace?",
  some: (names: string) => `Registered: ${names}. Is the service running, and is its name spelled so?`
}
