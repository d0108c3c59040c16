/**
 * The leader's side of discovery: the routes of everybody, each removed with the connection that registered it.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { DiscoveryEntry, Route, RouteChange } from "../DiscoveryEntry.js"
import { ServiceNotRegistered } from "../IPCError.js"
import type { ConnectedClient } from "../IPCPeer.js"
import type { IPCServer } from "../IPCServer.js"
import { Waiters } from "../internal/Waiters.js"
import * as RoutingStrategy from "../RoutingStrategy.js"
import * as Protocol from "./DiscoveryProtocol.js"
import * as RouteTable from "./RouteTable.js"

/**
 * What a new leader knows before anybody has registered with it.
 *
 * @since 0.1.0
 * @category models
 */
export interface RegistryOptions {
  /** The leader's own name, which owns what it registers itself. */
  readonly runtimeId: string
  /** The leader's own entries. */
  readonly own: ReadonlyArray<DiscoveryEntry>
  /**
   * The routes of the others under the leader before. They are answered for at once, and dropped after a while where
   * their owners haven't registered them again.
   */
  readonly inherited: ReadonlyArray<Route>
  readonly strategy?: RoutingStrategy.RoutingStrategy | undefined
  readonly strategies: ReadonlyMap<string, RoutingStrategy.RoutingStrategy>
  /** Told of every change. */
  readonly onChanges: (changes: ReadonlyArray<RouteChange>) => void
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Registry {
  readonly register: (entries: ReadonlyArray<DiscoveryEntry>) => Effect.Effect<void>
  readonly unregister: (entries: ReadonlyArray<DiscoveryEntry>) => Effect.Effect<void>
  readonly discover: (api: string) => Effect.Effect<string, ServiceNotRegistered>
  readonly routes: Effect.Effect<ReadonlyArray<Route>>
  readonly setStrategy: (api: string, strategy: RoutingStrategy.RoutingStrategy) => Effect.Effect<void>
}

/** For how long inherited routes wait for their owners: well beyond what the last of many takes to follow. */
const inheritance = Duration.seconds(5)

/** For how long a new leader takes an unknown api for one whose owner is still on its way from the last leader. */
const arrival = Duration.millis(500)

/**
 * Answers discovery's requests on the server, and routes its gateway, until the scope closes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: (
  server: IPCServer.Service,
  options: RegistryOptions
) => Effect.Effect<Registry, never, Scope.Scope> = Effect.fnUntraced(function* (
  server: IPCServer.Service,
  options: RegistryOptions
) {
  const scope = yield* Effect.scope
  const table = yield* RouteTable.make({ strategy: options.strategy })
  for (const [api, strategy] of options.strategies) table.setStrategy(api, strategy)

  const ownerOf = yield* makeOwnerOf(options.runtimeId)
  /** Which connection each owner registers by: an earlier one's end takes nothing of a later one's. */
  const connections = new Map<string, string>()
  const watchers = new Map<string, string>()
  const arrivals = new Waiters()

  const changed = (changes: ReadonlyArray<RouteChange>): Effect.Effect<void> => {
    if (changes.length === 0) return Effect.void
    options.onChanges(changes)
    arrivals.announce()
    const news = { version: table.version(), changes }
    return Effect.forEach(
      Array.from(watchers.keys()),
      (runtimeId) => Effect.ignore(server.notify(runtimeId, Protocol.Changed, news)),
      { concurrency: "unbounded", discard: true }
    ).pipe(Effect.forkIn(scope), Effect.asVoid)
  }

  const inherited = new Set<Route>(options.inherited)
  for (const route of inherited) table.register(route.owner, [entryOf(route)])
  options.onChanges(table.register(options.runtimeId, options.own))

  /** What a new connection of an owner doesn't register again ends with the old connection. */
  const claim = (caller: ConnectedClient): readonly [owner: string, dropped: ReadonlyArray<RouteChange>] => {
    const owner = ownerOf(caller)
    const before = connections.get(owner)
    connections.set(owner, caller.clientId)
    return [owner, before === undefined || before === caller.clientId ? [] : table.removeOwner(owner)]
  }

  yield* server.handle(Protocol.Register, (entries, caller) =>
    Effect.suspend(() => {
      const [owner, dropped] = claim(caller)
      for (const route of inherited) {
        if (route.owner === owner && entries.some((entry) => isEntryOf(route, entry))) inherited.delete(route)
      }
      return changed([...dropped, ...table.register(owner, entries)])
    })
  )
  yield* server.handle(Protocol.Unregister, (entries, caller) =>
    Effect.suspend(() => changed(table.unregister(ownerOf(caller), entries)))
  )
  yield* server.handle(Protocol.DiscoverApi, (api) =>
    Effect.match(discover(api), {
      onFailure: ({ hint, message }) => ({ success: false, error: message, hint }) as const,
      onSuccess: (url) => ({ success: true, url }) as const
    })
  )
  yield* server.handle(Protocol.GetRoutes, () => routes)
  yield* server.handle(Protocol.Watch, (_, caller) =>
    Effect.suspend(() => {
      if (caller.runtimeId !== undefined) watchers.set(caller.runtimeId, caller.clientId)
      return Effect.succeed({ version: table.version(), routes: table.routes() })
    })
  )
  yield* server.handle(Protocol.SetStrategy, ({ api, strategy }) =>
    setStrategy(api, RoutingStrategy.fromName(strategy))
  )
  yield* server.setRouteProxyResolver(table.choose)

  const settled = yield* Effect.makeLatch()
  yield* settled.open.pipe(Effect.delay(arrival), Effect.forkScoped)

  yield* server.connections.pipe(
    Stream.runForEach((event) => {
      if (event._tag === "Connected") return Effect.void
      const { clientId, runtimeId } = event
      if (runtimeId !== undefined && watchers.get(runtimeId) === clientId) watchers.delete(runtimeId)
      const owner = ownerOf(event)
      if (connections.get(owner) !== clientId) return Effect.void
      connections.delete(owner)
      return changed(table.removeOwner(owner))
    }),
    Effect.forkScoped
  )
  yield* Effect.suspend(() => {
    const abandoned = Array.from(inherited, (route) => table.unregister(route.owner, [entryOf(route)]))
    inherited.clear()
    return changed(abandoned.flat())
  }).pipe(Effect.delay(inheritance), Effect.forkScoped)
  // Lets the fibers subscribe before anybody connects.
  yield* Effect.yieldNow()

  const routes = Effect.sync(table.routes)

  const isRegistered = (api: string) => table.instances(api).length > 0

  const discover = (api: string): Effect.Effect<string, ServiceNotRegistered> =>
    Effect.suspend(() => {
      if (isRegistered(api)) return Effect.succeed(server.url)
      const arrived = arrivals.until(() => (isRegistered(api) ? Effect.void : undefined))
      return Effect.flatMap(Effect.raceFirst(arrived, settled.await), () =>
        isRegistered(api) ? Effect.succeed(server.url) : Effect.fail(notRegistered(api))
      )
    })

  const notRegistered = (api: string): ServiceNotRegistered => {
    const apis = Array.from(new Set(table.routes().map((route) => route.api))).slice(0, maxNamesInError)
    const hint =
      apis.length === 0
        ? "None is registered at all: are they running, and do they take part at this port?"
        : `Registered: ${apis.join(", ")}. Is the service running, and is its name spelled so?`
    return new ServiceNotRegistered({ api, hint })
  }

  const setStrategy = (api: string, strategy: RoutingStrategy.RoutingStrategy) =>
    Effect.sync(() => {
      table.setStrategy(api, strategy)
    })

  const registry: Registry = {
    register: (entries) => Effect.suspend(() => changed(table.register(options.runtimeId, entries))),
    unregister: (entries) => Effect.suspend(() => changed(table.unregister(options.runtimeId, entries))),
    discover,
    routes,
    setStrategy
  }
  return registry
})

/**
 * Whom the entries of a connection belong to: its name, which is still its own under the next leader. A client without
 * one, or by the leader's own, is told from every other of this and of any other leader.
 */
const makeOwnerOf = (leader: string): Effect.Effect<(caller: ConnectedClient) => string> =>
  Effect.map(Random.nextIntBetween(36 ** 5, 36 ** 6), (number) => {
    const term = number.toString(36)
    return ({ clientId, runtimeId }) =>
      runtimeId === undefined || runtimeId === leader ? `${clientId}@${term}` : runtimeId
  })

/** How many registered apis an error names. */
const maxNamesInError = 20

const entryOf = (route: Route): DiscoveryEntry =>
  // A route was an entry once, and validated then.
  ({ api: route.api, baseUrl: route.baseUrl, pathPrefix: route.pathPrefix }) as DiscoveryEntry

const isEntryOf = (route: Route, entry: DiscoveryEntry): boolean =>
  route.api === entry.api && route.baseUrl === entry.baseUrl && route.pathPrefix === entry.pathPrefix
