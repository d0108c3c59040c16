/**
 * Who may use the server's own paths: by the name it was addressed by, by the web page that asks, and by the token.
 *
 * @internal
 */
import { createHash, timingSafeEqual } from "node:crypto"
import type { IncomingMessage } from "node:http"
import type { Socket } from "node:net"
import type { Clock } from "effect/Clock"
import * as Either from "effect/Either"
import type * as Redacted from "effect/Redacted"
import { millisOf } from "../../src/internal/MonotonicTime.js"
import { quote } from "../../src/internal/Printable.js"
import * as Credentials from "./Credentials.js"
import * as HostNames from "./HostNames.js"
import * as ProofHeaders from "./ProofHeaders.js"
import type { Refusal } from "./Refusal.js"
import * as TokenProof from "./TokenProof.js"
import * as UnixSocket from "./UnixSocket.js"

export interface AdmissionOptions {
  readonly host: string
  /** The hosts whose addresses are bound, at this port. */
  readonly hosts: ReadonlyArray<string>
  readonly port: number
  readonly token?: string | Redacted.Redacted | undefined
  readonly allowedOrigins?: ReadonlyArray<string> | undefined
  readonly allowedHosts?: ReadonlyArray<string> | undefined
}

export interface Admitted {
  /** The server's proof, where the client gave one. */
  readonly serverProof: string | undefined
}

/** Whether a request may use the server's own paths. Never throws. */
export type Admission = (request: IncomingMessage) => Either.Either<Admitted, Refusal>

export const make = (options: AdmissionOptions, clock: Clock): Admission => {
  const { allowedHosts = [], allowedOrigins = [], host, hosts, port } = options
  const names = HostNames.make(host, allowedHosts)
  const holdsIPv6 = hosts.some((bound) => ["::1", "::"].includes(HostNames.canonical(bound)))
  const origins = new Set(allowedOrigins.map(canonicalOrigin))
  const token = Credentials.tokenOf(options.token)
  const authenticate = token === undefined ? refuseProofs : makeAuthentication(token, names, port, clock)

  return (request) => {
    const refusal =
      refusalOfHost(request, names, host) ??
      (holdsIPv6 ? undefined : refusalOfAddress(request)) ??
      refusalOfOrigin(request.headers.origin, origins)
    return refusal === undefined ? authenticate(request) : Either.left(refusal)
  }
}

const anonymous: Admitted = { serverProof: undefined }

const refusalOfHost = (request: IncomingMessage, names: HostNames.HostNames, host: string): Refusal | undefined => {
  // RFC 9112 section 3.2. Node keeps the first of several, and what is in front of this server may go by another.
  if (countHosts(request.rawHeaders) > 1) return { status: 400, error: "The request has more than one Host." }
  const authority = request.headers.host ?? ""
  const name = HostNames.withoutPort(authority)
  // A page that rebinds its own name to this address still sends that name.
  if (name !== undefined && names.isName(name, request.socket)) return undefined
  return {
    status: 403,
    error: `Host ${quoteStart(authority)} isn't a name of this server. Connect to ${host}, or add the name to { allowedHosts }.`
  }
}

// The Unix socket is the same for all loopback addresses, at one of which another server may hold the port. Whether it is one
// takes a system call.
const refusalOfAddress = ({ headers, socket }: IncomingMessage): Refusal | undefined =>
  headers.host?.startsWith("[") === true && UnixSocket.isUnix(socket)
    ? { status: 421, error: "This server doesn't hold the port at an IPv6 address." }
    : undefined

const countHosts = (rawHeaders: ReadonlyArray<string>): number =>
  rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === "host").length

// Web pages always send an Origin with an upgrade; processes don't.
const refusalOfOrigin = (origin: string | undefined, allowed: ReadonlySet<string>): Refusal | undefined => {
  if (origin === undefined || allowed.has(origin)) return undefined
  return {
    status: 403,
    error: `Origin ${quoteStart(origin)} may not connect. Add it to { allowedOrigins } if that page should.`
  }
}

/** As browsers send it (WHATWG URL): lower case, without a default port or a path. */
const canonicalOrigin = (origin: string): string => {
  const serialized = URL.canParse(origin) ? new URL(origin).origin : "null"
  // Schemes that aren't the web's have no such form.
  return serialized === "null" ? origin : serialized
}

/** Where no token is set, every client is admitted except one that asks this server to prove a token. */
const refuseProofs: Admission = ({ headers }) =>
  ProofHeaders.isOurScheme(headers.authorization)
    ? Either.left({ status: 401, error: "This server has no token, so it can't prove that it knows the client's." })
    : Either.right(anonymous)

const makeAuthentication = (token: string, names: HostNames.HostNames, ownPort: number, clock: Clock): Admission => {
  const key = TokenProof.keyOf(token)
  const tokenDigest = digest(Buffer.from(token))
  const challenges = new TokenProof.Challenges()

  const refuse = (error: string, stale = false): Either.Either<never, Refusal> => {
    const challenge = ProofHeaders.printChallenge(challenges.issue(millisOf(clock)), stale)
    return Either.left({ status: 401, error, headers: { "www-authenticate": challenge } })
  }

  const checkBearer = (presented: string): Either.Either<Admitted, Refusal> =>
    // Node reads a header's bytes as Latin-1.
    timingSafeEqual(tokenDigest, digest(Buffer.from(presented, "latin1")))
      ? Either.right(anonymous)
      : refuse(wrongToken)

  const isDialled = ({ address, host, port }: TokenProof.Dialled, socket: Socket): boolean =>
    names.isForwarded(host, port) ||
    (names.isName(host, socket) &&
      port === ownPort &&
      address === (UnixSocket.isUnix(socket) ? UnixSocket.address : HostNames.canonical(socket.localAddress ?? "")))

  const checkProof = (
    { handshake, proof }: ProofHeaders.ClientProof,
    socket: Socket
  ): Either.Either<Admitted, Refusal> => {
    if (!challenges.take(handshake.serverNonce, millisOf(clock))) {
      return refuse("The challenge has expired or was used before.", true)
    }
    if (!TokenProof.verify(key, "client", handshake, proof)) return refuse(wrongToken)
    return isDialled(handshake.dialled, socket)
      ? Either.right({ serverProof: TokenProof.prove(key, "server", handshake) })
      : refuse(elsewhere(handshake.dialled))
  }

  return ({ headers: { authorization }, socket }) => {
    const proof = ProofHeaders.parseClientProof(authorization)
    if (proof !== undefined) return checkProof(proof, socket)
    const bearer = bearerOf(authorization)
    return bearer === undefined ? refuse(noToken) : checkBearer(bearer)
  }
}

const noToken = "This server asks for a token: send it as Authorization: Bearer …"
const wrongToken = "The token is not this server's."

const elsewhere = ({ address, host, port }: TokenProof.Dialled): string => {
  const dialled = quoteStart(`${host}:${port}`)
  return `The client dialled ${dialled} and reached ${quoteStart(address)}, which isn't this server. Connect to it directly or, where something forwards from there, add ${dialled} to its { allowedHosts }.`
}

/** Digests have one length, which a comparison in constant time needs. */
const digest = (bytes: Buffer): Buffer => createHash("sha256").update(bytes).digest()

const bearerOf = (authorization: string | undefined): string | undefined =>
  /^bearer +(\S.*)$/i.exec(authorization ?? "")?.[1]

/** What a peer sent, short enough for a message. */
const quoteStart = (text: string): string => quote(text.slice(0, 100))
