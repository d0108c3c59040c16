/**
 * A bucket in memory, as NATS 2.9 has it: the last write of each key, removals included; a write on condition of the key's
 * last revision; entries dropped for their age by the server's wall clock, of which no watcher is told.
 */
import type { Entry } from "../../src/lease/Bucket.js"

interface Stored extends Entry {
  readonly at: number
}

export class MemoryBucket {
  private revision = 0
  /** By key, in the order of their revisions. */
  private readonly stored = new Map<string, Stored>()
  private readonly listeners = new Set<(entry: Entry) => void>()

  constructor(
    private readonly now: () => number,
    private readonly maxAgeMillis: number
  ) {}

  /** The new revision; none where the key's last write is another than the expected one. */
  write(key: string, value: string | undefined, expected: number): number | undefined {
    this.dropOld()
    if ((this.stored.get(key)?.revision ?? 0) !== expected) return undefined
    const entry = { key, value, revision: ++this.revision, at: this.now() }
    this.stored.delete(key)
    this.stored.set(key, entry)
    for (const listener of this.listeners) listener(told(entry))
    return entry.revision
  }

  /** The last writes after a revision. */
  after(revision: number): ReadonlyArray<Entry> {
    this.dropOld()
    return Array.from(this.stored.values())
      .filter((entry) => entry.revision > revision)
      .map(told)
  }

  subscribe(listener: (entry: Entry) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  private dropOld(): void {
    for (const [key, { at }] of this.stored) if (this.now() - at >= this.maxAgeMillis) this.stored.delete(key)
  }
}

const told = ({ key, revision, value }: Stored): Entry => ({ key, revision, value })
