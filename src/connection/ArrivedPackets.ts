/**
 * What has arrived, frame by frame. Of a message of many frames so many are handled at a time, and what they wake runs
 * before the next: what a response is made into is still in the processor's cache when its fiber takes it, and what that
 * fiber sends leaves while this end reads on.
 *
 * @internal
 */
import * as JoinedFrames from "./JoinedFrames.js"
import type { Packet } from "./Transport.js"

const framesAtOnce = 32

/** What handles the frames of one connection. */
export interface FrameReader {
  /** Frames come; those of another message than before, or the rest of it. */
  readonly beginFrames: (isNewMessage: boolean) => void
  /** A frame, which begins at `start` of the message. */
  readonly onPacket: (packet: Packet, message: Packet, start: number) => void
  readonly endFrames: () => void
}

/** The messages of one connection, in order. */
export class ArrivedPackets {
  private waiting: Array<Packet> | undefined
  /** Where the first of them is read on. */
  private position = 0
  private isReading = false

  constructor(
    private readonly reader: FrameReader,
    /** Whether a text may be several frames. */
    private readonly joined: boolean
  ) {}

  /** Handles a message, at once unless others wait. */
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

  /** Handles at once what waits, unless it is called by what handles a frame. */
  flush(): void {
    while (this.waiting !== undefined && !this.isReading) this.readOn(Number.POSITIVE_INFINITY)
  }

  /** Forgets what waits. */
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
    // It may have been cleared.
    if (this.waiting !== waiting) return
    this.position = next > message.length ? 0 : next
    if (this.position > 0) return
    waiting.shift()
    if (waiting.length === 0) this.waiting = undefined
  }

  /** Handles so many frames from `position` on; returns where the next one begins, past the message's end where there is none. */
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
