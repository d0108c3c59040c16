/**
 * What a participant has registered and still holds, whoever leads.
 *
 * @since 0.1.0
 */
import type { DiscoveryEntry } from "../DiscoveryEntry.js"

/**
 * An entry may be registered several times over; it is held until the last of those who did lets go.
 *
 * @since 0.1.0
 * @category models
 */
export interface LocalRegistrations {
  /** Returns how to let go: the first call returns the entries that nobody holds any longer, later ones none. */
  readonly hold: (entries: ReadonlyArray<DiscoveryEntry>) => () => ReadonlyArray<DiscoveryEntry>
  /** Whoever holds them, they are held no longer. */
  readonly drop: (entries: ReadonlyArray<DiscoveryEntry>) => void
  readonly has: (entry: Location) => boolean
  readonly entries: () => ReadonlyArray<DiscoveryEntry>
}

/**
 * What tells one entry of an owner from another.
 *
 * @since 0.1.0
 * @category models
 */
export interface Location {
  readonly api: string
  readonly baseUrl: string
  readonly pathPrefix: string
}

/**
 * @since 0.1.0
 * @category conversions
 */
export const keyOf = ({ api, baseUrl, pathPrefix }: Location): string => JSON.stringify([api, baseUrl, pathPrefix])

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (): LocalRegistrations => {
  const held = new Map<string, { readonly entry: DiscoveryEntry; readonly holders: Set<symbol> }>()

  return {
    hold: (entries) => {
      const holder = Symbol("holder")
      for (const entry of entries) {
        const key = keyOf(entry)
        const at = held.get(key)
        if (at === undefined) held.set(key, { entry, holders: new Set([holder]) })
        else at.holders.add(holder)
      }
      return () =>
        entries.filter((entry) => {
          const key = keyOf(entry)
          const at = held.get(key)
          return at?.holders.delete(holder) === true && at.holders.size === 0 && held.delete(key)
        })
    },
    drop: (entries) => {
      for (const entry of entries) held.delete(keyOf(entry))
    },
    has: (entry) => held.has(keyOf(entry)),
    entries: () => Array.from(held.values(), ({ entry }) => entry)
  }
}
