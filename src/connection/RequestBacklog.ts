/**
 * Requests and messages that have arrived and wait to be handled, in order, as the text that they came in.
 *
 * @internal
 */
import { IdMap } from "../internal/IdMap.js"
import { queuedCalls } from "../telemetry/Metrics.js"
import type { ConnectionMemory } from "./ConnectionMemory.js"
import type { Packet } from "./Transport.js"

/** What the transport read at once; it is in memory as long as any of its frames waits. */
interface Batch {
  readonly packet: Packet
  waiting: number
}

interface Entry {
  /** The request's id; negative for what has none. */
  readonly id: number
  readonly start: number
  readonly end: number
  /** None once it is cancelled. */
  batch: Batch | undefined
  /** Of a stream. */
  early: EarlyFrames | undefined
}

/** What the peer says of a stream that waits to be opened. */
export interface EarlyFrames {
  /** What it grants. */
  count: number
  bytes: number
  isInputEnded: boolean
}

/** What is taken out to be handled. */
interface Taken {
  readonly packet: Packet
  readonly early: EarlyFrames | undefined
}

export class RequestBacklog {
  /** How many wait. */
  size = 0
  private entries: Array<Entry> = []
  /** Where the oldest entry is. */
  private first = 0
  private readonly byId = new IdMap<Entry>()
  /** What is being read now, if a frame of it waits. */
  private reading: Batch | undefined

  constructor(private readonly memory: ConnectionMemory) {}

  /** The frames that come next are of another batch. */
  beginBatch(): void {
    this.reading = undefined
  }

  has(id: number): boolean {
    return this.byId.get(id) !== undefined
  }

  /** Adds the frame from `start` to `end` of the batch; a negative id stands for none. */
  push(packet: Packet, start: number, end: number, id: number): void {
    if (this.reading === undefined || this.reading.waiting === 0) {
      this.reading = { packet, waiting: 0 }
      this.memory.backlog += packet.length
    }
    const entry: Entry = { id, start, end, batch: this.reading, early: undefined }
    this.reading.waiting++
    this.memory.backlog += entryBytes
    this.entries.push(entry)
    if (id >= 0) this.byId.add(entry)
    this.size++
    queuedCalls(1)
    this.memory.settle()
  }

  /** The length of the oldest frame that waits. */
  get nextLength(): number {
    const entry = this.next()
    return entry === undefined ? 0 : entry.end - entry.start
  }

  /** What is kept with the frame of a stream; undefined where none of this id waits. */
  earlyFramesOf(id: number): EarlyFrames | undefined {
    const entry = this.byId.get(id)
    if (entry === undefined) return undefined
    entry.early ??= { count: 0, bytes: 0, isInputEnded: false }
    return entry.early
  }

  /** Takes the oldest frame that waits. */
  shift(): Taken | undefined {
    const entry = this.next()
    if (entry?.batch === undefined) return undefined
    const { early } = entry
    const { packet: whole } = entry.batch
    const packet = typeof whole === "string" ? whole.slice(entry.start, entry.end) : whole
    this.release(entry, entry.batch)
    this.next()
    if (this.first > compactAt) this.compact()
    this.memory.settle()
    return { packet, early }
  }

  /** How long the request's frame is, where it waited; else -1. */
  cancel(id: number): number {
    const entry = this.byId.get(id)
    if (entry?.batch === undefined) return -1
    this.release(entry, entry.batch)
    if (this.size === 0 || (this.entries.length > compactAt && this.size * 2 < this.entries.length)) this.compact()
    this.memory.settle()
    return entry.end - entry.start
  }

  clear(): void {
    queuedCalls(-this.size)
    this.size = 0
    this.entries = []
    this.first = 0
    this.byId.clear()
    this.reading = undefined
    this.memory.backlog = 0
  }

  private next(): Entry | undefined {
    while (this.first < this.entries.length && this.entries[this.first]?.batch === undefined) {
      this.first++
      this.memory.backlog -= entryBytes
    }
    return this.entries[this.first]
  }

  private release(entry: Entry, batch: Batch): void {
    entry.batch = undefined
    if (entry.id >= 0) this.byId.delete(entry.id)
    this.size--
    queuedCalls(-1)
    batch.waiting--
    if (batch.waiting === 0) this.memory.backlog -= batch.packet.length
  }

  private compact(): void {
    const before = this.entries.length - this.first
    this.entries = this.entries.slice(this.first).filter(({ batch }) => batch !== undefined)
    this.first = 0
    this.memory.backlog -= (before - this.entries.length) * entryBytes
  }
}

/** What an entry takes beside its text, about. */
const entryBytes = 100

const compactAt = 1024
