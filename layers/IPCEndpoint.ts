/**
 * The server's own paths: checks who asks, and turns an upgrade into a connected client.
 *
 * @since 0.1.0
 */

import { createHash, timingSafeEqual } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import { STATUS_CODES } from "node:http"
import { hostname, networkInterfaces } from "node:os"
import type { Duplex } from "node:stream"
import * as Redacted from "effect/Redacted"
import { WebSocketServer } from "ws"
import type { ConnectedClients } from "../src/ConnectedClients.js"
import * as Frame from "../src/Frame.js"
import { defaultMaxFrameBytes } from "../src/IPCSocket.js"
import * as WebSocketTransport from "./WebSocketTransport.js"

/**
 * Who may connect.
 *
 * @since 0.1.0
 * @category models
 */
export interface IPCEndpointOptions {
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
export interface IPCEndpoint {
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
 * @since 0.1.0
 * @category constructors
 */
export const make = (clients: ConnectedClients, options: IPCEndpointOptions): IPCEndpoint => {
  const webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: options.maxFrameBytes ?? defaultMaxFrameBytes,
    handleProtocols: (offered) => (offered.has(Frame.subprotocol) ? Frame.subprotocol : first(offered))
  })
  const refusalOf = makeRefusal(options)

  return {
    onRequest: (request, response) => {
      const refusal = refusalOf(request) ?? {
        status: 426,
        error: `${Frame.upgradePath} is for IPC clients, which connect by WebSocket.`
      }
      const body = JSON.stringify({ error: refusal.error })
      const upgrade = refusal.status === 426 ? { upgrade: "websocket" } : {}
      response.writeHead(refusal.status, { ...upgrade, ...jsonHeaders(body), connection: "close" })
      response.end(body)
    },
    onUpgrade: (request, socket, head) => {
      // Until ws takes over: a peer that resets meanwhile is nobody's problem.
      socket.on("error", ignore)
      const refusal = refusalOf(request)
      if (refusal !== undefined) return refuse(socket, refusal)
      webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        socket.removeListener("error", ignore)
        clients.accept(WebSocketTransport.make(webSocket, socket), runtimeIdOf(request))
      })
    }
  }
}

interface Refusal {
  readonly status: number
  readonly error: string
}

const makeRefusal = (options: IPCEndpointOptions) => {
  const names = new Set([...ownNames(options.host), ...(options.allowedHosts ?? [])].map((name) => name.toLowerCase()))
  const origins = new Set(options.allowedOrigins ?? [])
  const token = options.token === undefined ? undefined : digest(plain(options.token))

  return (request: IncomingMessage): Refusal | undefined => {
    const { authorization, host, origin } = request.headers
    // A page that rebinds its own name to this address still sends that name.
    if (host === undefined || !names.has(hostnameOf(host))) {
      return {
        status: 403,
        error: `Host ${JSON.stringify(host ?? "")} isn't a name of this server. Connect to ${options.host}, or add the name to { allowedHosts }.`
      }
    }
    // Web pages always send an Origin with an upgrade; processes don't.
    if (origin !== undefined && !origins.has(origin)) {
      return {
        status: 403,
        error: `Origin ${JSON.stringify(origin)} may not connect. Add it to { allowedOrigins } if that page should.`
      }
    }
    if (token !== undefined && !timingSafeEqual(token, digest(bearerOf(authorization)))) {
      return {
        status: 401,
        error:
          authorization === undefined
            ? "This server asks for a token: send it as Authorization: Bearer …"
            : "The token is not this server's."
      }
    }
    return undefined
  }
}

const ownNames = (host: string): ReadonlyArray<string> => {
  const loopback = ["localhost", "127.0.0.1", "::1"]
  if (host !== "0.0.0.0" && host !== "::") return [...loopback, host]
  const addresses = Object.values(networkInterfaces()).flatMap((interfaces) => interfaces ?? [])
  return [...loopback, hostname(), ...addresses.map(({ address }) => address)]
}

/** The Host header without its port and an IPv6 address's brackets. */
const hostnameOf = (host: string): string => {
  const lower = host.toLowerCase()
  if (lower.startsWith("[")) return lower.slice(1, lower.indexOf("]"))
  const port = lower.lastIndexOf(":")
  return port === -1 ? lower : lower.slice(0, port)
}

const plain = (token: string | Redacted.Redacted): string =>
  Redacted.isRedacted(token) ? Redacted.value(token) : token

/** Digests have one length, which a comparison in constant time needs. */
const digest = (text: string): Buffer => createHash("sha256").update(text).digest()

const bearerOf = (authorization: string | undefined): string => /^bearer (.*)$/i.exec(authorization ?? "")?.[1] ?? ""

const runtimeIdOf = (request: IncomingMessage): string | undefined => {
  const query = (request.url ?? "").split("?", 2)[1]
  return new URLSearchParams(query).get(Frame.runtimeIdParameter) || undefined
}

const first = (offered: Set<string>): string | false => offered.values().next().value ?? false

const ignore = () => {}

const jsonHeaders = (body: string) => ({
  "content-type": "application/json",
  "content-length": Buffer.byteLength(body)
})

const refuse = (socket: Duplex, refusal: Refusal): void => {
  const body = JSON.stringify({ error: refusal.error })
  const headers = Object.entries(jsonHeaders(body)).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\nconnection: close\r\n${headers.join("")}\r\n${body}`
  )
}
