/**
 * Requests that wait for the peer's credit.
 *
 * @internal
 */
import type { ConnectionMemory } from "./ConnectionMemory.js"
import type { Departure } from "./Departure.js"
import type { Credit } from "./Hello.js"

/** What this end may send. None before the peer's hello. */
export class RequestCredit {
  private count = 0
  private bytes = 0
  /** Made when the first request has to wait. */
  private departures: Set<Departure> | undefined

  constructor(private readonly memory: ConnectionMemory) {}

  /** How many requests wait. */
  get waiting(): number {
    return this.departures?.size ?? 0
  }

  entries(): Iterable<Departure> {
    return this.departures ?? []
  }

  /** Whether a frame of this length may be sent now; then it counts as sent. The last one may overdraw the bytes. */
  take(length: number): boolean {
    if (this.waiting > 0 || this.count < 1 || this.bytes < 1) return false
    this.count--
    this.bytes -= length
    return true
  }

  add(departure: Departure): void {
    this.departures ??= new Set()
    this.departures.add(departure)
    this.memory.uncredited += lengthOf(departure)
    this.memory.settle()
  }

  /** Whether it waited here. */
  remove(departure: Departure): boolean {
    if (this.departures?.delete(departure) !== true) return false
    this.memory.uncredited -= lengthOf(departure)
    return true
  }

  /** More may be sent; takes those that waited for it, in order. */
  grant({ bytes, count }: Credit, send: (departure: Departure) => void): void {
    this.count += count
    this.bytes += bytes
    for (const departure of this.entries()) {
      if (this.count < 1 || this.bytes < 1) return
      this.remove(departure)
      this.count--
      this.bytes -= lengthOf(departure)
      send(departure)
    }
    this.memory.settle()
  }

  /** What has taken credit and then wasn't sent. */
  refund(length: number): void {
    this.count++
    this.bytes += length
  }

  clear(): void {
    const departures = [...this.entries()]
    this.departures?.clear()
    this.memory.uncredited = 0
    for (const departure of departures) departure.onDeparted?.()
  }
}

const lengthOf = ({ packet }: Departure): number => packet?.length ?? 0
