/**
 * The streams of one connection take turns, a batch at a time, and only while little is unsent: requests, responses and
 * pings never wait behind more than that.
 *
 * @internal
 */
import type { Outbox } from "./Outbox.js"
import type { Transport } from "./Transport.js"

export interface Turn {
  /** Sends one batch. Whether there is another one that may be sent. */
  readonly take: () => boolean
}

export class StreamTurns {
  private readonly ready = new Set<Turn>()
  private taking = false

  constructor(
    private readonly transport: Transport,
    private readonly outbox: Outbox
  ) {}

  add(turn: Turn): void {
    this.ready.add(turn)
    this.take()
  }

  remove(turn: Turn): void {
    this.ready.delete(turn)
  }

  /** Lets each have its turn, as long as there is room. */
  take(): void {
    // A turn may end what another one waits for, and so come back here.
    if (this.taking) return
    this.taking = true
    for (const turn of this.ready) {
      if (!this.hasRoom()) break
      this.ready.delete(turn)
      // Appended, so the loop reaches it again.
      if (turn.take()) this.ready.add(turn)
    }
    this.taking = false
  }

  private hasRoom(): boolean {
    return !this.outbox.isWaiting && this.transport.unsent() < mostUnsent
  }
}

/** Past this many unsent bytes streams wait. */
const mostUnsent = 256 * 1024
