/**
 * Discovery by election: while this process leads it keeps the registry, while it follows it registers with the leader.
 * Either way its entries outlive every leader.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Discovery } from "./Discovery.js"
import * as Protocol from "./DiscoveryProtocol.js"
import type { Election, SettledTerm } from "./Election.js"
import type { IPCClient } from "./IPCClient.js"
import type { RequestError } from "./IPCError.js"
import { ConnectionClosed, RequestTimeout, ServiceNotRegistered } from "./IPCError.js"
import type { RequestOptions } from "./IPCRequest.js"
import type { IPCServer } from "./IPCServer.js"
import { defaultRequestTimeoutMillis, timeoutMillis } from "./IPCSocket.js"
import * as Registry from "./Registry.js"
import type { DiscoveryEntry, InvalidEntry, Route, RouteChange } from "./RouteTable.js"
import { validateEntry } from "./RouteTable.js"
import * as RoutingStrategy from "./RoutingStrategy.js"

/**
 * What has to stand in each role: called with the server before it lets anybody in, and with the client once it is
 * connected.
 *
 * @since 0.1.0
 * @category models
 */
export interface RoleSetup<Leader, Follower> {
  readonly onLead: (server: IPCServer.Service) => Effect.Effect<Leader, never, Scope.Scope>
  readonly onFollow: (
    client: IPCClient.Service,
    leader: Protocol.ServerInfo
  ) => Effect.Effect<Follower, RequestError, Scope.Scope>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface DiscoveryParticipantOptions {
  /** This participant's name, by which its entries are told from the others'. */
  readonly runtimeId: string
  /** For every api without one of its own. Default round robin. */
  readonly strategy?: RoutingStrategy.RoutingStrategy | undefined
  /** By api; count while this process leads, so every participant is best given the same. */
  readonly strategies?: Readonly<Record<string, RoutingStrategy.RoutingStrategy>> | undefined
}

/**
 * Takes part until the scope closes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: <Elected extends Election<Registry.Registry, IPCClient.Service>, E>(
  options: DiscoveryParticipantOptions,
  join: (setup: RoleSetup<Registry.Registry, IPCClient.Service>) => Effect.Effect<Elected, E, Scope.Scope>
) => Effect.Effect<{ readonly discovery: Discovery.Service; readonly election: Elected }, E, Scope.Scope> =
  Effect.fnUntraced(function* (options, join) {
    const { runtimeId } = options
    const events = yield* Effect.acquireRelease(PubSub.unbounded<RouteChange>(), PubSub.shutdown)
    const own = new Map<string, { readonly entry: DiscoveryEntry; holders: number }>()
    const strategies = new Map(Object.entries(options.strategies ?? {}))
    /** The routes as this participant last heard of them; what it inherits when it comes to lead. */
    const known = new Map<string, Route>()
    let leaderId: string | undefined

    const learn = (changes: ReadonlyArray<RouteChange>): void => {
      for (const change of changes) {
        const key = keyOf(change.route, change.route.owner)
        const news = known.has(key) === (change._tag === "Unregistered")
        if (change._tag === "Registered") known.set(key, change.route)
        else known.delete(key)
        if (news) events.unsafeOffer(change)
      }
    }

    const forget = (gone: (route: Route, key: string) => boolean): void => {
      const routes = Array.from(known).filter(([key, route]) => gone(route, key))
      learn(routes.map(([, route]) => ({ _tag: "Unregistered", route })))
    }

    const ownEntries = () => Array.from(own.values(), ({ entry }) => entry)

    const election = yield* join({
      onLead: (server) =>
        Effect.suspend(() => {
          // What the last leader had registered itself went with it.
          if (leaderId !== runtimeId) forget((route) => route.owner === leaderId)
          leaderId = runtimeId
          return Registry.make(server, {
            runtimeId,
            own: ownEntries(),
            inherited: Array.from(known.values()).filter((route) => route.owner !== runtimeId),
            strategy: options.strategy,
            strategies,
            onChanges: learn
          })
        }),
      onFollow: Effect.fnUntraced(function* (client, leader) {
        leaderId = leader.runtimeId
        yield* client.handle(Protocol.Changed, (changes) => Effect.sync(() => learn(changes)))
        if (own.size > 0) yield* client.request(Protocol.Register, ownEntries())
        for (const [api, strategy] of strategies) yield* sendStrategy(client, api, strategy)
        // A leader that knows no watching is followed all the same.
        const routes = yield* Effect.catchTag(client.request(Protocol.Watch), "NoHandler", () => Effect.succeed([]))
        const present = new Set(routes.map((route) => keyOf(route, route.owner)))
        forget((_, key) => !present.has(key))
        learn(routes.map((route) => ({ _tag: "Registered", route })))
        return client
      })
    })

    /** Asks whoever leads, and the next one where that one goes meanwhile. */
    const askLeader = <A, E>(
      request: string,
      requestOptions: RequestOptions | undefined,
      asLeader: (registry: Registry.Registry) => Effect.Effect<A, E>,
      asFollower: (client: IPCClient.Service, within: RequestOptions) => Effect.Effect<A, E | RequestError>
    ): Effect.Effect<A, E | RequestError> => {
      const millis = timeoutMillis(requestOptions, defaultRequestTimeoutMillis)
      const ask = (before?: SettledTerm<Registry.Registry, IPCClient.Service>): Effect.Effect<A, E | RequestError> =>
        Effect.flatMap(election.settledTerm(before), (term) =>
          term.role === "leader"
            ? asLeader(term.leader)
            : Effect.catchAll(asFollower(term.follower, { timeout: millis }), (error) =>
                error instanceof ConnectionClosed ? ask(term) : Effect.fail(error)
              )
        )
      return Effect.timeoutFail(ask(), {
        duration: millis,
        onTimeout: () => new RequestTimeout({ request, target: "the leader", millis })
      })
    }

    const sendRegister = (entries: ReadonlyArray<DiscoveryEntry>, requestOptions?: RequestOptions) =>
      askLeader(
        Protocol.Register.name,
        requestOptions,
        (registry) => registry.register(entries),
        (client, within) => client.request(Protocol.Register, entries, within)
      )

    const sendUnregister = (entries: ReadonlyArray<DiscoveryEntry>, requestOptions?: RequestOptions) =>
      askLeader(
        Protocol.Unregister.name,
        requestOptions,
        (registry) => registry.unregister(entries),
        (client, within) => client.request(Protocol.Unregister, entries, within)
      )

    const hold = (entry: DiscoveryEntry) => {
      const key = keyOf(entry, runtimeId)
      const held = own.get(key)
      if (held === undefined) own.set(key, { entry, holders: 1 })
      else held.holders++
    }

    /** Whether nobody here holds it any longer. */
    const letGo = (entry: DiscoveryEntry): boolean => {
      const key = keyOf(entry, runtimeId)
      const held = own.get(key)
      if (held === undefined || --held.holders > 0) return false
      return own.delete(key)
    }

    const routes = askLeader(
      Protocol.GetRoutes.name,
      undefined,
      (registry) => registry.routes,
      (client, within) => client.request(Protocol.GetRoutes, undefined, within)
    )

    const discovery: Discovery.Service = {
      register: (inputs, requestOptions) =>
        Effect.flatMap(validateAll(inputs), (entries) =>
          Effect.zipRight(
            Effect.acquireRelease(
              Effect.sync(() => entries.forEach(hold)),
              () =>
                Effect.suspend(() => {
                  const gone = entries.filter(letGo)
                  // With no leader, or one that doesn't answer, they go with this participant's connection.
                  return gone.length === 0 ? Effect.void : Effect.ignore(sendUnregister(gone, { timeout: "1 second" }))
                })
            ),
            sendRegister(entries, requestOptions)
          )
        ),
      unregister: (inputs, requestOptions) =>
        Effect.flatMap(validateAll(inputs), (entries) => {
          for (const entry of entries) own.delete(keyOf(entry, runtimeId))
          return sendUnregister(entries, requestOptions)
        }),
      discover: (api, requestOptions) =>
        askLeader(
          Protocol.DiscoverApi.name,
          requestOptions,
          (registry) => registry.discover(api),
          (client, within) =>
            Effect.flatMap(client.request(Protocol.DiscoverApi, api, within), (answer) =>
              answer.success
                ? Effect.succeed(answer.url)
                : Effect.fail(new ServiceNotRegistered({ api, hint: answer.hint ?? answer.error }))
            )
        ),
      instances: (api) => Effect.map(routes, (all) => all.filter((route) => route.api === api)),
      routes,
      changes: Stream.fromPubSub(events),
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
    return { discovery, election }
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

const validateAll = (
  inputs: ReadonlyArray<typeof DiscoveryEntry.Encoded>
): Effect.Effect<ReadonlyArray<DiscoveryEntry>, InvalidEntry> =>
  Effect.suspend(() => Either.all(inputs.map(validateEntry)))

const keyOf = (at: { readonly api: string; readonly baseUrl: string; readonly pathPrefix: string }, owner: string) =>
  JSON.stringify([owner, at.api, at.baseUrl, at.pathPrefix])
