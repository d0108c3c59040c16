/**
 * Real servers and clients for the gateway's tests, each closed with the test's scope.
 */

import * as http from "node:http"
import * as net from "node:net"
import type { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { GatewayResponse } from "../../../layers/http/GatewayResponse.js"
import * as NodeHttpGateway from "../../../layers/http/NodeHttpGateway.js"
import * as UndiciUpstream from "../../../layers/UndiciUpstream.js"
import type { UpstreamProxy } from "../../../layers/UpstreamProxy.js"
import * as InnerScope from "../../../src/internal/InnerScope.js"

export interface Served {
  readonly server: http.Server<typeof http.IncomingMessage, typeof GatewayResponse>
  readonly port: number
  readonly url: string
  /** The sockets open at the moment. */
  readonly sockets: ReadonlySet<net.Socket>
  /** Resolves when no socket is open any more. */
  readonly noSockets: Effect.Effect<void>
  readonly accepted: () => number
  readonly close: Effect.Effect<void>
}

export interface Handlers {
  readonly onRequest?: (
    request: http.IncomingMessage,
    response: GatewayResponse & { req: http.IncomingMessage }
  ) => void
  readonly onUpgrade?: (request: http.IncomingMessage, socket: Duplex, head: Buffer) => void
  readonly port?: number
}

export const serve = (handlers: Handlers): Effect.Effect<Served, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<Served>((resume) => {
      const server = http.createServer({ ServerResponse: GatewayResponse }, handlers.onRequest ?? (() => {}))
      if (handlers.onUpgrade !== undefined) server.on("upgrade", handlers.onUpgrade)
      const sockets = new Set<net.Socket>()
      let accepted = 0
      server.on("connection", (socket) => {
        // One that the gateway gives back comes again.
        if (sockets.has(socket)) return
        accepted++
        sockets.add(socket)
        socket.on("error", () => {})
        socket.on("close", () => sockets.delete(socket))
      })
      const close = Effect.async<void>((done) => {
        server.close(() => done(Effect.void))
        for (const socket of sockets) socket.destroy()
      })
      const noSockets = Effect.async<void>((done) => {
        const look = () => {
          if (sockets.size === 0) return done(Effect.void)
          for (const socket of sockets) socket.once("close", () => setImmediate(look))
        }
        look()
      })
      server.listen(handlers.port ?? 0, "127.0.0.1", () => {
        const port = (server.address() as net.AddressInfo).port
        const url = `http://127.0.0.1:${port}`
        resume(Effect.succeed({ server, port, url, sockets, noSockets, accepted: () => accepted, close }))
      })
    }),
    (served) => served.close
  )

export interface ServedGateway extends Served {
  readonly gateway: NodeHttpGateway.NodeHttpGateway
  /** Closes the gateway alone; its server stays. */
  readonly closeGateway: Effect.Effect<void>
}

export const serveGateway = (options?: NodeHttpGateway.GatewayOptions & UndiciUpstream.UndiciOptions) => {
  const { connectTimeout, headersTimeout, tls, ...rest } = options ?? {}
  return serveGatewayBy(UndiciUpstream.layer({ connectTimeout, headersTimeout, tls }), rest)
}

/** A gateway with the given HTTP client. */
export const serveGatewayBy = (client: Layer.Layer<UpstreamProxy>, options?: NodeHttpGateway.GatewayOptions) =>
  Effect.gen(function* () {
    const scope = yield* InnerScope.make
    const gateway = yield* NodeHttpGateway.make({ maxBodyBytes: 1024 * 1024, ...options }).pipe(
      Scope.extend(scope),
      Effect.provide(client)
    )
    const served = yield* serve(gateway)
    const result: ServedGateway = { ...served, gateway, closeGateway: Scope.close(scope, Exit.void) }
    return result
  })

/** A gateway whose every request goes to an upstream with these handlers. */
export const proxied = (handlers: Handlers, options?: { readonly headersTimeout?: number }) =>
  Effect.gen(function* () {
    const upstream = yield* serve(handlers)
    const gateway = yield* serveGateway(options)
    yield* gateway.gateway.proxy(() => upstream.url)
    return { upstream, gateway }
  })

export interface Answer {
  readonly status: number
  readonly statusMessage: string
  readonly headers: http.IncomingHttpHeaders
  readonly rawHeaders: ReadonlyArray<string>
  readonly body: Buffer
  readonly text: string
  readonly trailers: NodeJS.Dict<string>
}

export interface Ask extends http.RequestOptions {
  readonly body?: string | Uint8Array
}

/** One request with its whole response; fails when the response is cut off. */
export const ask = (url: string, options: Ask = {}): Effect.Effect<Answer, Error> =>
  Effect.async((resume) => {
    const { body, ...rest } = options
    const request = http.request(url, { agent: false, ...rest }, (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("error", (error) => resume(Effect.fail(error)))
      response.on("end", () => {
        const whole = Buffer.concat(chunks)
        resume(
          Effect.succeed({
            status: response.statusCode ?? 0,
            statusMessage: response.statusMessage ?? "",
            headers: response.headers,
            rawHeaders: response.rawHeaders,
            body: whole,
            text: whole.toString(),
            trailers: response.trailers
          })
        )
      })
    })
    request.on("error", (error) => resume(Effect.fail(error)))
    request.end(body)
    return Effect.sync(() => request.destroy())
  })

export const askJson = (url: string, options: Ask = {}) =>
  Effect.map(ask(url, options), (answer) => ({ status: answer.status, json: JSON.parse(answer.text) as unknown }))

/** Writes text to a fresh socket and reads until the peer closes. */
export const converse = (port: number, text: string): Effect.Effect<string, Error> =>
  Effect.async((resume) => {
    const socket = net.connect(port, "127.0.0.1")
    const chunks: Array<Buffer> = []
    socket.on("data", (chunk: Buffer) => chunks.push(chunk))
    socket.on("error", (error) => resume(Effect.fail(error)))
    socket.on("close", () => resume(Effect.succeed(Buffer.concat(chunks).toString("latin1"))))
    socket.write(text, "latin1")
    return Effect.sync(() => socket.destroy())
  })

/** A raw connection whose bytes are awaited piece by piece. */
export const connect = (port: number): Effect.Effect<Connection, Error, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<Connection, Error>((resume) => {
      const socket = net.connect(port, "127.0.0.1", () => resume(Effect.succeed(new Connection(socket))))
      socket.on("error", (error) => resume(Effect.fail(error)))
    }),
    (connection) => Effect.sync(() => connection.socket.destroy())
  )

export class Connection {
  received = ""
  readonly socket: net.Socket
  constructor(socket: net.Socket) {
    this.socket = socket
    socket.on("data", (chunk: Buffer) => {
      this.received += chunk.toString("latin1")
      socket.emit("looked")
    })
  }

  /** Resolves once everything received contains the text. */
  readonly until = (text: string) =>
    Effect.async<void, Error>((resume) => {
      const stop = () => {
        this.socket.off("looked", look)
        this.socket.off("close", fail)
      }
      const look = () => {
        if (!this.received.includes(text)) return
        stop()
        resume(Effect.void)
      }
      const fail = () => {
        stop()
        resume(Effect.fail(new Error(`closed after ${JSON.stringify(this.received)}`)))
      }
      this.socket.on("looked", look)
      this.socket.once("close", fail)
      look()
      return Effect.sync(stop)
    })

  readonly closed = Effect.async<void>((resume) => {
    if (this.socket.destroyed) return resume(Effect.void)
    this.socket.once("close", () => resume(Effect.void))
  })
}

/** A promise and the functions to settle it, for events inside callbacks. */
export const event = <A = void>() => {
  let fire: (value: A) => void = () => {}
  const promise = new Promise<A>((resolve) => {
    fire = resolve
  })
  return { fire, wait: Effect.promise(() => promise) }
}

export const UPGRADE = (path: string, extra = "") =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n${extra}\r\n`
