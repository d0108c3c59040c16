/**
 * What one connection sends. Past the high-water mark of unsent bytes frames wait here, in order; requests also wait for
 * the peer's credit where the peer gives any.
 *
 * @internal
 */
import type { ConnectionMemory } from "./ConnectionMemory.js"
import { granularity } from "./ConnectionMemory.js"
import type { Departure } from "./Departure.js"
import * as FrameBytes from "./FrameBytes.js"
import * as FrameLimit from "./FrameLimit.js"
import type { Credit } from "./Hello.js"
import { RequestCredit } from "./RequestCredit.js"
import type { Packet, Transport } from "./Transport.js"

/** The frames of one connection on their way out. */
export class Outbox {
  /** Made when the first frame has to wait. */
  private departures: Set<Departure> | undefined
  private readonly credit: RequestCredit | undefined

  constructor(
    private readonly transport: Transport,
    private readonly memory: ConnectionMemory
  ) {
    this.credit = transport.agreement.version === 2 ? new RequestCredit(memory) : undefined
  }

  /** How many frames wait. */
  get waiting(): number {
    return (this.departures?.size ?? 0) + (this.credit?.waiting ?? 0)
  }

  /** Whether frames wait for others to leave. */
  get isWaiting(): boolean {
    return this.departures !== undefined && this.departures.size > 0
  }

  /** Whether what is sent now has to wait: too much is unsent, or frames wait already. */
  isCongested(): boolean {
    if (this.isWaiting) this.drain()
    const unsent = this.transport.unsent()
    if (unsent > granularity) this.memory.settle()
    return unsent > this.memory.mark
  }

  /** Sends at once, whatever waits: what is small, and what others wait for. */
  send(packet: Packet): void {
    this.transport.send(packet)
    if (packet.length > granularity) this.memory.settle()
  }

  /** Like `send`, for a binary frame of a head and bytes. */
  sendBytes(head: string, bytes: Uint8Array): void {
    const { transport } = this
    if (bytes.length < largeBytes || transport.sendBytes === undefined) return this.send(FrameBytes.joined(head, bytes))
    transport.sendBytes(head, bytes)
    if (bytes.length > granularity) this.memory.settle()
  }

  /** Sends a request or message, now or when it may be; false where it waits. */
  request(packet: Packet, departure: Departure): boolean {
    if (this.credit !== undefined && !this.credit.take(packet.length)) {
      departure.packet = packet
      this.credit.add(departure)
      return false
    }
    if (this.isCongested()) {
      departure.packet = packet
      this.add(departure)
      return false
    }
    this.transport.send(packet)
    return true
  }

  /** Sends the frame when enough has left. */
  add(departure: Departure): void {
    this.departures ??= new Set()
    this.departures.add(departure)
    this.memory.departing += departure.packet?.length ?? 0
    this.memory.settle()
  }

  /** A request that still waits is not sent. */
  withdraw(departure: Departure): void {
    const length = departure.packet?.length ?? 0
    if (this.credit?.remove(departure) !== true && this.remove(departure)) this.credit?.refund(length)
    departure.packet = undefined
  }

  /** The peer takes no larger frame than this, in bytes. */
  limit(maxFrameBytes: number): void {
    for (const departure of [...(this.departures ?? []), ...(this.credit?.entries() ?? [])]) {
      const { packet } = departure
      if (packet === undefined || !FrameLimit.isExceeded(packet, maxFrameBytes)) continue
      departure.onTooLarge?.(FrameLimit.sizeOf(packet), maxFrameBytes)
    }
  }

  /** The peer lets this end send more requests. */
  grant(credit: Credit): void {
    this.credit?.grant(credit, (departure) => {
      if (this.isCongested()) this.add(departure)
      else this.depart(departure)
    })
  }

  /** Sends what waits, up to the mark. */
  drain(): void {
    for (const departure of this.departures ?? []) {
      if (this.transport.unsent() > this.memory.mark) break
      this.remove(departure)
      this.depart(departure)
    }
    this.memory.settle()
  }

  /** Forgets what waits: the connection has ended. */
  clear(): void {
    const departures = [...(this.departures ?? [])]
    this.departures?.clear()
    this.memory.departing = 0
    for (const departure of departures) departure.onDeparted?.()
    this.credit?.clear()
  }

  private remove(departure: Departure): boolean {
    if (this.departures?.delete(departure) !== true) return false
    this.memory.departing -= departure.packet?.length ?? 0
    return true
  }

  private depart(departure: Departure): void {
    if (departure.packet !== undefined) this.transport.send(departure.packet)
    departure.packet = undefined
    departure.onDeparted?.()
  }
}

/** Fewer bytes are batched with other frames. */
const largeBytes = 16 * 1024
