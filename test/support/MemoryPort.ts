/**
 * A port in memory: participants take part at it as they do at a real one, without sockets, on the test's clock.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as ClientConnections from "../../src/connection/ClientConnections.js"
import { MemoryNetwork } from "../../src/connection/MemoryNetwork.js"
import * as ReconnectingClient from "../../src/connection/ReconnectingClient.js"
import type { Connect } from "../../src/connection/ReconnectingConnection.js"
import * as DiscoveryMember from "../../src/discovery/DiscoveryMember.js"
import type { Registry } from "../../src/discovery/Registry.js"
import type { RegistryLimits } from "../../src/discovery/RegistryLimits.js"
import type { Election, ElectionError } from "../../src/election/Election.js"
import * as GatewayElection from "../../src/election/GatewayElection.js"
import type { RouteProxyResolver } from "../../src/HttpGateway.js"
import type { IPCClient } from "../../src/IPCClient.js"
import { ConnectFailed, PortInUse } from "../../src/IPCError.js"
import * as InnerScope from "../../src/internal/InnerScope.js"
import type { LeaderElection } from "../../src/LeaderElection.js"
import type { RoutingStrategy } from "../../src/RoutingStrategy.js"
import * as MemberServices from "../../src/service/MemberServices.js"
import * as MemoryEndpoints from "./MemoryEndpoints.js"

/** How clients reach the server that holds the port. A place is where a process is. */
export interface PortNetwork<Place, Served> {
  /** What the network has of a server at the place. */
  readonly serve: (clients: ClientConnections.ClientConnections, place: Place) => Served
  /** Connects from the place to whatever holds the port then. */
  readonly connect: (place: Place, holder: () => Holder<Served> | undefined) => Connect
}

export interface Holder<Served> {
  readonly served: Served
  resolver: RouteProxyResolver | undefined
  /** Whether it accepts clients. */
  isOpen: boolean
}

export const refused = new ConnectFailed({ url: "memory", reason: "Refused", detail: "no server listens" })

/** A port on a network. */
export const makeOn = <Place, Served>(network: PortNetwork<Place, Served>) => {
  let holder: Holder<Served> | undefined

  const serve = Effect.fnUntraced(function* <A>(
    place: Place,
    prepare: (server: GatewayElection.GatewayServer) => Effect.Effect<A, never, Scope.Scope>
  ) {
    if (holder !== undefined) return yield* new PortInUse({ host: "memory", port: 1 })
    const clients = yield* ClientConnections.make({ heartbeat: "3 seconds" })
    const own: Holder<Served> = { served: network.serve(clients, place), resolver: undefined, isOpen: false }
    const release = Effect.suspend(() => {
      if (holder === own) holder = undefined
      return clients.startClosing
    })
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        holder = own
      }),
      () => release
    )
    const server: GatewayElection.GatewayServer = {
      url: "http://memory:1",
      port: 1,
      ...ClientConnections.toPeer(clients),
      setRouteProxyResolver: (resolver) =>
        Effect.sync(() => {
          own.resolver = resolver
        })
    }
    const prepared = yield* prepare(server)
    own.isOpen = true
    return { server, prepared, release }
  })

  const connect = (place: Place): Effect.Effect<IPCClient.Service, ConnectFailed, Scope.Scope> =>
    ReconnectingClient.make(
      "memory",
      network.connect(place, () => holder),
      { reconnect: false, heartbeat: "3 seconds" }
    )

  const endpoint = (
    place: Place
  ): GatewayElection.GatewayEndpoint<{ readonly server: GatewayElection.GatewayServer }> => ({
    name: "memory",
    serve: (prepare) => Effect.suspend(() => serve(place, prepare)),
    connect: connect(place)
  })

  return {
    holder: () => holder,
    /** As the system does after its holder's death. */
    free: () => {
      holder = undefined
    },
    connect,
    participant: (place: Place, options: ParticipantOptions) =>
      DiscoveryMember.make<Election<Registry, IPCClient.Service>, ElectionError>(options, (setup) =>
        GatewayElection.make(endpoint(place), setup, options)
      ),
    standalone: (place: Place, options: ParticipantOptions) =>
      DiscoveryMember.make(options, (setup) =>
        Effect.map(GatewayElection.makeStandalone(endpoint(place), setup, options), ({ election }) => election)
      )
  }
}

export interface ParticipantOptions {
  readonly runtimeId: string
  readonly strategy?: RoutingStrategy
  readonly strategies?: Record<string, RoutingStrategy>
  readonly limits?: RegistryLimits
  readonly isOwnUrl?: (baseUrl: string) => boolean
}

/** On a network that a test may disturb, where a place is a client's runtimeId. */
export const make = () => {
  const port = makeOn<string | undefined, MemoryNetwork>({
    serve: (clients) => new MemoryNetwork(clients, "memory"),
    connect: (runtimeId, holder) => (onOpen) =>
      Effect.suspend(() => {
        const found = holder()
        return found?.isOpen === true ? found.served.connect(runtimeId)(onOpen) : Effect.fail(refused)
      })
  })
  const network = () => port.holder()?.served
  const endpoints = MemoryEndpoints.make()

  /** In a scope of its own, which the test may close before its end. */
  const inScope = <A, E>(make: Effect.Effect<A, E, Scope.Scope>) =>
    Effect.gen(function* () {
      const scope = yield* InnerScope.make
      return { ...(yield* Scope.extend(make, scope)), leave: Scope.close(scope, Exit.void) }
    })

  const withServices = <
    M extends Parameters<typeof MemberServices.provide>[0] & { readonly election: LeaderElection.Service },
    E
  >(
    make: Effect.Effect<M, E, Scope.Scope>
  ) =>
    Effect.flatMap(make, (member) =>
      Effect.map(MemberServices.provide(member, { endpoints: endpoints.service, connection: {} }), (discovery) => ({
        discovery,
        election: member.election as M["election"]
      }))
    )

  return {
    endpoints,
    participant: (options: ParticipantOptions) => inScope(withServices(port.participant(options.runtimeId, options))),
    standalone: (options: ParticipantOptions) => inScope(port.standalone(options.runtimeId, options)),
    /** A client that takes no part in the election. */
    client: (runtimeId?: string) => port.connect(runtimeId),
    /** What the gateway would proxy to. */
    route: (path: string) => {
      const upstream = port.holder()?.resolver?.(path)
      if (typeof upstream === "string") return upstream
      upstream?.release?.()
      return upstream?.baseUrl
    },
    /** Breaks a client's connection without a close frame, as its death does. */
    sever: (runtimeId: string) => Effect.sync(() => network()?.disconnect(runtimeId)),
    /** The leader neither receives nor sends anything, but holds the port: as one that is stopped. */
    freeze: Effect.sync(() => network()?.setFrozen(true)),
    thaw: Effect.sync(() => network()?.setFrozen(false)),
    /** All connections break and the port is free, as at the leader's death. What the leader does from then on reaches no client. */
    crash: Effect.sync(() => {
      const broken = network()
      port.free()
      broken?.disconnect()
    })
  }
}

export type MemoryPort = ReturnType<typeof make>
