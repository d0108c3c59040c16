/**
 * Peers that know only the wire: `ws` and string concatenation, none of our code.
 */
import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ClientOptions, WebSocket, WebSocketServer } from "ws"

export interface BarePeer {
  readonly webSocket: WebSocket
  readonly send: (text: string) => Effect.Effect<void>
  /** The next text frame not yet taken. */
  readonly next: Effect.Effect<string>
  /** How it ended. */
  readonly closed: Effect.Effect<{ readonly code: number; readonly reason: string }>
  /** Every text received so far. */
  readonly received: ReadonlyArray<string>
}

/** This end of a connection, with the socket beneath it. */
export interface BareClient extends BarePeer {
  readonly socket: Socket
}

export const peer = (webSocket: WebSocket): BarePeer => {
  const received: Array<string> = []
  const inbox: Array<string> = []
  const waiting: Array<(text: string) => void> = []
  webSocket.on("error", () => {})
  webSocket.on("message", (data) => {
    const text = String(data)
    received.push(text)
    const next = waiting.shift()
    if (next === undefined) inbox.push(text)
    else next(text)
  })
  const ended = new Promise<{ code: number; reason: string }>((resolve) => {
    webSocket.once("close", (code, reason) => resolve({ code, reason: String(reason) }))
  })
  return {
    webSocket,
    received,
    send: (text) => Effect.sync(() => webSocket.send(text)),
    next: Effect.async((resume) => {
      const text = inbox.shift()
      if (text !== undefined) return resume(Effect.succeed(text))
      waiting.push((next) => resume(Effect.succeed(next)))
    }),
    closed: Effect.promise(() => ended)
  }
}

export const connect = (
  url: string,
  protocols: ReadonlyArray<string> = [],
  options: ClientOptions = {}
): Effect.Effect<BareClient, Rejected, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<BareClient, Rejected>((resume) => {
      const webSocket = new WebSocket(url, [...protocols], options)
      const connected = peer(webSocket)
      webSocket.once("upgrade", ({ socket }) => {
        webSocket.once("open", () => resume(Effect.succeed({ ...connected, socket })))
      })
      webSocket.once("error", (error) => resume(Effect.fail({ status: 0, body: error.message })))
      webSocket.once("unexpected-response", (_request, response: IncomingMessage) => {
        let body = ""
        response.on("data", (chunk) => {
          body += chunk
        })
        response.on("end", () => resume(Effect.fail({ status: response.statusCode ?? 0, body })))
      })
    }),
    ({ webSocket }) => Effect.sync(() => webSocket.terminate())
  )

export interface Rejected {
  readonly status: number
  readonly body: string
}

export interface BareServer {
  readonly port: number
  /** Clients as they connect, each taken once. */
  readonly next: Effect.Effect<{ readonly peer: BarePeer; readonly target: string }>
}

/**
 * `protocols: "echoFirst"` is how ws behaves by itself; `"none"` answers no subprotocol, a function the one it gives. The greeting is sent in the very
 * moment in which a client connects.
 */
export const serve = (
  path: string,
  protocols: "echoFirst" | "none" | ((offered: Set<string>) => string),
  greeting?: string
): Effect.Effect<BareServer, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<BareServer & { readonly close: () => void }>((resume) => {
      const http = createServer()
      const webSockets = new WebSocketServer({
        server: http,
        path,
        ...(protocols === "none" ? { handleProtocols: () => false as const } : {}),
        ...(typeof protocols === "function" ? { handleProtocols: protocols } : {})
      })
      const inbox: Array<{ peer: BarePeer; target: string }> = []
      const waiting: Array<(client: { peer: BarePeer; target: string }) => void> = []
      webSockets.on("connection", (webSocket, request) => {
        if (greeting !== undefined) webSocket.send(greeting)
        const client = { peer: peer(webSocket), target: request.url ?? "" }
        const taker = waiting.shift()
        if (taker === undefined) inbox.push(client)
        else taker(client)
      })
      const next = Effect.async<{ peer: BarePeer; target: string }>((taken) => {
        const client = inbox.shift()
        if (client !== undefined) return taken(Effect.succeed(client))
        waiting.push((arrived) => taken(Effect.succeed(arrived)))
      })
      const close = () => {
        for (const client of webSockets.clients) client.terminate()
        http.close()
      }
      http.listen(0, "127.0.0.1", () => {
        resume(Effect.succeed({ port: (http.address() as AddressInfo).port, next, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )
