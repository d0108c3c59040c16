/**
 * The client's end of an upgrade: connects by WebSocket, at the path that the server takes, and authenticates.
 *
 * @internal
 */
import type { KeyObject } from "node:crypto"
import type { ClientRequest, IncomingMessage } from "node:http"
import { connect as connectSocket, type Socket } from "node:net"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Frame from "../../src/connection/Frame.js"
import type { Connect } from "../../src/connection/ReconnectingClient.js"
import type { Serialization } from "../../src/connection/Subprotocol.js"
import * as Subprotocol from "../../src/connection/Subprotocol.js"
import type { Transport } from "../../src/connection/Transport.js"
import { ConnectFailed } from "../../src/IPCError.js"
import { oneLine } from "../../src/internal/Printable.js"
import * as HostNames from "./HostNames.js"
import * as ProofHeaders from "./ProofHeaders.js"
import * as TokenProof from "./TokenProof.js"
import * as UnixSocket from "./UnixSocket.js"
import * as WebSocketTransport from "./WebSocketTransport.js"

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

type OnOpen = (transport: Transport) => void

/** By the Unix socket, where there is one and the server is there, else by TCP. */
const connectByAny = (target: Target, onOpen: OnOpen): Effect.Effect<void, UpgradeFailed> =>
  Effect.suspend(() => {
    const unixSocket = target.transport === "any" ? UnixSocket.find(target.url) : undefined
    const byTcp = connectAs(target, onOpen)
    return unixSocket === undefined
      ? byTcp
      : Effect.catchIf(connectAs({ ...target, unixSocket }, onOpen), isNotThere, () => byTcp)
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

/** A server that serves another path answers with a status, or hangs up. */
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

/** One upgrade request. */
interface Offer {
  readonly url: URL
  /** The `Authorization`, once it is known what the connection reached. */
  readonly authorize: (socket: Socket) => string | undefined
  /** Whether the server that took the upgrade is one to talk to. */
  readonly isTrusted: (response: IncomingMessage) => boolean
}

const answering = (url: URL, key: KeyObject, serverNonce: string): Offer => {
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

/** With subprotocols, and without where the server knows none: it answers none, which ws takes for a failed handshake. */
const offer = (target: At, request: Offer, onOpen: OnOpen): Effect.Effect<void, UpgradeFailed> =>
  open(target, request, [...Subprotocol.offers(target.serialization)], onOpen).pipe(
    Effect.catchIf(
      ({ error }) => error.detail === noSubprotocol,
      () => open(target, request, [], onOpen)
    )
  )

/** The message of ws's error. */
const noSubprotocol = "Server sent no subprotocol"

interface UpgradeFailed {
  readonly error: ConnectFailed
  /** Node's, where there was no answer. */
  readonly code?: string | undefined
  /** What the server wants to be answered before it takes the upgrade. */
  readonly challenge?: ProofHeaders.Challenge | undefined
}

const open = (
  { base, maxFrameBytes, serialization, unixSocket }: At,
  { authorize, isTrusted, url }: Offer,
  subprotocols: Array<string>,
  onOpen: OnOpen
): Effect.Effect<void, UpgradeFailed> =>
  Effect.async((resume) => {
    const fail = (
      reason: ConnectFailed["reason"],
      detail: string,
      { status, ...rest }: Omit<UpgradeFailed, "error"> & { readonly status?: number } = {}
    ) => resume(Effect.fail({ ...rest, error: new ConnectFailed({ url: base, reason, status, detail }) }))
    const Limited = WebSocketTransport.webSocketClass(maxFrameBytes)
    const webSocket = new Limited(url, subprotocols, {
      perMessageDeflate: false,
      maxPayload: WebSocketTransport.maxPayload(maxFrameBytes),
      ...(unixSocket === undefined ? {} : { createConnection: () => connectSocket(unixSocket) }),
      finishRequest: (request) =>
        onConnected(request, (connected) => {
          const authorization = authorize(connected)
          if (authorization !== undefined) request.setHeader("authorization", authorization)
          request.end()
        })
    })
    let socket: Socket | undefined
    const onError = (error: NodeJS.ErrnoException) => fail(reasonOf(error), detailOf(error), { code: error.code })
    webSocket.on("error", onError)
    webSocket.once("upgrade", (response) => {
      socket = response.socket
      if (isTrusted(response)) return
      fail("Rejected", unproved, { status: 401 })
      webSocket.terminate()
    })
    webSocket.once("unexpected-response", (request, response) => {
      readStart(response, (said) => {
        const { headers, statusCode: status = 0, statusMessage = "" } = response
        const detail = `the server answered ${status} ${shortened(statusMessage)}${said === "" ? "" : `: ${said}`}`
        fail("Rejected", detail, {
          status,
          challenge: status === 401 ? ProofHeaders.parseChallenge(headers["www-authenticate"]) : undefined
        })
        request.destroy()
      })
    })
    webSocket.once("open", () => {
      onOpen(WebSocketTransport.make(webSocket, socket as Socket, maxFrameBytes, serialization))
      webSocket.removeListener("error", onError)
      // The program that waited for the connection registers its handlers before the first frame is read.
      webSocket.pause()
      setImmediate(() => webSocket.resume())
      resume(Effect.void)
    })
    return Effect.sync(() => webSocket.terminate())
  })

const unproved =
  "the server took the connection without proving that it knows the token; it has none, or isn't one of effect-ipc"

/** Nothing of the request has been sent by then. */
const onConnected = (request: ClientRequest, use: (socket: Socket) => void): void => {
  request.once("socket", (socket) => {
    if (socket.connecting) socket.once("connect", () => use(socket))
    else use(socket)
  })
}

const reasonOf = ({ code }: NodeJS.ErrnoException): ConnectFailed["reason"] => {
  // What answered doesn't speak HTTP, or not WebSocket.
  if (code === undefined || code.startsWith("HPE_")) return "Rejected"
  if (code === "ECONNREFUSED" || code === "ECONNRESET") return "Refused"
  return code === "ETIMEDOUT" ? "TimedOut" : "Unreachable"
}

/** A name with several addresses fails with an error for each, and no message of its own. */
const detailOf = (error: NodeJS.ErrnoException): string => {
  if (!(error instanceof AggregateError)) return error.message || String(error.code)
  return error.errors.map((each: Error) => each.message).join("; ")
}

const maxReadLength = 4096

/** The explanation in a refusal's body, for the error's message: its `error` where it is JSON, or else its start. */
const readStart = (response: IncomingMessage, onRead: (text: string) => void): void => {
  let text = ""
  let done = false
  const finish = () => {
    if (done) return
    done = true
    onRead(shortened(errorOf(text) ?? text))
  }
  response.setEncoding("utf8")
  response.on("data", (chunk: string) => {
    text += chunk
    if (text.length > maxReadLength) finish()
  })
  response.on("end", finish)
  response.on("error", finish)
  response.on("close", finish)
}

const shortened = (text: string): string => oneLine(text.length > 200 ? `${text.slice(0, 200)}…` : text)

const errorOf = (body: string): string | undefined => Option.getOrUndefined(decodeError(body))

const decodeError = Option.liftThrowable((body: string): string => {
  const { error } = JSON.parse(body) as { readonly error: string }
  return error.replace(/\.$/, "")
})
