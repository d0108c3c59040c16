/**
 * Hosts and ports: their one spelling, which of them are this machine's, and the URLs made of them.
 *
 * @internal
 */
import { isIP } from "node:net"
import { hostname, networkInterfaces } from "node:os"

/**
 * This machine, and no other.
 *
 * @category defaults
 */
export const defaultHost = "127.0.0.1"

/**
 * The port of `IPC_PORT` where that isn't set.
 *
 * @category defaults
 */
export const defaultPort = 9000

/**
 * A name or address in one spelling, as the WHATWG URL standard has it: in lower case, IPv4 with four numbers (`127.1` is
 * `127.0.0.1`), IPv6 shortened and without brackets, an IPv4-mapped IPv6 address as IPv4, and a name without dots at its end.
 *
 * @category conversions
 */
export const canonicalHost = (host: string): string => {
  if (!isHost(host)) return host.toLowerCase()
  const name = new URL(urlWith(host)).hostname.replace(/^\[|\]$/g, "")
  return mappedIPv4(name) ?? name.replace(/(.)\.+$/, "$1")
}

/**
 * Whether the text is a host: a name or an address, an IPv6 address with or without brackets.
 *
 * @category predicates
 */
export const isHost = (text: string): boolean =>
  // A URL parsed from the text may have more than a host: a port, a path, a user.
  (isIP(withoutBrackets(text)) === 6 || !/[\s:/?#@\\]/.test(text)) && URL.canParse(urlWith(text))

const withoutBrackets = (host: string): string => host.replace(/^\[(.*)\]$/, "$1")

const urlWith = (host: string): string => `http://${hostInUrl(withoutBrackets(host))}`

/** `::ffff:7f00:1` is how a URL shows `::ffff:127.0.0.1`. */
const mappedIPv4 = (host: string): string | undefined => {
  const [, high, low] = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/.exec(host) ?? []
  if (high === undefined || low === undefined) return undefined
  const words = [high, low].map((word) => Number.parseInt(word, 16))
  return words.flatMap((word) => [word >> 8, word & 0xff]).join(".")
}

/**
 * Whether only this machine reaches what listens on the host. Names below `localhost` are (RFC 6761 section 6.3).
 *
 * @category predicates
 */
export const isLoopback = (host: string): boolean => {
  const name = canonicalHost(host)
  if (isIP(name) === 4) return name.startsWith("127.")
  return name === "::1" || name === "localhost" || name.endsWith(".localhost")
}

/**
 * The address to listen on. `localhost` may be `127.0.0.1` or `::1`, by the system's configuration; here it is always the
 * first, so that processes that spell the host differently meet.
 *
 * @category conversions
 */
export const listenHost = (host: string): string => {
  const name = canonicalHost(host)
  return isLoopback(name) && isIP(name) === 0 ? defaultHost : name
}

/**
 * Whether the host stands for all addresses of the machine.
 *
 * @category predicates
 */
export const isWildcard = (host: string): boolean => {
  const name = canonicalHost(host)
  return name === "" || name === "::" || name === "0.0.0.0"
}

/**
 * The address at which this machine reaches what listens on the host: not every system connects to an address that stands
 * for all.
 *
 * @category conversions
 */
const reachableHost = (host: string): string => {
  const name = canonicalHost(host)
  if (!isWildcard(name)) return name
  return name === "::" ? "::1" : defaultHost
}

/**
 * The host as a URL has it (RFC 3986 section 3.2.2): an IPv6 address in brackets.
 *
 * @category conversions
 */
export const hostInUrl = (host: string): string => (isIP(host) === 6 ? `[${host}]` : host)

/**
 * `host:port` as a URL has it.
 *
 * @category conversions
 */
export const addressOf = (host: string | undefined = defaultHost, port: number | undefined): string =>
  `${hostInUrl(host)}:${port}`

/**
 * The URL at which this machine reaches what listens there.
 *
 * @category conversions
 */
export const urlOf = ({ host = defaultHost, port }: { readonly host?: string | undefined; readonly port: number }) =>
  `http://${addressOf(reachableHost(host), port)}`

/**
 * Whether a request to the URL reaches the server that listens there, as far as its address tells.
 *
 * @category predicates
 */
export const leadsTo = (url: string, { host, port }: { readonly host: string; readonly port: number }): boolean => {
  const target = new URL(url)
  if (target.protocol !== "http:" || Number(target.port || 80) !== port) return false
  const name = listenHost(target.hostname)
  const listening = listenHost(host)
  if (name === listening) return true
  if (isWildcard(listening)) return isOfThisMachine(name)
  // The holder of a loopback port listens at both addresses, and a wildcard leads to them.
  return isStandardLoopback(listening) && (isStandardLoopback(name) || isWildcard(name))
}

const isStandardLoopback = (host: string): boolean => host === "127.0.0.1" || host === "::1"

const isOfThisMachine = (name: string): boolean =>
  isWildcard(name) ||
  isLoopback(name) ||
  name === canonicalHost(hostname()) ||
  Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(({ address }) => canonicalHost(address) === name)
  )

/**
 * @category predicates
 */
export const isPort = (port: number): boolean => Number.isInteger(port) && port >= 0 && port <= 65_535
