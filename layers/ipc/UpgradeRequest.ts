/**
 * The client's end of an upgrade: connects by the Unix socket or by WebSocket, and authenticates. A server that refuses the
 * path is tried at that of `@grest-ts/ipc`.
 *
 * @internal
 */
import type { KeyObject } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Frame from "../../src/connection/Frame.js"
import type { Connect } from "../../src/connection/ReconnectingConnection.js"
import type { Serialization } from "../../src/connection/Subprotocol.js"
import { ConnectFailed } from "../../src/IPCError.js"
import * as HostNames from "./HostNames.js"
import * as ProofHeaders from "./ProofHeaders.js"
import * as TokenProof from "./TokenProof.js"
import * as UnixSocket from "./UnixSocket.js"
import * as UnixUpgrade from "./UnixUpgrade.js"
import type * as UpgradeOffer from "./UpgradeOffer.js"
import type { OnOpen, UpgradeFailed } from "./UpgradeOffer.js"
import * as WebSocketUpgrade from "./WebSocketUpgrade.js"

/** How a client shows that it may connect. */
export type Credential =
  | { readonly scheme: "none" }
  | { readonly scheme: "bearer"; readonly token: string }
  | { readonly scheme: "proof"; readonly key: KeyObject }

export interface Target {
  /** As the user gave it. */
  readonly base: string
  /** With `ws:` or `wss:`, the path and the client's name. */
  readonly url: URL
  /** Where the server refuses the URL's. */
  readonly otherPath: string | undefined
  /** Whether the server's Unix socket may be used. */
  readonly transport: "any" | "tcp"
  readonly credential: Credential
  readonly maxFrameBytes: number
  /** Offered to the server beside JSON. */
  readonly serialization: Serialization | undefined
}

/** Where to connect: at the URL, or at the Unix socket of the server that it names. */
interface At extends Target {
  readonly unixSocket?: string
}

export const connect =
  (target: Target): Connect =>
  (onOpen) =>
    Effect.mapError(connectByAny(target, onOpen), ({ error }) => error)

/** By the Unix socket, where there is one and the server is there, else by TCP. */
const connectByAny = (target: Target, onOpen: OnOpen): Effect.Effect<void, UpgradeFailed> =>
  Effect.suspend(() => {
    const unixSocket = target.transport === "any" ? UnixSocket.find(target.url) : undefined
    const byTcp = connectAs(target, onOpen)
    return unixSocket === undefined
      ? byTcp
      : Effect.catchIf(connectAs({ ...target, unixSocket: unixSocket.file }, onOpen), isNotThere, ({ code }) => {
          if (code === "ECONNREFUSED") UnixSocket.onRefused(unixSocket)
          return byTcp
        })
  })

/** A file that its server left behind, or another server's. */
const isNotThere = ({ error: { status } }: UpgradeFailed): boolean => status === undefined || status === 421

/** By the Unix socket that is named, else by TCP. */
const connectAs = (target: At, onOpen: OnOpen): Effect.Effect<void, UpgradeFailed> => {
  const { credential, otherPath, url } = target
  if (credential.scheme === "proof") return prove(target, credential.key, onOpen)
  const authorization = credential.scheme === "bearer" ? `Bearer ${credential.token}` : undefined
  const at = (at: URL) => offer(target, { url: at, authorize: () => authorization, isTrusted: () => true }, onOpen)
  if (otherPath === undefined) return at(url)
  return Effect.catchIf(at(url), isRefusalOfPath, (first) => {
    const other = new URL(url)
    other.pathname = otherPath
    return Effect.mapError(at(other), () => first)
  })
}

/** A server that serves another path answers with a status, or closes the connection. */
const isRefusalOfPath = ({ code, error: { status } }: UpgradeFailed): boolean =>
  status === undefined ? code === "ECONNRESET" : status !== 401 && status !== 403 && status !== 503

/** How often a challenge is answered: the next one is a new leader's, or comes after this process was stalled. */
const maxAnswers = 3

/** Asks for a challenge, and answers it. Nothing that a server sends is used before it has proved the token itself. */
const prove = (target: At, key: KeyObject, onOpen: OnOpen): Effect.Effect<void, UpgradeFailed> => {
  const anonymous = new URL(target.url)
  anonymous.searchParams.delete(Frame.runtimeIdParameter)
  const asked = offer(
    target,
    { url: anonymous, authorize: () => ProofHeaders.challengeWanted, isTrusted: () => false },
    onOpen
  )
  const answer = (serverNonce: string, answers: number): Effect.Effect<void, UpgradeFailed> =>
    Effect.catchAll(offer(target, answering(target.url, key, serverNonce), onOpen), (failed) => {
      const { challenge } = failed
      const again = challenge?.scheme === "proof" && challenge.stale && answers < maxAnswers
      return again ? answer(challenge.serverNonce, answers + 1) : Effect.fail(failed)
    })
  return Effect.catchAll(asked, (failed) => {
    const { challenge } = failed
    if (challenge?.scheme === "proof") return answer(challenge.serverNonce, 1)
    return Effect.fail(challenge?.scheme === "bearer" ? takesBearerOnly(failed) : failed)
  })
}

const takesBearerOnly = ({ error }: UpgradeFailed): UpgradeFailed => ({
  error: new ConnectFailed({
    ...error,
    detail: `${error.detail}. It doesn't prove that it knows the token; { tokenScheme: "bearer" } would show it the token all the same`
  })
})

const answering = (url: URL, key: KeyObject, serverNonce: string): UpgradeOffer.Offer => {
  const clientNonce = TokenProof.makeNonce()
  let handshake: TokenProof.Handshake | undefined
  return {
    url,
    authorize: ({ remoteAddress, remotePort = Number(url.port || 80) }) => {
      const address = remoteAddress === undefined ? UnixSocket.address : HostNames.canonical(remoteAddress)
      const dialled = { host: url.hostname, port: remotePort, address }
      handshake = { serverNonce, clientNonce, dialled }
      return ProofHeaders.printClientProof(handshake, TokenProof.prove(key, "client", handshake))
    },
    isTrusted: ({ headers }) =>
      handshake !== undefined &&
      TokenProof.verify(key, "server", handshake, ProofHeaders.parseServerProof(headers["authentication-info"]))
  }
}

const offer = (
  { unixSocket, ...target }: At,
  request: UpgradeOffer.Offer,
  onOpen: OnOpen
): Effect.Effect<void, UpgradeFailed> =>
  unixSocket === undefined
    ? WebSocketUpgrade.open(target, request, onOpen)
    : UnixUpgrade.open({ ...target, path: unixSocket }, request, onOpen)
