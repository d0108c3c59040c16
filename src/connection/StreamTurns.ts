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
  /** The round in which it last sent, and how much it has sent in it, in UTF-16 units or bytes. */
  round: number
  sentInRound: number
}

export class StreamTurns {
  private readonly ready = new Set<Turn>()
  /** Those that have had their share of the round. */
  private readonly spent = new Set<Turn>()
  private readonly members = new Set<Turn>()
  /** A round ends when what was sent has left. */
  private round = 0
  private taking = false

  constructor(
    private readonly transport: Transport,
    private readonly outbox: Outbox
  ) {}

  join(turn: Turn): void {
    this.members.add(turn)
  }

  leave(turn: Turn): void {
    this.members.delete(turn)
    this.ready.delete(turn)
    this.spent.delete(turn)
  }

  /** It has something to send. */
  add(turn: Turn): void {
    this.ready.add(turn)
    this.take()
  }

  /** What was sent has left. */
  onDrain(): void {
    this.round++
    // A set that is cleared makes a new table, however empty it is.
    if (this.spent.size > 0) {
      // Behind those for which there was no room.
      for (const turn of this.spent) this.ready.add(turn)
      this.spent.clear()
    }
    if (this.ready.size > 0) this.take()
  }

  /** Lets each have its turn, as long as there is room. */
  private take(): void {
    // A turn may end what another one waits for, and so come back here.
    if (this.taking) return
    this.taking = true
    for (const turn of this.ready) {
      if (!this.hasRoom()) break
      this.ready.delete(turn)
      if (!this.isDue(turn)) this.spent.add(turn)
      // Appended, so the loop reaches it again.
      else if (turn.take()) this.ready.add(turn)
    }
    this.taking = false
  }

  private hasRoom(): boolean {
    return !this.outbox.isWaiting && this.transport.unsent() < mostUnsent
  }

  /** A producer that always has the next elements ready leaves the others their share of the round. */
  private isDue(turn: Turn): boolean {
    if (turn.round !== this.round) {
      turn.round = this.round
      turn.sentInRound = 0
    }
    return turn.sentInRound < shareOfRound || this.members.size === 1
  }
}

/** Past this many unsent bytes streams wait. */
const mostUnsent = 256 * 1024

const shareOfRound = 32 * 1024
