/**
 * A bucket in memory, as NATS 2.9 has it: the last write of each key, removals included; a write on condition of the key's
 * last revision; entries dropped for their age by the server's wall clock, of which no watcher is told.
 */
import * as Effect from "effect/Effect"
import type { Bucket, Entry } from "../../src/lease/Bucket.js"
import { RevisionMismatch } from "../../src/lease/Bucket.js"

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

/** As participants of one process have it: without a network. */
export const toBucket = (memory: MemoryBucket): Bucket => {
  const write = (key: string, value: string | undefined, expected: number) =>
    Effect.suspend(() => {
      const revision = memory.write(key, value, expected)
      return revision === undefined ? Effect.fail(new RevisionMismatch()) : Effect.succeed(revision)
    })
  return {
    write,
    remove: (key, expected) => write(key, undefined, expected),
    watch: (listener) =>
      Effect.async((_resume) => {
        for (const entry of memory.after(0)) listener.onEntry(entry)
        listener.onCurrent()
        return Effect.sync(memory.subscribe(listener.onEntry))
      })
  }
}
