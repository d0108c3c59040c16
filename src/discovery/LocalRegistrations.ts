/**
 * What a participant has registered and still holds, under whichever leader.
 *
 * @internal
 */
import type { Entry, Route } from "../DiscoveryEntry.js"
import { keyOf } from "./EntryKey.js"

/**
 * An entry may be registered several times; it is held until the last registration of it is released.
 */
export interface LocalRegistrations {
  /**
   * Increments the reference counts of the entries. The returned release gives the entries whose count reached zero at its
   * first call, and none later.
   */
  readonly hold: (entries: ReadonlyArray<Entry>) => () => ReadonlyArray<Entry>
  /** Sets the reference counts to zero. */
  readonly drop: (entries: ReadonlyArray<Entry>) => void
  readonly has: (entry: Entry | Route) => boolean
  readonly entries: () => ReadonlyArray<Entry>
}

export const make = (): LocalRegistrations => {
  const held = new Map<string, { readonly entry: Entry; readonly holders: Set<symbol> }>()

  return {
    hold: (entries) => {
      const holder = Symbol("holder")
      for (const entry of entries) {
        const key = keyOf(entry)
        const existing = held.get(key)
        if (existing === undefined) held.set(key, { entry, holders: new Set([holder]) })
        else existing.holders.add(holder)
      }
      return () =>
        entries.filter((entry) => {
          const key = keyOf(entry)
          const existing = held.get(key)
          return existing?.holders.delete(holder) === true && existing.holders.size === 0 && held.delete(key)
        })
    },
    drop: (entries) => {
      for (const entry of entries) held.delete(keyOf(entry))
    },
    has: (entry) => held.has(keyOf(entry)),
    entries: () => Array.from(held.values(), ({ entry }) => entry)
  }
}
