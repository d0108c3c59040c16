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
import type { ServiceNotRegistered } from "../IPCError.js"
import type { ConnectedClient } from "../IPCPeer.js"
import type { IPCServer } from "../IPCServer.js"
import { Waiters } from "../internal/Waiters.js"
import * as RoutingStrategy from "../RoutingStrategy.js"
import * as Protocol from "./DiscoveryProtocol.js"
import { notRegistered } from "./DiscoveryService.js"
import { ownedKeyOf } from "./EntryKey.js"
import * as RouteTable from "./RouteTable.js"
import * as StrategyLog from "./StrategyLog.js"

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
  const strategyLog = yield* StrategyLog.make
  const table = yield* RouteTable.make({ ...strategyLog, strategy: options.strategy })
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

  /** The inherited routes that their owners haven't registered again. */
  const inherited = new Map(options.inherited.map((route) => [ownedKeyOf(route.owner, route), route]))
  for (const route of options.inherited) table.register(route.owner, [route])
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
      for (const entry of entries) inherited.delete(ownedKeyOf(owner, entry))
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
    const abandoned = Array.from(inherited.values(), (route) => table.unregister(route.owner, [route]))
    inherited.clear()
    return changed(abandoned.flat())
  }).pipe(Effect.delay(inheritance), Effect.forkScoped)
  // Lets the fibers subscribe before anybody connects.
  yield* Effect.yieldNow()

  const routes = Effect.sync(table.routes)

  const discover = (api: string): Effect.Effect<string, ServiceNotRegistered> =>
    Effect.suspend(() => {
      if (table.has(api)) return Effect.succeed(server.url)
      const arrived = arrivals.until(() => (table.has(api) ? Effect.void : undefined))
      return Effect.flatMap(Effect.raceFirst(arrived, settled.await), () =>
        table.has(api) ? Effect.succeed(server.url) : Effect.fail(notRegistered(api, table.apis(), unknown))
      )
    })

  const setStrategy = (api: string, strategy: RoutingStrategy.RoutingStrategy) =>
    Effect.sync(() => {
      table.setStrategy(api, strategy)
      strategyLog.reset(api)
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

const unknown = {
  none: "None is registered at all: are they running, and do they take part at this port?",
  some: (names: string) => `Registered: ${names}. Is the service running, and is its name spelled so?`
}
