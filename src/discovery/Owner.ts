/**
 * The owner of an entry, as a name in listings. The names of clients and the names that are made for clients without one
 * can't be the same.
 *
 * @internal
 */

/** The owner of what a client with a runtimeId registers: under every leader the same. */
export const named = (runtimeId: string): string =>
  isAmbiguous.test(runtimeId) ? JSON.stringify(runtimeId) : runtimeId

/** The owner of what a client without one registers with the leader of this term, and with no other. */
export const anonymous = (clientId: string, term: string): string => `${clientId}@${term}`

/** What could be taken for an anonymous owner, or for a name in quotes. */
const isAmbiguous = /^(client-\d+@|")/
