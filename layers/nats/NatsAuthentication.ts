/**
 * The credentials and TLS options of a participant, checked before it connects. The NATS client reports mistakes in them only
 * by closing the connection, or by a reason that names no option.
 *
 * @internal
 */
import { readFileSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { isIP } from "node:net"
import type { PeerCertificate } from "node:tls"
import { checkServerIdentity, createSecureContext } from "node:tls"
import type * as TransportNode from "@nats-io/transport-node"
import type { Authenticator, ConnectionOptions } from "@nats-io/transport-node"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { messageOf } from "../../src/internal/ErrorMessage.js"
import type { NatsConnectionOptions, NatsCredentials } from "./NatsOptions.js"
import * as NatsServers from "./NatsServers.js"

export interface NatsAuthentication {
  readonly options: ConnectionOptions
  /** Why the server may have refused the credentials, if that is known. */
  readonly refusal: Effect.Effect<string | undefined>
}

/** The functions of the NATS client that this module uses. */
type Authenticators = Pick<typeof TransportNode, "credsAuthenticator" | "nkeyAuthenticator">

/** Fails with a sentence about the wrong option. */
export const make: (
  authenticators: Authenticators,
  options: NatsConnectionOptions
) => Effect.Effect<NatsAuthentication, string> = Effect.fnUntraced(function* (
  { credsAuthenticator, nkeyAuthenticator },
  options
) {
  const { credsFile, nkeySeed, password, tls, token, user } = credentialsOf(options)
  let authenticator: Authenticator | undefined
  let refusal: NatsAuthentication["refusal"] = Effect.succeed(undefined)
  if (credsFile !== undefined) {
    const file = new CredentialsFile(credsFile, yield* contentOf("credsFile", credsFile), credsAuthenticator)
    yield* signing(file.authenticate, `the credsFile ${credsFile} has no user's JWT and seed, as a .creds file has`)
    authenticator = file.authenticate
    refusal = Effect.map(
      Effect.clockWith((clock) => clock.currentTimeMillis),
      (now) => file.expiry(now)
    )
  }
  if (nkeySeed !== undefined) {
    authenticator = nkeyAuthenticator(new TextEncoder().encode(Redacted.value(nkeySeed)))
    yield* signing(authenticator, "the nkeySeed isn't the seed of an nkey")
  }
  const presented = {
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { pass: Redacted.value(password) }),
    ...(token === undefined ? {} : { token: Redacted.value(token) }),
    ...(authenticator === undefined ? {} : { authenticator })
  }
  if (tls === undefined || tls === false) return { options: presented, refusal }
  return { options: { ...presented, tls: yield* tlsOf(tls, NatsServers.serversOf(options)) }, refusal }
})

/** The option `credentials` takes precedence over credentials in a URL. */
const credentialsOf = (options: NatsConnectionOptions): NatsCredentials => {
  const { tls: given, ...credentials } = options.credentials ?? {}
  const tls = NatsServers.wantsTls(options) ? given || true : given
  const isGiven = Object.values(credentials).some((value) => value !== undefined)
  return { ...(isGiven ? credentials : NatsServers.credentialsIn(options)), tls }
}

const contentOf = (option: string, path: string): Effect.Effect<Buffer, string> =>
  Effect.tryPromise({
    try: () => readFile(path),
    catch: (error) => `the ${option} can't be read: ${messageOf(error)}`
  })

/** Fails unless the authenticator can sign. */
const signing = (authenticator: Authenticator, issue: string): Effect.Effect<unknown, string> =>
  Effect.try({ try: () => authenticator("nonce"), catch: (error) => `${issue}: ${messageOf(error)}` })

/** A `.creds` file, read again for each connection: one that expires is replaced by a new file. */
class CredentialsFile {
  constructor(
    private readonly path: string,
    private content: Buffer,
    private readonly credsAuthenticator: (content: Uint8Array) => Authenticator
  ) {}

  readonly authenticate: Authenticator = (nonce) => {
    try {
      const next = readFileSync(this.path)
      const shown = this.sign(next, nonce)
      this.content = next
      return shown
    } catch {
      // The file may be written just now. An authenticator that throws would end the connection for good.
      return this.sign(this.content, nonce)
    }
  }

  expiry(now: number): string | undefined {
    const [, claims = ""] = /^[\w-]+\.([\w-]+)\.[\w-]+\s*$/m.exec(this.content.toString()) ?? []
    const decoded = decodeClaims(Buffer.from(claims, "base64url").toString())
    const expiry = Option.match(decoded, { onNone: () => Number.POSITIVE_INFINITY, onSome: ({ exp }) => exp * 1000 })
    return expiry <= now ? `the JWT of ${this.path} expired at ${new Date(expiry).toISOString()}` : undefined
  }

  private sign(content: Buffer, nonce: string | undefined) {
    // The NATS client's parser doesn't accept the line ends of Windows.
    return this.credsAuthenticator(Buffer.from(content.toString().replaceAll("\r\n", "\n")))(nonce)
  }
}

/** `exp` is in seconds since 1970; the bound is the last moment that a `Date` can hold. */
const decodeClaims = Schema.decodeUnknownOption(
  Schema.parseJson(Schema.Struct({ exp: Schema.Number.pipe(Schema.between(0, 8.64e12)) }))
)

const tlsOf = Effect.fnUntraced(function* (
  tls: Exclude<NatsCredentials["tls"], undefined | false>,
  servers: ReadonlyArray<string>
) {
  const identity = identityOf(servers)
  if (tls === true) return identity
  const { caFile, certFile, keyFile } = tls
  if ((certFile === undefined) !== (keyFile === undefined)) {
    return yield* Effect.fail("certFile and keyFile need each other: pass both, or neither")
  }
  const files = { ca: ["caFile", caFile], cert: ["certFile", certFile], key: ["keyFile", keyFile] } as const
  const contents: Record<string, Buffer> = {}
  for (const [name, [option, path]] of Object.entries(files)) {
    if (path !== undefined) contents[name] = yield* contentOf(option, path)
  }
  const named = Object.values(files).flatMap(([option, path]) => (path === undefined ? [] : `${option} ${path}`))
  yield* Effect.try({
    try: () => createSecureContext(contents),
    catch: (error) => `${named.join(", ")} can't be used for TLS: ${messageOf(error)}`
  })
  return { ...withoutUndefined(tls), ...identity }
})

/**
 * How TLS verifies the server's name. For a server that is given by an IP address, the NATS client sets no name and Node
 * verifies `localhost`; here a certificate of any of the given addresses is accepted instead. The client passes this option
 * on to Node, though its types don't list it.
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
