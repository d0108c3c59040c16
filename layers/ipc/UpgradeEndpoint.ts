/**
 * The server's own paths: checks who asks, and turns an upgrade into a connected client.
 *
 * @since 0.1.0
 */

import { createHash, timingSafeEqual } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import { STATUS_CODES } from "node:http"
import type { Socket } from "node:net"
import { hostname } from "node:os"
import type { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { WebSocketServer } from "ws"
import type { ClientConnections } from "../../src/connection/ClientConnections.js"
import * as Frame from "../../src/connection/Frame.js"
import { defaultMaxFrameBytes } from "../../src/connection/IPCSocketOptions.js"
import { quote } from "../../src/internal/Printable.js"
import * as Address from "./Address.js"
import * as Credentials from "./Credentials.js"
import * as WebSocketTransport from "./WebSocketTransport.js"

/**
 * Who may connect.
 *
 * @since 0.1.0
 * @category models
 */
export interface UpgradeEndpointOptions {
  readonly host: string
  readonly token?: string | Redacted.Redacted | undefined
  readonly allowedOrigins?: ReadonlyArray<string> | undefined
  readonly allowedHosts?: ReadonlyArray<string> | undefined
  readonly maxFrameBytes?: number | undefined
}

/**
 * The listeners for requests and upgrades at the server's own paths. Neither throws.
 *
 * @since 0.1.0
 * @category models
 */
export interface UpgradeEndpoint {
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void
  readonly onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
}

/**
 * Whether a request's target is one of the server's own paths.
 *
 * @since 0.1.0
 * @category guards
 */
export const isOwnPath = (target: string | undefined): boolean => {
  if (target === undefined || !target.startsWith("/__")) return false
  const end = target.indexOf("?")
  const path = end === -1 ? target : target.slice(0, end)
  return path === Frame.upgradePath || path === Frame.upgradePathAlias
}

/**
 * Closing the scope lets nobody in any more.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: (
  clients: ClientConnections,
  options: UpgradeEndpointOptions
) => Effect.Effect<UpgradeEndpoint, never, Scope.Scope> = Effect.fnUntraced(function* (
  clients: ClientConnections,
  options: UpgradeEndpointOptions
) {
  const maxFrameBytes = options.maxFrameBytes ?? defaultMaxFrameBytes
  const webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: WebSocketTransport.maxPayload(maxFrameBytes),
    WebSocket: WebSocketTransport.webSocketClass(maxFrameBytes),
    handleProtocols: (offered) => (offered.has(Frame.subprotocol) ? Frame.subprotocol : first(offered))
  })
  const refusalOf = makeRefusal(options)
  let closed = false
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      closed = true
    })
  )

  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (closed) return refuse(socket, { status: 503, error: "The server is closing." })
    const refusal = refusalOf(request)
    if (refusal !== undefined) return refuse(socket, refusal)
    const runtimeId = runtimeIdOf(request)
    if (runtimeId !== undefined && !Credentials.isValidRuntimeId(runtimeId)) {
      return refuse(socket, { status: 400, error: `The name isn't valid: ${Credentials.invalidRuntimeId}.` })
    }
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      socket.removeListener("error", ignore)
      clients.accept(WebSocketTransport.make(webSocket, socket, maxFrameBytes), runtimeId)
    })
  }

  return {
    onRequest: (request, response) => {
      const refusal = refusalOf(request) ?? {
        status: 426,
        error: `${Frame.upgradePath} is for IPC clients, which connect by WebSocket.`,
        headers: { upgrade: "websocket" }
      }
      const body = bodyOf(refusal)
      response.writeHead(refusal.status, headersOf(refusal, body))
      response.end(body)
    },
    onUpgrade: (request, socket, head) => {
      // Until ws takes over: a peer that resets meanwhile is nobody's problem.
      socket.on("error", ignore)
      upgrade(request, socket, head)
    }
  }
})

interface Refusal {
  readonly status: number
  readonly error: string
  readonly headers?: Readonly<Record<string, string>>
}

const makeRefusal = (options: UpgradeEndpointOptions) => {
  const isName = makeIsName(options)
  const origins = new Set(options.allowedOrigins ?? [])
  const token = Credentials.tokenOf(options.token)
  const tokenDigest = token === undefined ? undefined : digest(token)

  return (request: IncomingMessage): Refusal | undefined => {
    const { authorization, host, origin } = request.headers
    // A page that rebinds its own name to this address still sends that name.
    if (!isName(hostnameOf(host), request.socket)) {
      return {
        status: 403,
        error: `Host ${quoteStart(host)} isn't a name of this server. Connect to ${options.host}, or add the name to { allowedHosts }.`
      }
    }
    // Web pages always send an Origin with an upgrade; processes don't.
    if (origin !== undefined && !origins.has(origin)) {
      return {
        status: 403,
        error: `Origin ${quoteStart(origin)} may not connect. Add it to { allowedOrigins } if that page should.`
      }
    }
    if (tokenDigest === undefined) return undefined
    const presented = bearerOf(authorization)
    if (presented !== undefined && timingSafeEqual(tokenDigest, digest(presented))) return undefined
    return {
      status: 401,
      error:
        presented === undefined
          ? "This server asks for a token: send it as Authorization: Bearer …"
          : "The token is not this server's.",
      headers: { "www-authenticate": "Bearer" }
    }
  }
}

const makeIsName = (options: UpgradeEndpointOptions) => {
  const { canonicalHost } = Address
  const names = new Set(
    ["localhost", "127.0.0.1", "::1", options.host, ...(options.allowedHosts ?? [])].map(canonicalHost)
  )
  if (!Address.isWildcard(options.host)) return (name: string | undefined) => name !== undefined && names.has(name)
  names.add(canonicalHost(hostname()))
  // The address that was connected to is this machine's, whatever addresses it gets and loses meanwhile.
  return (name: string | undefined, { localAddress }: Socket) =>
    name !== undefined && (names.has(name) || name === localAddress?.replace(/^::ffff:/, ""))
}

/** The Host header (RFC 9110 section 7.2) without its port, in its canonical spelling; undefined where it is none. */
const hostnameOf = (host: string | undefined): string | undefined => {
  const name = /^(\[[^[\]]+\]|[^:/?#@[\]\\\s]+)(?::\d*)?$/.exec(host ?? "")?.[1]
  return name === undefined ? undefined : Address.canonicalHost(name)
}

/** Digests have one length, which a comparison in constant time needs. */
const digest = (text: string): Buffer => createHash("sha256").update(text).digest()

const bearerOf = (authorization: string | undefined): string | undefined =>
  /^bearer +(\S.*)$/i.exec(authorization ?? "")?.[1]

const runtimeIdOf = (request: IncomingMessage): string | undefined => {
  const target = request.url as string
  const query = target.indexOf("?")
  if (query === -1) return undefined
  return new URLSearchParams(target.slice(query)).get(Frame.runtimeIdParameter) || undefined
}

const first = (offered: Set<string>): string | false => offered.values().next().value ?? false

const ignore = () => {}

/** What a peer sent, short enough for a message. */
const quoteStart = (text = ""): string => quote(text.slice(0, 100))

const bodyOf = ({ error }: Refusal): string => JSON.stringify({ error })

const headersOf = (refusal: Refusal, body: string) => ({
  ...refusal.headers,
  connection: "close",
  "content-type": "application/json",
  "content-length": Buffer.byteLength(body)
})

/** On the bare socket, which Node leaves to the upgrade's listener: once written it is destroyed, lest it stay half-open. */
const refuse = (socket: Duplex, refusal: Refusal): void => {
  const body = bodyOf(refusal)
  const headers = Object.entries(headersOf(refusal, body)).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.once("finish", () => socket.destroy())
  socket.end(`HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\n${headers.join("")}\r\n${body}`)
}
