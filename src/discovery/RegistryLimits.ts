/**
 * What participants can make the leader keep.
 */
import * as Effect from "effect/Effect"
import type { Entry } from "../DiscoveryEntry.js"
import { RegistryLimitExceeded } from "../IPCError.js"
import * as Utf8 from "../internal/Utf8.js"
import { limit } from "../internal/WholeNumber.js"
import type { RouteTable } from "./RouteTable.js"

/**
 * Bounds of the registry. They are the leader's, so every participant should be given the same.
 *
 * @since 0.2.0
 * @category models
 */
export interface RegistryLimits {
  /** The entries of one participant. Default 1,000. */
  readonly maxEntriesPerParticipant?: number | undefined
  /** The entries of all participants. Default 10,000. */
  readonly maxEntries?: number | undefined
  /** The bytes of one entry's api, base URL and path prefix together. Default 4,096. */
  readonly maxEntryBytes?: number | undefined
}

/** @internal */
export type Limits = { readonly [Bound in RegistryLimitExceeded["bound"]]: number }

/** @internal */
export const make = (limits: RegistryLimits = {}): Limits => ({
  maxEntriesPerParticipant: limit(limits.maxEntriesPerParticipant, 1000),
  maxEntries: limit(limits.maxEntries, 10_000),
  maxEntryBytes: limit(limits.maxEntryBytes, 4096)
})

/**
 * Fails where the owner's entries have no room in the table. Those that the owner holds already need none.
 *
 * @internal
 */
export const check = (
  limits: Limits,
  table: RouteTable,
  owner: string,
  entries: ReadonlyArray<Entry>
): Effect.Effect<void, RegistryLimitExceeded> => {
  const exceeded = (bound: RegistryLimitExceeded["bound"]) =>
    Effect.fail(new RegistryLimitExceeded({ bound, limit: limits[bound] }))

  if (entries.some((entry) => bytesOf(entry) > limits.maxEntryBytes)) return exceeded("maxEntryBytes")
  const added = table.countNew(owner, entries)
  if (added === 0) return Effect.void
  if (table.size(owner) + added > limits.maxEntriesPerParticipant) return exceeded("maxEntriesPerParticipant")
  return table.size() + added > limits.maxEntries ? exceeded("maxEntries") : Effect.void
}

/** A base URL and a path prefix are ASCII. */
const bytesOf = ({ api, baseUrl, pathPrefix }: Entry): number => Utf8.sizeOf(api) + baseUrl.length + pathPrefix.length
