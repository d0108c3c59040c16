/**
 * The names by which clients may address a server, in all their spellings.
 *
 * @internal
 */
import { hostname } from "node:os"
import * as Address from "./Address.js"

export interface HostNames {
  /**
   * Whether a name is the server's. Where the server listens on all of the machine's addresses, the one at which the socket
   * reached it is a name of it too, whatever addresses the machine gets and loses.
   */
  readonly isName: (name: string, socket: { readonly localAddress?: string | undefined }) => boolean
  /** Whether clients may dial this host and port although the server itself is elsewhere. */
  readonly isForwarded: (host: string, port: number) => boolean
}

/** `allowed` may contain `name`, or `name:port` where something forwards from there. */
export const make = (host: string, allowed: ReadonlyArray<string>): HostNames => {
  const names = new Set(["localhost", "127.0.0.1", "::1", canonical(host)])
  const forwarded = new Set<string>()
  for (const entry of allowed) {
    const [, name = entry, port] = withPort.exec(entry) ?? []
    names.add(canonical(name))
    if (port !== undefined) forwarded.add(`${canonical(name)} ${Number(port)}`)
  }
  const everywhere = Address.isWildcard(host)
  if (everywhere) names.add(canonical(hostname()))
  return {
    isName: (name, socket) => {
      if (names.has(name)) return true
      const canonicalName = canonical(name)
      // Asking a socket for its address is a system call.
      return names.has(canonicalName) || (everywhere && canonicalName === canonical(socket.localAddress ?? ""))
    },
    isForwarded: (name, port) => forwarded.has(`${canonical(name)} ${port}`)
  }
}

/** A Host header (RFC 9110 section 7.2) without its port; undefined where it is none. */
export const withoutPort = (host: string): string | undefined =>
  /^(\[[^[\]]+\]|[^:/?#@[\]\\\s]+)(?::\d*)?$/.exec(host)?.[1]

/** Without an IPv6 address's zone (RFC 4007 section 11), which has a meaning only on the machine that sends it. */
export const canonical = (host: string): string =>
  Address.canonicalHost(host.includes(":") ? host.replace(/%[^\]]*/, "") : host)

const withPort = /^(\[[^[\]]+\]|[^:[\]]+):(\d+)$/
