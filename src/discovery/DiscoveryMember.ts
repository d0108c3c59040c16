/**
 * Discovery by election: while this process leads it keeps the registry, while it follows it registers with the leader.
 * Either way its entries outlive every leader.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Discovery } from "../Discovery.js"
import type { Entry } from "../DiscoveryEntry.js"
import type { Election } from "../election/Election.js"
import type { GatewayServer, RoleSetup } from "../election/GatewayElection.js"
import type { IPCClient } from "../IPCClient.js"
import type { RequestOptions } from "../IPCRequest.js"
import * as InnerScope from "../internal/InnerScope.js"
import * as Protocol from "./DiscoveryProtocol.js"
import * as DiscoveryService from "./DiscoveryService.js"
import * as FollowerRequests from "./FollowerRequests.js"
import * as LeaderCalls from "./LeaderCalls.js"
import * as LeaderRoutes from "./LeaderRoutes.js"
import * as LocalRegistrations from "./LocalRegistrations.js"
import * as Member from "./Member.js"
import * as MemberStrategies from "./MemberStrategies.js"
import * as Owner from "./Owner.js"
import * as Registry from "./Registry.js"
import * as RegistryLimits from "./RegistryLimits.js"
import * as RouteCache from "./RouteCache.js"

export interface DiscoveryMemberOptions extends MemberStrategies.MemberStrategiesOptions {
  /** This participant's name, which owns its entries. */
  readonly runtimeId: string
  readonly limits?: RegistryLimits.RegistryLimits | undefined
  /** Whether a request to the base URL would come back to the server's gateway. */
  readonly isOwnUrl?: ((baseUrl: string, server: GatewayServer) => boolean) | undefined
}

/**
 * Takes part until the scope closes; from then on every call fails with `ConnectionClosed`.
 */
export const make: <Elected extends Election<Registry.Registry, IPCClient.Service>, E>(
  options: DiscoveryMemberOptions,
  join: (setup: RoleSetup<Registry.Registry, IPCClient.Service>) => Effect.Effect<Elected, E, Scope.Scope>
) => Effect.Effect<
  { readonly discovery: Discovery.Service; readonly election: Elected; readonly member: Member.Member },
  E,
  Scope.Scope
> = Effect.fnUntraced(function* (options, join) {
  const { runtimeId } = options
  const left = yield* DiscoveryService.closed
  const strategies = MemberStrategies.make(options)
  const owner = Owner.named(runtimeId)
  const limits = RegistryLimits.make(options.limits)
  const { isOwnUrl = () => false } = options
  const own = LocalRegistrations.make()
  const known = yield* RouteCache.make(limits.maxEntries)
  /** The leaders that this participant has followed, or tried to, since it last had the routes of one. Their own entries ended with them. */
  const leaders = new Set<string>()
  /** Whether the leader that was followed last is a standalone gateway, whose place no participant takes. */
  let isGatewayLast = false

  const election = yield* join({
    onLead: (server, isReleased) =>
      Effect.suspend(() => {
        known.forget((route) => (route.owner === owner ? !own.has(route) : leaders.has(route.owner)))
        leaders.clear()
        return Registry.make(server, {
          runtimeId,
          own: own.entries(),
          inherited: known.routes().filter((route) => route.owner !== owner),
          strategy: options.strategy,
          strategies: strategies.byApi,
          limits,
          isOwnUrl: (baseUrl) => isOwnUrl(baseUrl, server),
          isReleased,
          onChanges: known.learn
        })
      }),
    onFollow: Effect.fnUntraced(function* (client, leader) {
      isGatewayLast = leader.kind === "bin"
      if (leader.runtimeId !== undefined) leaders.add(Owner.named(leader.runtimeId))
      yield* FollowerRequests.repeatRegistrations(client, own)
      yield* Effect.forEach(
        strategies.byApi,
        ([api, strategy]) => FollowerRequests.repeatStrategy(client, api, strategy),
        { concurrency: "unbounded", discard: true }
      )
      yield* LeaderRoutes.follow(client, known, limits.maxEntries)
      leaders.clear()
      if (leader.runtimeId !== undefined) leaders.add(Owner.named(leader.runtimeId))
      return client
    })
  })

  // Not of this scope: what a closing scope withdraws is sent by a fiber that is started while it closes.
  const background = yield* InnerScope.make

  const askLeader = LeaderCalls.make(election, () => (isGatewayLast ? gatewayGone : noLeader))

  const register = (entries: ReadonlyArray<Entry>, requestOptions?: RequestOptions) =>
    askLeader(
      Protocol.Register.name,
      requestOptions,
      (registry) => registry.register(entries),
      (client, within) => FollowerRequests.register(client, entries, within)
    )

  /** By the time that it is sent, some may have been registered again. */
  const removeFromLeader = (entries: ReadonlyArray<Entry>, requestOptions?: RequestOptions) => {
    const gone = Effect.sync(() => entries.filter((entry) => !own.has(entry)))
    return askLeader(
      Protocol.Unregister.name,
      requestOptions,
      (registry) => Effect.flatMap(gone, registry.unregister),
      (client, within) => Effect.flatMap(gone, (still) => FollowerRequests.unregister(client, still, within))
    )
  }

  /** A leader that was too slow for the caller would keep the entries for as long as this participant is connected. */
  const unregister = (entries: ReadonlyArray<Entry>, requestOptions?: RequestOptions) =>
    Effect.onError(removeFromLeader(entries, requestOptions), () =>
      removeFromLeader(entries).pipe(
        Effect.retry({ while: (error) => error._tag === "RequestTimeout" }),
        Effect.ignore,
        Effect.interruptible,
        Effect.forkIn(background)
      )
    )

  /**
   * Ends when the leader has answered, or is lost. The request runs in a fiber of its own, since a release can't be
   * interrupted, and so can't time out. Without a leader, that fiber waits for the next one, and the release doesn't.
   */
  const withdraw = (entries: ReadonlyArray<Entry>): Effect.Effect<Effect.Effect<void>> =>
    Effect.flatMap(election.role, (role) => {
      const timeout = role === "electing" ? "10 seconds" : "1 second"
      const sent = Effect.forkIn(Effect.interruptible(Effect.ignore(unregister(entries, { timeout }))), background)
      return Effect.map(sent, (fiber) =>
        Effect.asVoid(Effect.raceFirst(Effect.interruptible(Fiber.await(fiber)), Effect.interruptible(withoutLeader)))
      )
    })

  const withoutLeader = Stream.runHead(Stream.filter(election.roles, (role) => role === "electing"))

  const locate = (api: string, requestOptions?: RequestOptions) =>
    askLeader(
      Protocol.DiscoverApi.name,
      requestOptions,
      (registry) => registry.discover(api),
      (client, within) => FollowerRequests.discover(client, api, within)
    )

  const primitives: DiscoveryService.Primitives = {
    registrations: own,
    register,
    unregister,
    withdraw,
    discover: (api, requestOptions) => Effect.map(locate(api, requestOptions), ({ url }) => url),
    locate: (api, requestOptions) => Effect.map(locate(api, requestOptions), ({ basePath, url }) => url + basePath),
    routes: (api) =>
      askLeader(
        Protocol.RoutePage.name,
        undefined,
        (registry) => registry.routes(api),
        (client, within) => LeaderRoutes.fetch(client, limits.maxEntries, api, within)
      ),
    changes: known.changes,
    left,
    awaitRoute: (isWanted) =>
      Effect.async((resume) => {
        if (known.find(isWanted) !== undefined) return resume(Effect.void)
        return Effect.sync(
          known.subscribe(({ _tag, route }) => {
            if (_tag === "Registered" && isWanted(route)) resume(Effect.void)
          })
        )
      }),
    setStrategy: (api, strategy) =>
      Effect.suspend(() => {
        strategies.set(api, strategy)
        return askLeader(
          Protocol.SetStrategy.name,
          undefined,
          (registry) => registry.setStrategy(api, strategy),
          (client, within) => FollowerRequests.setStrategy(client, api, strategy, within)
        )
      })
  }

  const member = Member.make(runtimeId, known, strategies, primitives)
  return { discovery: DiscoveryService.make(primitives), election, member }
})

/** Why a request that waits for a leader wasn't sent. */
const noLeader = "there is no leader"
const gatewayGone = "the standalone gateway is gone, and no participant takes its place. Start it again"
