/**
 * The network between one server and its clients in memory, for a test to disturb.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { ConnectFailed } from "../IPCError.js"
import { Waiters } from "../internal/Waiters.js"
import type { ClientConnections } from "./ClientConnections.js"
import type { MemoryTransport } from "./MemoryTransport.js"
import { makePair } from "./MemoryTransport.js"
import type { Connect } from "./ReconnectingConnection.js"
import * as Subprotocol from "./Subprotocol.js"

export class MemoryNetwork {
  /** The client's end of each connection, and the client's name. */
  private readonly ends = new Map<MemoryTransport, string | undefined>()
  private readonly thawing = new Waiters()
  private online = true
  private frozen = false

  constructor(
    private readonly clients: ClientConnections,
    private readonly url: string
  ) {}

  connect(runtimeId: string | undefined): Connect {
    const open: Connect = (onOpen) =>
      Effect.suspend(() => {
        if (this.frozen) return Effect.zipRight(this.thawed, open(onOpen))
        if (!this.online) {
          return new ConnectFailed({ url: this.url, reason: "Refused", detail: "the network is offline" })
        }
        const [near, far] = makePair(Subprotocol.streaming)
        this.clients.accept(far, runtimeId)
        onOpen(near)
        this.ends.set(near, runtimeId)
        return Effect.void
      })
    return open
  }

  /** Breaks the connections of one client, or of all, without a close frame. */
  disconnect(runtimeId?: string): void {
    for (const [end, name] of this.ends) {
      if (runtimeId !== undefined && name !== runtimeId) continue
      this.ends.delete(end)
      end.terminate()
    }
  }

  /** While it is offline, connecting is refused. */
  setOnline(online: boolean): void {
    this.online = online
  }

  /** While it is frozen nothing arrives, though every connection stands, and connecting waits: a server that was stopped. */
  setFrozen(frozen: boolean): void {
    if (this.frozen === frozen) return
    this.frozen = frozen
    for (const near of this.ends.keys()) {
      for (const end of [near, near.peer]) frozen ? end.freeze() : end.thaw()
    }
    this.thawing.announce()
  }

  private readonly thawed = this.thawing.until(() => (this.frozen ? undefined : Effect.void))
}
