/**
 * Connections between hosts: each keeps its order and takes its time, so that what happens on one is before or after what
 * happens on another as the seed has it.
 */
import type { CloseEvent } from "../../src/CloseEvent.js"
import { CloseCode } from "../../src/CloseEvent.js"
import * as Subprotocol from "../../src/connection/Subprotocol.js"
import type { Packet, Transport, TransportListener } from "../../src/connection/Transport.js"
import type { Host, World } from "./World.js"

export class Network {
  /** How long a message takes at most, in milliseconds. */
  maxDelay = 2
  private readonly ends = new Set<End>()
  /** When each host's stalled network goes on. */
  private readonly stalledUntil = new Map<Host, number>()

  constructor(readonly world: World) {}

  /** How long a message between the two takes that leaves now. */
  delay(from: Host, to: Host): number {
    const stalled = Math.max(this.stalledUntil.get(from) ?? 0, this.stalledUntil.get(to) ?? 0) - this.world.now
    return Math.max(stalled, 0) + this.world.between(0.05, this.maxDelay)
  }

  pair(left: Host, right: Host): readonly [Transport, Transport] {
    const near = new End(this, left)
    const far = new End(this, right)
    near.peer = far
    far.peer = near
    this.ends.add(near).add(far)
    return [near, far]
  }

  /** Nothing arrives at the host or from it for a while, though every connection stands. */
  stall(host: Host, millis: number): void {
    this.stalledUntil.set(host, this.world.now + millis)
  }

  /** Every connection of the host breaks. */
  cut(host: Host): void {
    for (const end of this.ends) if (end.host === host || end.peer.host === host) end.break()
  }

  remove(end: End): void {
    this.ends.delete(end)
  }
}

/** One end of a connection. */
class End implements Transport {
  readonly agreement = Subprotocol.streaming
  peer!: End
  private listener: TransportListener | undefined
  /** What arrived before anybody listened. */
  private early: Array<() => void> = []
  private endedEarly: CloseEvent | undefined
  private open = true
  private unsentBytes = 0
  /** When the last message to the peer arrives. */
  private lastArrival = 0

  constructor(
    private readonly network: Network,
    readonly host: Host
  ) {}

  listen(listener: TransportListener): void {
    this.listener = listener
    const { early } = this
    this.early = []
    this.host.after(0, () => {
      for (const deliver of early) deliver()
      if (this.endedEarly !== undefined) listener.onClosed(this.endedEarly)
    })
  }

  send(packet: Packet): void {
    if (!this.open) return
    this.unsentBytes += packet.length
    const arrival = this.tell((peer) => {
      if (typeof packet === "string") peer.onText(packet)
      else peer.onBytes(packet)
    })
    this.host.after(arrival - this.network.world.now, () => {
      this.unsentBytes -= packet.length
      if (this.open) this.listener?.onDrain()
    })
  }

  unsent(): number {
    return this.unsentBytes
  }

  ping(): void {
    this.tell((peer) => {
      peer.onAlive()
      this.peer.tell((self) => self.onAlive())
    })
  }

  close(event: CloseEvent): void {
    if (!this.open) return
    this.endLater(event)
    this.host.after(this.network.world.between(0, 1), () => this.end(event))
  }

  terminate(): void {
    if (!this.open) return
    this.endLater(broken)
    this.end(broken)
  }

  /** As a reset from below does it: each end learns of it at a time of its own. */
  break(): void {
    this.host.after(this.network.world.between(0, this.network.maxDelay), () => this.end(broken))
  }

  /** The peer hears of the end after all that was sent before. */
  private endLater(event: CloseEvent): void {
    this.deliver(() => this.peer.end(event))
  }

  private end(event: CloseEvent): void {
    if (!this.open) return
    this.open = false
    this.network.remove(this)
    if (this.listener === undefined) this.endedEarly = event
    else this.listener.onClosed(event)
  }

  private tell(say: (listener: TransportListener) => void): number {
    return this.deliver(() => {
      if (this.peer.open && this.peer.listener !== undefined) say(this.peer.listener)
    })
  }

  private deliver(run: () => void): number {
    const { world } = this.network
    const { host } = this.peer
    this.lastArrival = Math.max(world.now + this.network.delay(this.host, host), this.lastArrival)
    host.after(this.lastArrival - world.now, () => {
      if (this.peer.listener === undefined) this.peer.early.push(run)
      else run()
    })
    return this.lastArrival
  }
}

const broken: CloseEvent = { code: CloseCode.Abnormal, reason: "" }
