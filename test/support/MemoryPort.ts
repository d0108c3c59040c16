/**
 * A port in memory: participants take part at it as they do at a real one, without sockets, on the test's clock.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as ClientConnections from "../../src/connection/ClientConnections.js"
import { MemoryNetwork } from "../../src/connection/MemoryNetwork.js"
import * as ReconnectingClient from "../../src/connection/ReconnectingClient.js"
import * as DiscoveryMember from "../../src/discovery/DiscoveryMember.js"
import type { Registry } from "../../src/discovery/Registry.js"
import type { RegistryLimits } from "../../src/discovery/RegistryLimits.js"
import type { Election, ElectionError } from "../../src/election/Election.js"
import * as GatewayElection from "../../src/election/GatewayElection.js"
import type { RouteProxyResolver } from "../../src/HttpGateway.js"
import type { IPCClient } from "../../src/IPCClient.js"
import { ConnectFailed, PortInUse } from "../../src/IPCError.js"
import type { IPCServer } from "../../src/IPCServer.js"
import type { LeaderElection } from "../../src/LeaderElection.js"
import type { RoutingStrategy } from "../../src/RoutingStrategy.js"
import * as MemberServices from "../../src/service/MemberServices.js"
import * as MemoryEndpoints from "./MemoryEndpoints.js"

type Service = IPCServer.Service

interface Holder {
  readonly network: MemoryNetwork
  resolver: RouteProxyResolver | undefined
  isOpen: boolean
}

export interface ParticipantOptions {
  readonly runtimeId: string
  readonly strategy?: RoutingStrategy
  readonly strategies?: Record<string, RoutingStrategy>
  readonly limits?: RegistryLimits
  readonly isOwnUrl?: (baseUrl: string) => boolean
}

export const make = () => {
  let holder: Holder | undefined
  const endpoints = MemoryEndpoints.make()

  const serve = Effect.fnUntraced(function* <A>(prepare: (server: Service) => Effect.Effect<A, never, Scope.Scope>) {
    if (holder !== undefined) return yield* new PortInUse({ host: "memory", port: 1 })
    const clients = yield* ClientConnections.make({ heartbeat: "3 seconds" })
    const own: Holder = { network: new MemoryNetwork(clients, "memory"), resolver: undefined, isOpen: false }
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
    const unsupported = () => Effect.die("not in memory")
    const server: Service = {
      url: "http://memory:1",
      port: 1,
      ...ClientConnections.toPeer(clients),
      interceptHttp: unsupported,
      setRouteProxyResolver: (resolver) =>
        Effect.sync(() => {
          own.resolver = resolver
        })
    }
    const prepared = yield* prepare(server)
    own.isOpen = true
    return { server, prepared, release }
  })

  const connect = (runtimeId?: string): Effect.Effect<IPCClient.Service, ConnectFailed, Scope.Scope> =>
    ReconnectingClient.make(
      "memory",
      (onOpen) =>
        Effect.suspend(() => {
          if (holder?.isOpen !== true) {
            return Effect.fail(new ConnectFailed({ url: "memory", reason: "Refused", detail: "no server listens" }))
          }
          return holder.network.connect(runtimeId)(onOpen)
        }),
      { reconnect: false, heartbeat: "3 seconds" }
    )

  const place = (runtimeId: string): GatewayElection.GatewayEndpoint<{ readonly server: Service }> => ({
    name: "memory",
    serve: (prepare) => Effect.suspend(() => serve(prepare)),
    connect: connect(runtimeId)
  })

  /** In a scope of its own, which the test may close before its end. */
  const inScope = <A, E>(make: Effect.Effect<A, E, Scope.Scope>) =>
    Effect.gen(function* () {
      const scope = yield* Effect.acquireRelease(Scope.make(), (closed) => Scope.close(closed, Exit.void))
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
    participant: (options: ParticipantOptions) =>
      inScope(
        withServices(
          DiscoveryMember.make<Election<Registry, IPCClient.Service>, ElectionError>(options, (setup) =>
            GatewayElection.make(place(options.runtimeId), setup, options)
          )
        )
      ),
    standalone: (options: ParticipantOptions) =>
      inScope(
        DiscoveryMember.make(options, (setup) =>
          Effect.map(
            GatewayElection.makeStandalone(place(options.runtimeId), setup, options),
            ({ election }) => election
          )
        )
      ),
    /** A client that takes no part in the election. */
    client: connect,
    /** What the gateway would proxy to. */
    route: (path: string) => {
      const upstream = holder?.resolver?.(path)
      if (typeof upstream === "string") return upstream
      upstream?.release?.()
      return upstream?.baseUrl
    },
    /** Breaks a client's connection without a word, as its death does. */
    sever: (runtimeId: string) => Effect.sync(() => holder?.network.disconnect(runtimeId)),
    /** The leader neither hears nor says anything, but holds the port: as one that is stopped. */
    freeze: Effect.sync(() => holder?.network.setFrozen(true)),
    thaw: Effect.sync(() => holder?.network.setFrozen(false)),
    /** All connections break and the port is free, as at the leader's death. What the leader does from then on reaches no client. */
    crash: Effect.sync(() => {
      const network = holder?.network
      holder = undefined
      network?.disconnect()
    })
  }
}

export type MemoryPort = ReturnType<typeof make>
