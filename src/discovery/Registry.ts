/**
 * The leader's side of discovery: the routes of all participants, each removed with the connection that registered it.
 *
 * @internal
 */
import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import { upgradePath, upgradePathAlias } from "../connection/Frame.js"
import type { Entry, InvalidEntry, Route, RouteChange } from "../DiscoveryEntry.js"
import { invalidEntry, isPlain, validateAny, validateEntry } from "../DiscoveryEntry.js"
import type { GatewayServer } from "../election/GatewayElection.js"
import type { ServiceNotRegistered } from "../IPCError.js"
import { RegistryLimitExceeded } from "../IPCError.js"
import type { ConnectedClient } from "../IPCPeer.js"
import { detached } from "../internal/Detached.js"
import { nextTurn } from "../internal/NextTurn.js"
import { Waiters } from "../internal/Waiters.js"
import * as RoutingStrategy from "../RoutingStrategy.js"
import * as Metrics from "../telemetry/Metrics.js"
import * as Protocol from "./DiscoveryProtocol.js"
import { notRegistered } from "./DiscoveryService.js"
import { ownedKeyOf } from "./EntryKey.js"
import * as Owner from "./Owner.js"
import * as RegistryLimits from "./RegistryLimits.js"
import * as RouteTable from "./RouteTable.js"
import * as StrategyLog from "./StrategyLog.js"
import * as Watchers from "./Watchers.js"

/** What a new leader knows before any participant has registered with it. */
export interface RegistryOptions {
  /** The leader's own name, which owns what it registers itself. */
  readonly runtimeId: string
  /** The leader's own entries. */
  readonly own: ReadonlyArray<Entry>
  /**
   * The routes of the others under the leader before. They are answered for at once, and dropped after a while where
   * their owners haven't registered them again.
   */
  readonly inherited: ReadonlyArray<Route>
  readonly strategy?: RoutingStrategy.RoutingStrategy | undefined
  readonly strategies: ReadonlyMap<string, RoutingStrategy.RoutingStrategy>
  readonly limits: RegistryLimits.Limits
  /** Whether a request to the base URL would come back to the gateway. */
  readonly isOwnUrl: (baseUrl: string) => boolean
  /** Whether the leader has given up the port: the clients that disconnect from then on go to the next leader. */
  readonly isReleased: () => boolean
  /** Called with every change. */
  readonly onChanges: (changes: ReadonlyArray<RouteChange>) => void
}

export interface Registry {
  readonly register: (entries: ReadonlyArray<Entry>) => Effect.Effect<void, InvalidEntry | RegistryLimitExceeded>
  readonly unregister: (entries: ReadonlyArray<Entry>) => Effect.Effect<void>
  readonly discover: (api: string) => Effect.Effect<Location, ServiceNotRegistered>
  /** All routes, or an api's. */
  readonly routes: (api?: string) => Effect.Effect<ReadonlyArray<Route>>
  readonly setStrategy: (api: string, strategy: RoutingStrategy.RoutingStrategy) => Effect.Effect<void>
}

/** Where an api is reached. */
export interface Location {
  readonly url: string
  /** What comes before the api's own paths there. */
  readonly basePath: string
}

/** For how long inherited routes wait for their owners: well beyond what the last of many takes to follow. */
const inheritance = Duration.seconds(5)

/** For how long a new leader takes an unknown api for one whose owner is still on its way from the last leader. */
const arrival = Duration.millis(500)

/** How many entries are validated in one turn of the event loop. */
const entriesInTurn = 128

/**
 * Answers discovery's requests on the server, and routes its gateway, until the scope closes.
 */
export const make = Effect.fnUntraced(function* (server: GatewayServer, options: RegistryOptions) {
  const { limits, runtimeId } = options
  const strategyLog = yield* StrategyLog.make
  const table = yield* RouteTable.make({ ...strategyLog, strategy: options.strategy })
  for (const [api, strategy] of options.strategies) table.setStrategy(api, strategy)

  const ownerOf = yield* makeOwnerOf(runtimeId)
  /** Which connection each owner registers by: an earlier one's end takes nothing of a later one's. */
  const connections = new Map<string, string>()
  const watchers = yield* Watchers.make(
    (runtimeId, message) => server.notify(runtimeId, Protocol.ChangedAsIs, message),
    limits.maxEntries
  )
  const arrivals = new Waiters()
  /** The apis whose strategy a client has set. */
  const strategiesSet = new Set<string>()

  let counted = 0
  const count = (size = table.size()) => {
    Metrics.routes(size - counted)
    counted = size
  }
  yield* Effect.addFinalizer(() => Effect.sync(() => count(0)))

  const changed = (changes: ReadonlyArray<RouteChange>): Effect.Effect<void> => {
    if (changes.length === 0) return Effect.void
    count()
    options.onChanges(changes)
    arrivals.announce()
    return watchers.publish(table.version(), changes)
  }

  /** The inherited routes that their owners haven't registered again. */
  const inherited = new Map(options.inherited.map((route) => [ownedKeyOf(route.owner, route), route]))
  for (const route of options.inherited) table.register(route.owner, [route])
  options.onChanges(table.register(Owner.named(runtimeId), options.own))
  count()

  /** What a new connection of an owner doesn't register again ends with the old connection. */
  const claim = (caller: ConnectedClient): readonly [owner: string, dropped: ReadonlyArray<RouteChange>] => {
    const owner = ownerOf(caller)
    const before = connections.get(owner)
    connections.set(owner, caller.clientId)
    return [owner, before === undefined || before === caller.clientId ? [] : table.removeOwner(owner)]
  }

  const register = (owner: string, entries: ReadonlyArray<Entry>, dropped: ReadonlyArray<RouteChange> = []) =>
    RegistryLimits.check(limits, table, owner, entries).pipe(
      Effect.zipRight(
        Effect.suspend(() => {
          for (const entry of entries) inherited.delete(ownedKeyOf(owner, entry))
          return changed([...dropped, ...table.register(owner, entries)])
        })
      ),
      Effect.tapError(() => changed(dropped))
    )

  const notOwn =
    (validate: Validate) =>
    (input: unknown): Either.Either<Entry, InvalidEntry> =>
      Either.flatMap(validate(input), (entry) => {
        const issue = options.isOwnUrl(entry.baseUrl)
          ? "baseUrl is the gateway's own, so that its requests would come back to it"
          : isOwnPath(entry.pathPrefix)
            ? "pathPrefix is the gateway's own, whose requests it answers itself"
            : undefined
        return issue === undefined ? Either.right(entry) : Either.left(invalidEntry(input, issue))
      })

  const registerAll = (validate: Validate) => (inputs: ReadonlyArray<unknown>, caller: ConnectedClient) =>
    Effect.flatMap(inTurns(inputs, notOwn(validate)), ([[refused], entries]) => {
      const [owner, dropped] = claim(caller)
      const registered = register(owner, entries, dropped)
      return refused === undefined ? registered : Effect.zipRight(registered, Effect.fail(refused))
    })

  const unregisterAll = (validate: Validate) => (inputs: ReadonlyArray<unknown>, caller: ConnectedClient) =>
    Effect.flatMap(inTurns(inputs, validate), ([, entries]) => changed(table.unregister(ownerOf(caller), entries)))

  yield* server.handle(Protocol.Register, registerAll(validateEntry))
  yield* server.handle(Protocol.RegisterEntries, registerAll(validateAny))
  yield* server.handle(Protocol.Unregister, unregisterAll(validateEntry))
  yield* server.handle(Protocol.UnregisterEntries, unregisterAll(validateAny))
  yield* server.handle(Protocol.DiscoverApi, (api) =>
    Effect.match(discover(api), {
      onFailure: ({ hint, message }) => ({ success: false, error: message, hint }) as const,
      onSuccess: ({ basePath, url }) => ({ success: true, url, ...(basePath === "" ? {} : { basePath }) }) as const
    })
  )
  yield* server.handle(Protocol.RoutePage, ({ after, all = false, api, watch }, caller) =>
    Effect.sync(() => {
      if (watch) watchers.add(caller, all)
      const { next, routes } = table.page(after, Protocol.maxRoutesAtOnce, { api, all })
      return { version: table.version(), routes, all: true, ...(next === undefined ? {} : { next }) }
    })
  )
  yield* server.handle(Protocol.GetRoutesAsIs, () => allAtOnce)
  yield* server.handle(Protocol.WatchAsIs, (_, caller) =>
    Effect.map(allAtOnce, (all) => {
      watchers.add(caller, false)
      return { version: table.version(), routes: all }
    })
  )
  yield* server.handle(Protocol.SetStrategy, ({ api, strategy }) =>
    Effect.suspend(() => {
      if (!strategiesSet.has(api) && strategiesSet.size >= limits.maxEntries) {
        return Effect.fail(new RegistryLimitExceeded({ bound: "maxEntries", limit: limits.maxEntries }))
      }
      strategiesSet.add(api)
      return setStrategy(api, RoutingStrategy.fromName(strategy))
    })
  )
  yield* server.setRouteProxyResolver(table.choose)

  const settled = yield* Effect.makeLatch()
  yield* settled.open.pipe(Effect.delay(arrival), detached, Effect.forkScoped)

  /** Not by each event: of very many at once, the stream keeps only the latest. */
  const removeDisconnected = Effect.flatMap(server.clients, (clients) => {
    const connected = new Set(clients.map(({ clientId }) => clientId))
    watchers.retain((clientId) => connected.has(clientId))
    const removed: Array<RouteChange> = []
    for (const [owner, clientId] of connections) {
      if (connected.has(clientId)) continue
      connections.delete(owner)
      for (const change of table.removeOwner(owner)) removed.push(change)
    }
    return changed(removed)
  })

  yield* server.connections.pipe(
    Stream.filter((event) => event._tag === "Disconnected"),
    Stream.runForEachChunk((events) =>
      Effect.unless(removeDisconnected, () => events.length === 0 || options.isReleased())
    ),
    detached,
    Effect.forkScoped
  )
  yield* Effect.suspend(() => {
    const abandoned = Array.from(inherited.values(), (route) => table.unregister(route.owner, [route]))
    inherited.clear()
    return changed(abandoned.flat())
  }).pipe(Effect.delay(inheritance), detached, Effect.forkScoped)
  // Lets the fibers subscribe before the first client connects.
  yield* Effect.yieldNow()

  const routes = (api?: string) =>
    Effect.sync(() => (api === undefined ? table.routes() : table.routes().filter((route) => route.api === api)))

  const allAtOnce = Effect.filterOrFail(
    Effect.map(routes(), (all) => all.filter(isPlain)),
    (all) => lengthOf(all) <= maxLengthAtOnce,
    () => tooManyAtOnce
  )

  const location = (api: string): Location => ({ url: server.url, basePath: table.basePath(api) })

  const discover = (api: string): Effect.Effect<Location, ServiceNotRegistered> =>
    Effect.suspend(() => {
      if (table.has(api)) return Effect.succeed(location(api))
      const arrived = arrivals.until(() => (table.has(api) ? Effect.void : undefined))
      return Effect.flatMap(Effect.raceFirst(arrived, settled.await), () =>
        table.has(api) ? Effect.succeed(location(api)) : Effect.fail(notRegistered(api, table.apis(), unknown))
      )
    })

  const setStrategy = (api: string, strategy: RoutingStrategy.RoutingStrategy) =>
    Effect.suspend(() => {
      table.setStrategy(api, strategy)
      strategyLog.reset(api)
      return changed(table.repeatEndpoints(api))
    })

  const registry: Registry = {
    register: (entries) =>
      Effect.flatMap(Either.all(entries.map(notOwn(validateAny))), (validated) =>
        register(Owner.named(runtimeId), validated)
      ),
    unregister: (entries) => Effect.suspend(() => changed(table.unregister(Owner.named(runtimeId), entries))),
    discover,
    routes,
    setStrategy
  }
  return registry
})

/**
 * Whom the entries of a connection belong to. A client without a name, or by the leader's own, is told from every other of
 * this and of any other leader.
 */
const makeOwnerOf = (leader: string): Effect.Effect<(caller: ConnectedClient) => string> =>
  Effect.map(Random.nextIntBetween(36 ** 5, 36 ** 6), (number) => {
    const term = number.toString(36)
    return ({ clientId, runtimeId }) =>
      runtimeId === undefined || runtimeId === leader ? Owner.anonymous(clientId, term) : Owner.named(runtimeId)
  })

type Validate = (input: unknown) => Either.Either<Entry, InvalidEntry>

/** The failures and successes, found without keeping the event loop from its other work for long. */
const inTurns = <A, L, R>(
  all: ReadonlyArray<A>,
  f: (one: A) => Either.Either<R, L>
): Effect.Effect<readonly [failures: ReadonlyArray<L>, successes: ReadonlyArray<R>]> => {
  const [first = [], ...others] = Arr.chunksOf(all, entriesInTurn)
  if (others.length === 0) return Effect.sync(() => Arr.separate(first.map(f)))
  return Effect.map(
    Effect.forEach([first, ...others], (part) =>
      Effect.zipRight(
        nextTurn,
        Effect.sync(() => part.map(f))
      )
    ),
    (parts) => Arr.separate(parts.flat())
  )
}

/** The most that one answer has of routes, in characters. */
const maxLengthAtOnce = 4 * 1024 * 1024

const tooManyAtOnce = "there are too many routes for one answer; ask for them by pages"

/** About as many characters as their JSON has. */
const lengthOf = (routes: ReadonlyArray<Route>): number =>
  routes.reduce(
    (length, { api, baseUrl, owner, pathPrefix, strategy }) =>
      length + 150 + api.length + baseUrl.length + owner.length + pathPrefix.length + strategy.length,
    0
  )

const unknown = {
  none: "None is registered at all: are they running, and do they take part at this port?",
  some: (names: string) => `Registered: ${names}. Is the service running, and is its name spelled so?`
}

const isOwnPath = (prefix: string): boolean => prefix === upgradePath || `${prefix}/`.startsWith(`${upgradePathAlias}/`)
