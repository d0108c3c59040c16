/**
 * One connection to NATS, kept until the scope closes: the client reconnects by itself, to any of the servers.
 *
 * @internal
 */
import { readFile } from "node:fs/promises"
import { isIP } from "node:net"
import type { PeerCertificate } from "node:tls"
import { checkServerIdentity } from "node:tls"
import type { Authenticator, ConnectionOptions, NatsConnection } from "@nats-io/transport-node"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { NatsFailed } from "../../src/IPCError.js"
import { messageOf } from "../../src/internal/ErrorMessage.js"
import type { NatsConnectionOptions, NatsCredentials } from "./NatsOptions.js"

/**
 * Without what a URL may have of credentials: messages and logs show these. `Userinfo.hidden` would leave out a port that is the
 * default of its scheme, and NATS has another.
 */
export const serversOf = (options: NatsConnectionOptions): ReadonlyArray<string> =>
  listed(options).map((server) => server.replace(userinfo, "$1"))

const listed = ({ servers }: NatsConnectionOptions): ReadonlyArray<string> =>
  typeof servers === "string"
    ? servers.split(",").map((server) => server.trim())
    : (servers ?? ["nats://127.0.0.1:4222"])

/** `user:password@` of a URL, or `token@`. */
const userinfo = /^([a-z]+:\/\/)?(?:([^@/:]*)(?::([^@/]*))?@)/i

const credentialsOf = (options: NatsConnectionOptions): NatsCredentials => {
  const { tls, ...given } = options.credentials ?? {}
  const found = listed(options).flatMap((server) => userinfo.exec(server) ?? [])
  if (found.length === 0 || Object.values(given).some((value) => value !== undefined)) return { ...given, tls }
  const [, , name = "", password] = found
  const secret = Redacted.make(decodeURIComponent(password ?? name))
  return password === undefined ? { token: secret, tls } : { user: decodeURIComponent(name), password: secret, tls }
}

/** In milliseconds. */
const defaultPingInterval = 2000

/**
 * Closing the scope drains the connection: what was sent leaves first. A server that answers no ping for three of the
 * intervals, in milliseconds, is left for another.
 */
export const make = (
  options: NatsConnectionOptions,
  name: string,
  pingInterval = defaultPingInterval
): Effect.Effect<NatsConnection, NatsFailed, Scope.Scope> => {
  const servers = serversOf(options)
  const timeout = Duration.toMillis(options.connectTimeout ?? "5 seconds")
  return Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => {
        const { connect } = await import("@nats-io/transport-node")
        return await connect({
          servers: [...servers],
          name,
          timeout,
          maxReconnectAttempts: -1,
          reconnectTimeWait: 250,
          reconnectJitter: 100,
          pingInterval,
          maxPingOut: 2,
          ignoreAuthErrorAbort: true,
          ...(await presented(credentialsOf(options), servers))
        })
      },
      catch: (error) => failure(servers, error)
    }),
    (connection) =>
      Effect.ignore(
        Effect.timeout(
          Effect.tryPromise(() => close(connection)),
          "2 seconds"
        )
      )
  )
}

/** Draining waits for a server, so it is no use while there is none. */
const close = (connection: NatsConnection): Promise<void> =>
  connection.isClosed()
    ? Promise.resolve()
    : Promise.race([connection.drain(), later(500).then(() => connection.close())])

const later = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis).unref())

const presented = async (credentials: NatsCredentials, servers: ReadonlyArray<string>): Promise<ConnectionOptions> => {
  const { credsAuthenticator, nkeyAuthenticator } = await import("@nats-io/transport-node")
  const { credsFile, nkeySeed, password, tls, token, user } = credentials
  const authenticators: Array<Authenticator> = []
  if (nkeySeed !== undefined) authenticators.push(nkeyAuthenticator(new TextEncoder().encode(Redacted.value(nkeySeed))))
  if (credsFile !== undefined) authenticators.push(credsAuthenticator(await readFile(credsFile)))
  const [authenticator] = authenticators
  return {
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { pass: Redacted.value(password) }),
    ...(token === undefined ? {} : { token: Redacted.value(token) }),
    ...(authenticator === undefined ? {} : { authenticator }),
    ...(tls === undefined || tls === false
      ? {}
      : { tls: { ...(tls === true ? {} : withoutUndefined(tls)), ...identityOf(servers) } })
  }
}

/**
 * Whether a certificate is the server's. The client names no server that is given by its address, so that Node would look for
 * `localhost`: a certificate of any of the addresses is taken then. It passes on options of Node's that its types don't have.
 */
const identityOf = (servers: ReadonlyArray<string>): object => {
  const addresses = servers
    .map((server) => new URL(server.includes("://") ? server : `nats://${server}`).hostname.replace(/^\[(.*)\]$/, "$1"))
    .filter((host) => isIP(host) !== 0)
  const hasAddress = (certificate: PeerCertificate) =>
    addresses.some((address) => checkServerIdentity(address, certificate) === undefined)
  return {
    checkServerIdentity: (host: string, certificate: PeerCertificate) =>
      host === "localhost" && hasAddress(certificate) ? undefined : checkServerIdentity(host, certificate)
  }
}

const withoutUndefined = <A extends object>(options: A): { [K in keyof A]: NonNullable<A[K]> } =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never

const failure = (servers: ReadonlyArray<string>, error: unknown): NatsFailed => {
  const detail = messageOf(error)
  const isRefused = /authorization|authentication|permissions|certificate|tls|nkey|creds/i.test(`${error} ${detail}`)
  const isMissing = /doesn't exist|ENOENT/.test(detail)
  const reason = isMissing ? "InvalidOptions" : isRefused ? "Refused" : "Unreachable"
  return new NatsFailed({ reason, servers: servers.join(", "), detail })
}
