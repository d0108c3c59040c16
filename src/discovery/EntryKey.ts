/**
 * Entries and routes as keys of a `Map` or `Set`.
 *
 * @internal
 */
import type { Entry, Route } from "../DiscoveryEntry.js"

/**
 * What tells one entry of an owner from another.
 */
export const keyOf = ({ api, baseUrl, pathPrefix }: Entry | Route): string => JSON.stringify([api, baseUrl, pathPrefix])

/**
 * What tells one route from another.
 */
export const ownedKeyOf = (owner: string, entry: Entry | Route): string => `${owner}\n${keyOf(entry)}`
