/**
 * The host by which other machines reach what a participant registers.
 *
 * @internal
 */
import { isIP } from "node:net"
import * as Either from "effect/Either"
import type { Entry, InvalidEntry } from "../../src/DiscoveryEntry.js"
import { invalidEntry, isEndpoint, validateEntry } from "../../src/DiscoveryEntry.js"
import { shown } from "../../src/internal/ArgumentIssue.js"
import * as Address from "../ipc/Address.js"

/** What is wrong with the option `advertise`. */
export const issueOf = (name: string, host: unknown): string | undefined => {
  if (typeof host !== "string" || !isNameOrAddress(host)) {
    return `${name} is a host name or an IP address alone, such as ${good}, not ${shown(host)}`
  }
  return isOfThisMachineAlone(host)
    ? `${name} is the host by which other machines reach this one, such as ${good}, and ${shown(host)} leads each to itself`
    : undefined
}

/** What other machines are told of an entry. Endpoints of services are reached through NATS. */
export const make =
  (advertise: string | undefined) =>
  (entry: Entry): Either.Either<Entry, InvalidEntry> => {
    if (isEndpoint(entry)) return Either.right(entry)
    const url = new URL(entry.baseUrl)
    if (!isOfThisMachineAlone(url.hostname)) return Either.right(entry)
    if (advertise !== undefined) url.hostname = Address.hostInUrl(Address.canonicalHost(advertise))
    // An assignment of what isn't a host changes nothing.
    return isOfThisMachineAlone(url.hostname)
      ? Either.left(invalidEntry(entry, unreachable))
      : validateEntry({ ...entry, baseUrl: url.href })
  }

const good = `"10.0.0.7" or "shop-1.example"`

const unreachable = `only this machine reaches its baseUrl; set IPC_ADVERTISE, or pass { advertise }, with the host by which other machines reach this one, such as ${good}`

const isNameOrAddress = (host: string): boolean => {
  if (!Address.isHost(host)) return false
  const canonical = Address.canonicalHost(host)
  return isIP(canonical) !== 0 || isName.test(canonical)
}

/** RFC 1123 section 2.1, and the underscore that names of containers have. */
const isName = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_](?:[a-z0-9_-]{0,62}))*$/

const isOfThisMachineAlone = (host: string): boolean => Address.isLoopback(host) || Address.isWildcard(host)
