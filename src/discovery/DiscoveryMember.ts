/**
 * Discovery by election: while this process leads it keeps the registry, while it follows it registers with the leader.
 * Either way its entries outlive every leader.
 *
 * @internal
 */
import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { CloseCode } from "../CloseEvent.js"
import { defaultRequestTimeoutMillis, timeoutMillis } from "../connection/IPCSocketOptions.js"
import type { Discovery } from "../Discovery.js"
import type { Entry, InvalidEntry } from "../DiscoveryEntry.js"
import { isEndpoint, isPlain } from "../DiscoveryEntry.js"
import type { Election, SettledTerm } from "../election/Election.js"
import type { GatewayServer, RoleSetup } from "../election/GatewayElection.js"
import type { IPCClient } from "../IPCClient.js"
import type { RegistryLimitExceeded, RequestError, RequestFailed } from "../IPCError.js"
import { ConnectionClosed, EntryUnsupported, RequestTimeout, ServiceNotRegistered } from "../IPCError.js"
import type { RequestOptions } from "../IPCRequest.js"
import { detached } from "../internal/Detached.js"
import * as InnerScope from "../internal/InnerScope.js"
import * as RoutingStrategy from "../RoutingStrategy.js"
import * as Protocol from "./DiscoveryProtocol.js"
import * as DiscoveryService from "./DiscoveryService.js"
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
      yield* Effect.forEach(batches(own.entries()), (entries) => repeatRegistration(client, own, entries), {
        discard: true
      })
      yield* Effect.forEach(
        strategies.byApi,
        ([api, strategy]) => Effect.catchTag(sendStrategy(client, api, strategy), "RequestFailed", logRefusal),
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

  /** Asks the leader, and the next one when that one ends before it answers. */
  const askLeader = <A, E>(
    request: string,
    requestOptions: RequestOptions | undefined,
    asLeader: (registry: Registry.Registry) => Effect.Effect<A, E>,
    asFollower: (client: IPCClient.Service, within: RequestOptions) => Effect.Effect<A, E | RequestError>
  ): Effect.Effect<A, E | RequestError> => {
    const millis = timeoutMillis(requestOptions, defaultRequestTimeoutMillis)
    /** Whether the leader of the latest term was found. */
    let isAsked = false
    const ask = (before?: SettledTerm<Registry.Registry, IPCClient.Service>): Effect.Effect<A, E | RequestError> =>
      Effect.suspend(() => {
        isAsked = false
        return Effect.flatMap(election.settledTerm(before), (found) => {
          if (Option.isNone(found)) return Effect.fail(hasLeft(request))
          const term = found.value
          isAsked = true
          if (term.role === "leader") return asLeader(term.leader)
          return Effect.catchAll(asFollower(term.follower, { timeout: millis }), (error) =>
            error instanceof ConnectionClosed ? ask(term) : Effect.fail(error)
          )
        })
      })
    return Effect.timeoutFail(ask(), {
      duration: millis,
      onTimeout: () =>
        new RequestTimeout({
          request,
          target: "the leader",
          millis,
          ...(isAsked ? {} : { unsent: isGatewayLast ? gatewayGone : noLeader })
        })
    })
  }

  const register = (entries: ReadonlyArray<Entry>, requestOptions?: RequestOptions) =>
    askLeader(
      Protocol.Register.name,
      requestOptions,
      (registry) => registry.register(entries),
      (client, within) =>
        Effect.forEach(batches(entries), (batch) => sendRegistration(client, batch, within), { discard: true })
    )

  /** By the time that it is sent, some may have been registered again. */
  const removeFromLeader = (entries: ReadonlyArray<Entry>, requestOptions?: RequestOptions) => {
    const gone = Effect.sync(() => entries.filter((entry) => !own.has(entry)))
    return askLeader(
      Protocol.Unregister.name,
      requestOptions,
      (registry) => Effect.flatMap(gone, registry.unregister),
      (client, within) =>
        Effect.flatMap(gone, (still) =>
          Effect.forEach(batches(still), (batch) => client.request(unregisterOf(batch), batch, within), {
            discard: true
          })
        )
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
      (client, within) =>
        Effect.flatMap(client.request(Protocol.DiscoverApi, api, within), (answer) =>
          answer.success
            ? Effect.succeed({ url: answer.url, basePath: answer.basePath ?? "" })
            : Effect.fail(new ServiceNotRegistered({ api, hint: answer.hint ?? answer.error }))
        )
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
          (client, within) => sendStrategy(client, api, strategy, within)
        )
      })
  }

  const member = Member.make(runtimeId, known, strategies, primitives)
  return { discovery: DiscoveryService.make(primitives), election, member }
})

const sendStrategy = (
  client: IPCClient.Service,
  api: string,
  strategy: RoutingStrategy.RoutingStrategy,
  within?: RequestOptions
): Effect.Effect<void, RequestError> => {
  const name = RoutingStrategy.nameOf(strategy)
  if (name === undefined) return Effect.void
  return Effect.catchTag(
    client.request(Protocol.SetStrategy, { api, strategy: name }, within),
    "NoHandler",
    () => Effect.void
  )
}

/** What an earlier leader took, and this one doesn't: the participant follows all the same. */
const logRefusal = (error: InvalidEntry | RegistryLimitExceeded | EntryUnsupported | RequestFailed) =>
  Effect.logWarning(`The leader refused what this participant has registered: ${error.message}`)

/** Registers one batch; the leader of an earlier version has no handler for what it doesn't know. */
const sendRegistration = (client: IPCClient.Service, batch: ReadonlyArray<Entry>, within?: RequestOptions) =>
  Effect.catchTag(client.request(registerOf(batch), batch, within), "NoHandler", (error) => {
    const unknown = batch.find((entry) => !isPlain(entry))
    return Effect.fail(unknown === undefined ? error : unsupported(unknown))
  })

const unsupported = (entry: Entry): EntryUnsupported =>
  new EntryUnsupported({ api: entry.api, feature: isEndpoint(entry) ? "endpoints" : "stripPrefix" })

const registerOf = (batch: ReadonlyArray<Entry>) =>
  batch.every(isPlain) ? Protocol.Register : Protocol.RegisterEntries

const unregisterOf = (batch: ReadonlyArray<Entry>) =>
  batch.every(isPlain) ? Protocol.Unregister : Protocol.UnregisterEntries

/** Registers with a new leader what is registered already. Where that one's registry is full, again when it may have room. */
const repeatRegistration = (
  client: IPCClient.Service,
  own: LocalRegistrations.LocalRegistrations,
  entries: ReadonlyArray<Entry>
) => {
  const register = Effect.suspend(() => sendRegistration(client, entries.filter(own.has)))
  const registerLater = Effect.retry(register, {
    schedule: Schedule.spaced(refusedPause),
    while: (error) => error._tag === "RegistryLimitExceeded"
  }).pipe(Effect.ignore, Effect.delay(refusedPause), detached, Effect.forkScoped)
  return Effect.catchTags(register, {
    InvalidEntry: logRefusal,
    EntryUnsupported: logRefusal,
    RequestFailed: logRefusal,
    RegistryLimitExceeded: (error) => Effect.zipRight(logRefusal(error), registerLater)
  })
}

const refusedPause = Duration.seconds(10)

/** As many entries as one request takes, all of them known to earlier versions or none. */
const batches = (entries: ReadonlyArray<Entry>): ReadonlyArray<ReadonlyArray<Entry>> =>
  Arr.partition(entries, (entry) => !isPlain(entry)).flatMap(batchesOfKind)

const batchesOfKind = (entries: ReadonlyArray<Entry>): ReadonlyArray<ReadonlyArray<Entry>> => {
  const all: Array<Array<Entry>> = []
  let length = 0
  for (const entry of entries) {
    length += entry.api.length + entry.baseUrl.length + entry.pathPrefix.length
    const last = all.at(-1)
    if (last !== undefined && length <= maxBatchLength && last.length < Protocol.maxEntriesAtOnce) {
      last.push(entry)
    } else {
      all.push([entry])
      length = 0
    }
  }
  return all
}

/** Well below what a request takes, as JSON and in UTF-8 as well, in characters. */
const maxBatchLength = 128 * 1024

const hasLeft = (request: string): ConnectionClosed =>
  new ConnectionClosed({ request, target: "the leader", code: CloseCode.Normal, reason: "this participant has left" })

/** Why a request that waits for a leader wasn't sent. */
const noLeader = "there is no leader"
const gatewayGone = "the standalone gateway is gone, and no participant takes its place. Start it again"
