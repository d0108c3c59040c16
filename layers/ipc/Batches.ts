/**
 * What a connection sends, in batches: what is sent in one turn of the event loop leaves in few system calls.
 *
 * @internal
 */
import type { Duplex } from "node:stream"
import type { Packet } from "../../src/connection/Transport.js"

/** Where batches go. */
export interface Sink {
  readonly isOpen: () => boolean
  /** Bytes that were written and haven't left yet. */
  readonly buffered: () => number
  readonly write: (packets: ReadonlyArray<Packet>) => void
}

/**
 * So many frames, or characters of them, don't wait for the end of the turn: the peer reads them while the next are made.
 * Each further batch of the turn has twice as many frames, so that a long turn takes few system calls.
 */
const firstBatchCount = 32
const batchLength = 32 * 1024

const nothing = Buffer.alloc(0)

/** The packets of one connection on their way to its socket. */
export class Batches {
  /** Told when what was sent has left, wholly or for the most part. */
  onDrain: () => void = () => {}
  private queue: Array<Packet> = []
  private queuedLength = 0
  private batchCount = firstBatchCount
  private turnEnds = false
  private awaitsDrain = false

  constructor(
    private readonly socket: Duplex,
    private readonly sink: Sink
  ) {}

  send(packet: Packet): void {
    if (!this.turnEnds) {
      this.turnEnds = true
      // After what is running now and the fibers it woke: what they send leaves with it.
      process.nextTick(endTurn, this)
    }
    this.queue.push(packet)
    this.queuedLength += packet.length
    if (this.queue.length >= this.batchCount || this.queuedLength >= batchLength) {
      this.batchCount *= 2
      this.flush()
    }
  }

  unsent(): number {
    return this.queuedLength + this.sink.buffered()
  }

  /** Writes what waits for the end of the turn. */
  flush(): void {
    const { queue } = this
    if (queue.length === 0) return
    this.queue = []
    this.queuedLength = 0
    if (this.sink.isOpen()) this.sink.write(queue)
  }

  endTurn(): void {
    this.turnEnds = false
    this.batchCount = firstBatchCount
    this.flush()
    if (this.sink.buffered() === 0) this.onDrain()
    else this.awaitDrain()
  }

  private awaitDrain(): void {
    if (this.awaitsDrain || !this.sink.isOpen()) return
    this.awaitsDrain = true
    // Not the socket's own drain: that one never comes where less is unsent than the socket takes at once.
    this.socket.write(nothing, (error) => {
      this.awaitsDrain = false
      this.onDrain()
      // What was sent meanwhile is behind this.
      if (!error && this.sink.buffered() > 0) this.awaitDrain()
    })
  }
}

const endTurn = (batches: Batches) => batches.endTurn()
