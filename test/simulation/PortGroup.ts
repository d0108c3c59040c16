/**
 * Participants at one port, as `Run` moves them: the port is the lock, and its holder's process keeps it while it is stopped.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as ClientConnections from "../../src/connection/ClientConnections.js"
import * as ReconnectingClient from "../../src/connection/ReconnectingClient.js"
import * as DiscoveryMember from "../../src/discovery/DiscoveryMember.js"
import type { Registry } from "../../src/discovery/Registry.js"
import type { Election, ElectionError } from "../../src/election/Election.js"
import * as GatewayElection from "../../src/election/GatewayElection.js"
import type { IPCClient } from "../../src/IPCClient.js"
import { ConnectFailed, PortInUse } from "../../src/IPCError.js"
import type { IPCServer } from "../../src/IPCServer.js"
import type { Network } from "./Network.js"
import type { Group } from "./Run.js"
import type { Host } from "./World.js"

type Service = IPCServer.Service

interface Holder {
  readonly host: Host
  readonly clients: ClientConnections.ClientConnections
  isOpen: boolean
}

export const make = (network: Network): Group => {
  let holder: Holder | undefined

  const serve = Effect.fnUntraced(function* <A>(
    host: Host,
    prepare: (server: Service) => Effect.Effect<A, never, Scope.Scope>
  ) {
    if (holder !== undefined) return yield* new PortInUse({ host: "simulated", port: 1 })
    const clients = yield* ClientConnections.make({ heartbeat: "3 seconds" })
    const own: Holder = { host, clients, isOpen: false }
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
    const server: Service = {
      url: "http://simulated:1",
      port: 1,
      ...ClientConnections.toPeer(clients),
      interceptHttp: () => Effect.die("no HTTP here"),
      setRouteProxyResolver: () => Effect.void
    }
    const prepared = yield* prepare(server)
    own.isOpen = true
    return { server, prepared, release }
  })

  const open =
    (host: Host): ReconnectingClient.Connect =>
    (onOpen) =>
      Effect.async((resume) => {
        let isGivenUp = false
        const refused = () =>
          host.after(network.world.between(0, 1), () =>
            resume(new ConnectFailed({ url: "simulated", reason: "Refused", detail: "no server listens" }))
          )
        const asked = holder
        if (asked === undefined || asked.host.state === "dead") refused()
        else {
          asked.host.after(network.delay(host, asked.host), () => {
            if (holder !== asked || !asked.isOpen) return refused()
            const [near, far] = network.pair(host, asked.host)
            asked.clients.accept(far, host.name)
            host.after(network.delay(asked.host, host), () => {
              if (isGivenUp) return near.terminate()
              onOpen(near)
              resume(Effect.void)
            })
            return undefined
          })
        }
        return Effect.sync(() => {
          isGivenUp = true
        })
      })

  const endpoint = (host: Host): GatewayElection.GatewayEndpoint<{ readonly server: Service }> => ({
    name: "simulated",
    serve: (prepare) => Effect.suspend(() => serve(host, prepare)),
    connect: ReconnectingClient.make("simulated", open(host), { reconnect: false, heartbeat: "3 seconds" })
  })

  return {
    takePart: (host) =>
      DiscoveryMember.make<Election<Registry, IPCClient.Service>, ElectionError>({ runtimeId: host.name }, (setup) =>
        GatewayElection.make(endpoint(host), setup, { runtimeId: host.name })
      ),
    // The system frees what a dead process held.
    onKill: (host) => {
      if (holder?.host === host) holder = undefined
    },
    /** Heartbeats, a next leader, and the time for which inherited routes are kept. */
    quietMillis: 30_000
  }
}
