/**
 * Discovery and the election over a bucket: each participant keeps its own records in it, and sees all others' by one watch.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { defaultRequestTimeoutMillis, timeoutMillis } from "../connection/IPCSocketOptions.js"
import type { Discovery } from "../Discovery.js"
import * as DiscoveryService from "../discovery/DiscoveryService.js"
import * as LocalRegistrations from "../discovery/LocalRegistrations.js"
import * as Member from "../discovery/Member.js"
import * as MemberStrategies from "../discovery/MemberStrategies.js"
import * as RegistryLimits from "../discovery/RegistryLimits.js"
import * as RouteCache from "../discovery/RouteCache.js"
import * as RouteTable from "../discovery/RouteTable.js"
import * as StrategyLog from "../discovery/StrategyLog.js"
import { RequestTimeout } from "../IPCError.js"
import type { RequestOptions } from "../IPCRequest.js"
import * as InnerScope from "../internal/InnerScope.js"
import type { LeaderElection } from "../LeaderElection.js"
import * as RoutingStrategy from "../RoutingStrategy.js"
import type { Bucket, BucketUnavailable } from "./Bucket.js"
import * as BucketFailures from "./BucketFailures.js"
import * as BucketView from "./BucketView.js"
import * as LeaseElection from "./LeaseElection.js"
import { OwnerRoutes } from "./OwnerRoutes.js"
import * as Records from "./Records.js"

export interface LeaseMemberOptions
  extends Pick<Records.RecordsOptions, "runtimeId" | "lease" | "maxAge">,
    Partial<Pick<Records.RecordsOptions, "advertised">>,
    MemberStrategies.MemberStrategiesOptions {
  readonly limits?: RegistryLimits.RegistryLimits | undefined
}

export interface LeaseMember {
  readonly discovery: Discovery.Service
  readonly election: LeaderElection.Service
  readonly member: Member.Member
}

/**
 * Takes part until the scope closes. Done once this participant leads or follows. Fails where the bucket can't be used, at
 * once or, where that may pass, after 10 seconds and two leases; then nothing of this participant is left.
 */
export const make = (
  bucket: Bucket,
  options: LeaseMemberOptions
): Effect.Effect<LeaseMember, BucketUnavailable, Scope.Scope> =>
  Effect.flatMap(InnerScope.make, (scope) =>
    Scope.extend(takePart(bucket, options), scope).pipe(
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
    )
  )

const takePart: (
  original: Bucket,
  options: LeaseMemberOptions
) => Effect.Effect<LeaseMember, BucketUnavailable, Scope.Scope> = Effect.fnUntraced(function* (original, options) {
  const { advertised = Either.right, lease, maxAge, runtimeId } = options
  const failures = yield* BucketFailures.make(original, lease)
  const { bucket } = failures
  const left = yield* DiscoveryService.closed
  const limits = RegistryLimits.make(options.limits)
  const strategyLog = yield* StrategyLog.make
  const table = yield* RouteTable.make({ ...strategyLog, strategy: options.strategy })
  const strategies = MemberStrategies.make(options)
  for (const [api, strategy] of strategies.byApi) table.setStrategy(api, strategy)
  const known = yield* RouteCache.make(limits.maxEntries)
  const registrations = LocalRegistrations.make()
  const { isCurrent, isReplaced, run, setStrategy, settled, view } = yield* Records.make(bucket, {
    runtimeId,
    lease,
    maxAge,
    advertised,
    registrations,
    routes: new OwnerRoutes(table, limits.maxEntries, known.learn)
  })
  const election = yield* LeaseElection.make(bucket, view, { runtimeId, run, lease })
  yield* Effect.raceFirst(election.settledTerm(), failures.sinceStart)
  // Not of this scope: what a closing scope withdraws is awaited by a fiber that is started while it closes.
  const background = yield* InnerScope.make

  const within = <A, E>(
    request: string,
    requestOptions: RequestOptions | undefined,
    effect: Effect.Effect<A, E>
  ): Effect.Effect<A, E | RequestTimeout> => {
    const millis = timeoutMillis(requestOptions, defaultRequestTimeoutMillis)
    return Effect.timeoutFail(effect, {
      duration: millis,
      onTimeout: () => {
        const obstacle = isReplaced() ? `another process takes part as ${runtimeId}` : failures.last()?.detail
        return new RequestTimeout({ request, target: "the bucket", millis, unsent: obstacle })
      }
    })
  }

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
        Effect.forkIn(
          Effect.interruptible(Effect.timeoutOption(settled(entries), BucketView.releasePatience)),
          background
        ),
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
    left,
    awaitRoute: (isWanted) => view.until(() => (known.find(isWanted) === undefined ? undefined : Effect.void)),
    setStrategy: (api, strategy) =>
      Effect.suspend(() => {
        table.setStrategy(api, strategy)
        strategyLog.reset(api)
        strategies.set(api, strategy)
        const name = RoutingStrategy.nameOf(strategy)
        return name === undefined ? Effect.void : within("setStrategy", undefined, setStrategy(api, name))
      })
  }

  const member = Member.make(runtimeId, known, strategies, primitives)
  return { discovery: DiscoveryService.make(primitives), election, member }
})

const unknown = {
  none: "None is registered at all: are they running, and do they take part in this namespace?",
  some: (names: string) => `Registered: ${names}. Is the service running, and is its name spelled so?`
}
