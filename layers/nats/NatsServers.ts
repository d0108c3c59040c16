/**
 * The servers that the options name, and the credentials in their URLs.
 *
 * @internal
 */
import * as Redacted from "effect/Redacted"
import { isTexts, shown } from "../../src/internal/ArgumentIssue.js"
import type { NatsConnectionOptions, NatsCredentials } from "./NatsOptions.js"

/** The servers in one line, for messages. */
export const named = (options: NatsConnectionOptions): string =>
  typesIssue(options.servers) === undefined ? serversOf(options).join(", ") : "{ servers }"

/**
 * The servers without credentials, as messages and logs show them. `Userinfo.hidden` can't be used: it omits the port that is
 * a scheme's default in URLs, which NATS doesn't have.
 */
export const serversOf = (options: NatsConnectionOptions): ReadonlyArray<string> => {
  const servers = listed(options)
  const hasUserinfo = servers.some((server) => server.includes("@"))
  // If a password has a comma, the part before the comma looks like a server.
  return servers.map(withoutUserinfo).filter((server) => !hasUserinfo || isAddress(server))
}

/** What is wrong with a server's address. */
export const issueOf = (options: NatsConnectionOptions): string | undefined => {
  const ofNoList = typesIssue(options.servers)
  if (ofNoList !== undefined) return ofNoList
  const servers = listed(options)
  const wrong = servers.map(withoutUserinfo).find((server) => !isAddress(server))
  if (wrong === undefined) return servers.length === 0 ? "there is no server in { servers }" : undefined
  const named = servers.some((server) => server.includes("@")) ? "one of { servers }" : JSON.stringify(wrong)
  return `${named} isn't nats://host:port or tls://host:port, with what a URL can't carry percent-encoded`
}

const typesIssue = (servers: unknown): string | undefined => {
  if (servers === undefined || typeof servers === "string" || isTexts(servers)) return undefined
  const wrong = Array.isArray(servers) ? servers.find((server) => typeof server !== "string") : servers
  return `servers is "nats://host:port", or an array of such, not ${shown(wrong)}`
}

/** Whether an address asks for TLS, since the NATS client ignores schemes. */
export const wantsTls = (options: NatsConnectionOptions): boolean =>
  listed(options).some((server) => /^tls:/i.test(server))

/** The credentials of the first server that has any. Text that isn't valid percent-encoding is taken literally. */
export const credentialsIn = (options: NatsConnectionOptions): NatsCredentials => {
  const found = listed(options)
    .map(userinfoOf)
    .find((userinfo) => userinfo !== "")
  if (found === undefined) return {}
  const colon = found.indexOf(":")
  return colon === -1
    ? { token: Redacted.make(decoded(found)) }
    : { user: decoded(found.slice(0, colon)), password: Redacted.make(decoded(found.slice(colon + 1))) }
}

const listed = ({ servers = "nats://127.0.0.1:4222" }: NatsConnectionOptions): ReadonlyArray<string> => {
  if (typeof servers === "string") return servers.split(",").map((server) => server.trim())
  return isTexts(servers) ? servers : []
}

const scheme = /^[a-z][a-z0-9+.-]*:\/\//i

/** `user:password` or `token`, up to the last "@", so that a password with an "@" that should be encoded isn't shown either. */
const userinfoOf = (server: string): string => {
  const rest = server.replace(scheme, "")
  return rest.slice(0, Math.max(rest.lastIndexOf("@"), 0))
}

const withoutUserinfo = (server: string): string =>
  server.includes("@") ? (scheme.exec(server)?.[0] ?? "") + server.slice(server.lastIndexOf("@") + 1) : server

const isAddress = (server: string): boolean => {
  const text = scheme.test(server) ? server : `nats://${server}`
  if (!URL.canParse(text)) return false
  const { hostname, pathname, protocol } = new URL(text)
  return (protocol === "nats:" || protocol === "tls:") && hostname !== "" && /^\/?$/.test(pathname)
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
