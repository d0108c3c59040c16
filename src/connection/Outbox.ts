/**
 * What one connection sends. Past the high-water mark of unsent bytes frames wait here, in order.
 *
 * @internal
 */
import type { Transport } from "./Transport.js"

/** A frame that waits for unsent bytes to leave. */
export interface Departure {
  readonly text: string
  /** Called when it has been sent, and when the outbox is cleared. */
  readonly onDeparted: () => void
}

/** The frames of one connection on their way out. */
export class Outbox {
  private readonly departures = new Set<Departure>()

  constructor(
    private readonly transport: Transport,
    private readonly highWaterMark: number
  ) {}

  /** How many frames wait. */
  get waiting(): number {
    return this.departures.size
  }

  /** Whether what is sent now has to wait: too much is unsent, or frames wait already. */
  isCongested(): boolean {
    if (this.departures.size > 0) this.drain()
    return this.transport.unsent() > this.highWaterMark
  }

  add(departure: Departure): void {
    this.departures.add(departure)
  }

  remove(departure: Departure): void {
    this.departures.delete(departure)
  }

  /** Sends what waits, up to the mark. */
  drain(): void {
    if (this.departures.size === 0) return
    for (const departure of this.departures) {
      if (this.transport.unsent() > this.highWaterMark) return
      this.departures.delete(departure)
      this.transport.send(departure.text)
      departure.onDeparted()
    }
  }

  /** Forgets what waits: the connection has ended. */
  clear(): void {
    const departures = [...this.departures]
    this.departures.clear()
    for (const departure of departures) departure.onDeparted()
  }
}
