/**
 * Participants at one port, as `Run` moves them: the port is the lock, and its holder's process keeps it while it is stopped.
 */
import * as Effect from "effect/Effect"
import type { ClientConnections } from "../../src/connection/ClientConnections.js"
import * as MemoryPort from "../support/MemoryPort.js"
import type { Network } from "./Network.js"
import type { Group } from "./Run.js"
import type { Host } from "./World.js"

interface Served {
  readonly host: Host
  readonly clients: ClientConnections
}

export const make = (network: Network): Group => {
  const port = MemoryPort.makeOn<Host, Served>({
    serve: (clients, host) => ({ host, clients }),
    connect: (host, holder) => (onOpen) =>
      Effect.async((resume) => {
        let isGivenUp = false
        const refuse = () => host.after(network.world.between(0, 1), () => resume(MemoryPort.refused))
        const asked = holder()
        if (asked === undefined || asked.served.host.state === "dead") refuse()
        else {
          const { clients, host: server } = asked.served
          server.after(network.delay(host, server), () => {
            if (holder() !== asked || !asked.isOpen) return refuse()
            const [near, far] = network.pair(host, server)
            clients.accept(far, host.name)
            host.after(network.delay(server, host), () => {
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
  })

  return {
    takePart: (host) => port.participant(host, { runtimeId: host.name }),
    // The system frees what a dead process held.
    onKill: (host) => {
      if (port.holder()?.served.host === host) port.free()
    },
    /** Heartbeats, a next leader, and the time for which inherited routes are kept. */
    quietMillis: 30_000
  }
}
