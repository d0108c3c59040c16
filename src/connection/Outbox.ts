/**
 * What one connection sends. Past the high-water mark of unsent bytes frames wait here, in order.
 *
 * @internal
 */
import type { ConnectionMemory } from "./ConnectionMemory.js"
import { granularity } from "./ConnectionMemory.js"
import type { Transport } from "./Transport.js"

/** A frame that waits for unsent bytes to leave. */
export interface Departure {
  readonly text: string
  /** Called when it has been sent, and when the outbox is cleared. */
  readonly onDeparted?: () => void
}

/** The frames of one connection on their way out. */
export class Outbox {
  private readonly departures = new Set<Departure>()

  constructor(
    private readonly transport: Transport,
    private readonly memory: ConnectionMemory
  ) {}

  /** How many frames wait. */
  get waiting(): number {
    return this.departures.size
  }

  /** Whether what is sent now has to wait: too much is unsent, or frames wait already. */
  isCongested(): boolean {
    if (this.departures.size > 0) this.drain()
    const unsent = this.transport.unsent()
    if (unsent > granularity) this.memory.settle()
    return unsent > this.memory.mark
  }

  send(text: string): void {
    this.transport.send(text)
  }

  /** Sends the frame when enough has left. */
  add(departure: Departure): void {
    this.departures.add(departure)
    this.memory.departing += departure.text.length
    this.memory.settle()
  }

  remove(departure: Departure): void {
    if (this.departures.delete(departure)) this.memory.departing -= departure.text.length
  }

  /** Sends what waits, up to the mark. */
  drain(): void {
    for (const departure of this.departures) {
      if (this.transport.unsent() > this.memory.mark) break
      this.remove(departure)
      this.transport.send(departure.text)
      departure.onDeparted?.()
    }
    this.memory.settle()
  }

  /** Forgets what waits: the connection has ended. */
  clear(): void {
    const departures = [...this.departures]
    this.departures.clear()
    this.memory.departing = 0
    for (const departure of departures) departure.onDeparted?.()
  }
}
