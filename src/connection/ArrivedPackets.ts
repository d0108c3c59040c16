/**
 * Messages that have arrived, handled frame by frame. After every 32 frames of a message, the fibers that these frames woke
 * run: the values that they take are still in the processor's cache, and what they send leaves while this end reads on.
 *
 * @internal
 */
import * as JoinedFrames from "./JoinedFrames.js"
import type { Packet } from "./Transport.js"

const framesAtOnce = 32

/** Handles the frames of one connection. */
export interface FrameReader {
  /** Called before frames are handled: those of a new message, or the rest of the message before. */
  readonly beginFrames: (isNewMessage: boolean) => void
  /** Called for each frame. It begins at `start` of the message. */
  readonly onPacket: (packet: Packet, message: Packet, start: number) => void
  readonly endFrames: () => void
}

/** The messages of one connection, in order. */
export class ArrivedPackets {
  private waiting: Array<Packet> | undefined
  /** Where the next frame begins in the first message that waits. */
  private position = 0
  private isReading = false

  constructor(
    private readonly reader: FrameReader,
    /** Whether one text message may have several frames. */
    private readonly joined: boolean
  ) {}

  /** Handles a message: at once, unless earlier ones wait. */
  add(message: Packet): void {
    if (this.waiting !== undefined) {
      this.waiting.push(message)
      return
    }
    const next = this.read(message, 0, framesAtOnce)
    if (next > message.length) return
    this.waiting = [message]
    this.position = next
    this.readSoon()
  }

  /** Handles all messages that wait, at once. Does nothing while a frame is being handled. */
  flush(): void {
    while (this.waiting !== undefined && !this.isReading) this.readOn(Number.POSITIVE_INFINITY)
  }

  /** Drops the messages that wait. */
  clear(): void {
    this.waiting = undefined
  }

  private readSoon(): void {
    queueMicrotask(() => {
      this.readOn(framesAtOnce)
      if (this.waiting !== undefined) this.readSoon()
    })
  }

  private readOn(most: number): void {
    const { waiting } = this
    const message = waiting?.[0]
    if (waiting === undefined || message === undefined) return
    const next = this.read(message, this.position, most)
    // Handling a frame may have called `clear`.
    if (this.waiting !== waiting) return
    this.position = next > message.length ? 0 : next
    if (this.position > 0) return
    waiting.shift()
    if (waiting.length === 0) this.waiting = undefined
  }

  /** Handles up to `most` frames from `position` on. Returns where the next frame begins, or a position past the end. */
  private read(message: Packet, position: number, most: number): number {
    const { reader } = this
    this.isReading = true
    reader.beginFrames(position === 0)
    let start = position
    for (let count = 0; count < most && start <= message.length; count++) {
      const end = typeof message === "string" && this.joined ? JoinedFrames.endOf(message, start) : message.length
      reader.onPacket(start === 0 && end === message.length ? message : message.slice(start, end), message, start)
      start = end + 1
    }
    reader.endFrames()
    this.isReading = false
    return start
  }
}
