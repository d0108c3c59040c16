/**
 * Batches of what a connection sends: the frames of one turn of the event loop leave by few system calls.
 *
 * @internal
 */
import type { Duplex } from "node:stream"
import type { Packet } from "../../src/connection/Transport.js"

/** The socket to which batches are written. */
export interface Sink {
  readonly isOpen: () => boolean
  /** Bytes that were written and haven't left yet. */
  readonly buffered: () => number
  readonly write: (packets: ReadonlyArray<Packet>) => void
  /** Called when all or most of what was sent has left. */
  readonly onDrain: () => void
}

/**
 * A batch is half of what a turn usually sends, and no fewer frames than this: the peer reads one half while the other is
 * made, and few system calls are needed.
 */
const leastBatchCount = 32

/** A batch of this many characters is written at once, however few its frames are. */
const batchLength = 32 * 1024

/** The usual number of frames in a turn rises at once and falls slowly: an empty turn leaves this part of it. */
const remembered = 0.9

const nothing = Buffer.alloc(0)

/** The packets of one connection on their way to its socket. */
export class Batches {
  /** What waits for the end of the turn, if anything. */
  private queue: Array<Packet> | undefined
  private queuedLength = 0
  private batchCount = leastBatchCount
  /** How many frames this turn has written, and how many a turn usually sends. */
  private writtenInTurn = 0
  private usualCount = 0
  private turnEnds = false
  private awaitsDrain = false

  constructor(
    private readonly socket: Duplex,
    private readonly sink: Sink
  ) {}

  send(packet: Packet): void {
    this.begin()
    this.queue ??= []
    const count = this.queue.push(packet)
    this.queuedLength += packet.length
    if (count >= this.batchCount || this.queuedLength >= batchLength) this.flush()
  }

  /** Called when something is sent in this turn. */
  begin(): void {
    if (this.turnEnds) return
    this.turnEnds = true
    // After the running code and the fibers that it woke, so that their frames leave in the same batch.
    process.nextTick(endTurn, this)
  }

  unsent(): number {
    return this.queuedLength + this.sink.buffered()
  }

  /** Writes what waits for the end of the turn. */
  flush(): void {
    const { queue } = this
    if (queue === undefined) return
    this.queue = undefined
    this.queuedLength = 0
    this.writtenInTurn += queue.length
    if (this.sink.isOpen()) this.sink.write(queue)
  }

  endTurn(): void {
    this.turnEnds = false
    this.flush()
    this.usualCount = Math.max(this.writtenInTurn, remembered * this.usualCount)
    this.batchCount = Math.max(leastBatchCount, Math.floor(this.usualCount / 2))
    this.writtenInTurn = 0
    if (this.sink.buffered() === 0) this.sink.onDrain()
    else this.awaitDrain()
  }

  private awaitDrain(): void {
    if (this.awaitsDrain || !this.sink.isOpen()) return
    this.awaitsDrain = true
    // Not the socket's `drain`, which isn't emitted while less than its high-water mark is unsent.
    this.socket.write(nothing, (error) => {
      this.awaitsDrain = false
      this.sink.onDrain()
      // Frames that were sent meanwhile come after these.
      if (!error && this.sink.buffered() > 0) this.awaitDrain()
    })
  }
}

const endTurn = (batches: Batches) => batches.endTurn()
