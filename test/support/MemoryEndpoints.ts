/**
 * Endpoints of services in memory, which a test may disturb.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as ClientConnections from "../../src/connection/ClientConnections.js"
import { MemoryNetwork } from "../../src/connection/MemoryNetwork.js"
import { ConnectFailed } from "../../src/IPCError.js"
import type { ServiceEndpoints } from "../../src/service/ServiceEndpoints.js"

export const make = () => {
  const networks = new Map<string, MemoryNetwork>()
  let latest = 0

  const service: ServiceEndpoints = {
    where: "at this port",
    listen: (prepare, options) =>
      Effect.gen(function* () {
        const clients = yield* ClientConnections.make(options)
        const peer = ClientConnections.toPeer(clients)
        yield* prepare(peer)
        const address = `http://memory:${++latest}`
        const release = Effect.zipRight(
          Effect.sync(() => networks.delete(address)),
          clients.startClosing
        )
        yield* Effect.acquireRelease(
          Effect.sync(() => networks.set(address, new MemoryNetwork(clients, address))),
          () => release
        )
        return { peer, address, release, withoutClients: clients.withoutClients }
      }) as Effect.Effect<never, never, Scope.Scope>,
    connect: (address, runtimeId) => (onOpen) =>
      Effect.suspend(() => {
        const network = networks.get(address)
        return network === undefined
          ? Effect.fail(new ConnectFailed({ url: address, reason: "Refused", detail: "no server listens" }))
          : network.connect(runtimeId)(onOpen)
      })
  }

  return {
    service,
    /** The addresses that are listened at, in the order in which they were opened. */
    addresses: () => Array.from(networks.keys()),
    /** As the death of its process: every connection breaks, and no further one is taken. */
    kill: (address: string) =>
      Effect.sync(() => {
        const network = networks.get(address)
        networks.delete(address)
        network?.disconnect()
      }),
    /** As a process that is stopped. */
    freeze: (address: string) => Effect.sync(() => networks.get(address)?.setFrozen(true)),
    thaw: (address: string) => Effect.sync(() => networks.get(address)?.setFrozen(false))
  }
}
