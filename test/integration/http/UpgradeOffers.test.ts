import type * as http from "node:http"
import type { Duplex } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { WebSocket } from "ws"
import * as NodeIPCServer from "../../../layers/NodeIPCServer.js"
import { connect, event, proxied, serve, serveGateway, UPGRADE } from "./support.js"

const offer = (line: string, protocols: string, rest: string) =>
  `${line} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${protocols}\r\n${rest}`

const read = (request: http.IncomingMessage) => {
  const chunks: Array<Buffer> = []
  request.on("data", (chunk: Buffer) => chunks.push(chunk))
  return new Promise<string>((resolve) => request.on("end", () => resolve(Buffer.concat(chunks).toString())))
}

/** Reads so many bytes of body from an upgrade's socket, then switches and echoes. */
const switching = (length: number, arrived: (body: string) => void) => (_: unknown, socket: Duplex, head: Buffer) => {
  let text = head.toString()
  const look = () => {
    if (text.length < length) return
    socket.off("data", onData)
    arrived(text)
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
    socket.pipe(socket)
  }
  const onData = (chunk: Buffer) => {
    text += chunk.toString()
    look()
  }
  socket.on("error", () => {})
  socket.on("data", onData)
  look()
}

describe("an offer to go on in another protocol", () => {
  for (const split of ["in one piece", "byte by byte"]) {
    it.scopedLive(
      `has its body forwarded, which came ${split}, and the connection goes on in what the upstream switches to`,
      () =>
        Effect.gen(function* () {
          const body = event<string>()
          const { gateway } = yield* proxied({ onUpgrade: switching(5, body.fire) })
          const client = yield* connect(gateway.port)
          const text = offer("POST /exec", "tcp", "Content-Length: 5\r\n\r\nhello")
          if (split === "in one piece") client.socket.write(`${text}early`)
          else {
            for (const byte of text) client.socket.write(byte)
          }
          assert.strictEqual(yield* body.wait, "hello")
          yield* client.until("101 Switching Protocols")
          client.socket.write(split === "in one piece" ? " and late" : "early and late")
          yield* client.until("early and late")
        })
    )
  }

  it.scopedLive("that the upstream doesn't take is an ordinary request: body and keep-alive included", () =>
    Effect.gen(function* () {
      const { gateway, upstream } = yield* proxied({
        onRequest: (request, response) => {
          read(request).then((body) => response.end(`${request.method} ${request.url} [${body}]`))
        }
      })
      const client = yield* connect(gateway.port)
      for (let i = 0; i < 3; i++) {
        client.socket.write(offer(`POST /${i}`, "tcp", "Content-Length: 5\r\n\r\nhe"))
        client.socket.write("lloGET /behind HTTP/1.1\r\nHost: x\r\n\r\n")
        yield* client.until(`POST /${i} [hello]`)
        yield* client.until("GET /behind []")
        client.received = ""
      }
      client.socket.write(offer("POST /chunked", "tcp", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
      yield* client.until("POST /chunked [hello]")
      client.socket.write(UPGRADE("/websocket"))
      yield* client.until("GET /websocket []")
      client.socket.write("GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
      yield* client.until("GET /last []")
      yield* client.closed
      assert.strictEqual(gateway.accepted(), 1)
      yield* upstream.close
    })
  )

  it.scopedLive("that no upstream takes is answered by the route, or 404, and the connection is kept", () =>
    Effect.gen(function* () {
      const { gateway, port } = yield* serveGateway()
      yield* gateway.route("GET", "/route", () => Effect.succeed("a route"))
      const client = yield* connect(port)
      client.socket.write(UPGRADE("/route"))
      yield* client.until('"a route"')
      client.socket.write(UPGRADE("/nowhere"))
      yield* client.until("No route for GET /nowhere")
      // No handler reads this body; the next request is found behind it all the same.
      client.socket.write(offer("POST /nowhere", "tcp", "Content-Length: 5\r\n\r\nhello"))
      yield* client.until("No route for POST /nowhere")
      client.received = ""
      client.socket.write("GET /route HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* client.until('"a route"')
    })
  )

  it.scopedLive("gets its 100 before its body is sent", () =>
    Effect.gen(function* () {
      const body = event<string>()
      const { gateway } = yield* proxied({ onUpgrade: switching(5, body.fire) })
      const client = yield* connect(gateway.port)
      client.socket.write(offer("POST /", "tcp", "Content-Length: 5\r\nExpect: 100-Continue\r\n\r\n"))
      yield* client.until("100 Continue\r\n\r\n")
      client.socket.write("hello")
      assert.strictEqual(yield* body.wait, "hello")
      yield* client.until("101 Switching Protocols")
    })
  )

  it.scopedLive("is a list, of which HTTP/2 is never forwarded", () =>
    Effect.gen(function* () {
      const offered: Array<string> = []
      const { gateway } = yield* proxied({
        onUpgrade: (request, socket) => {
          offered.push(`${request.headers.upgrade}; ${request.headers["http2-settings"]}`)
          socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        },
        onRequest: (request, response) => {
          offered.push(`none; ${request.headers["http2-settings"]}`)
          response.end()
        }
      })
      for (const protocols of ["x, h2c", "H2C", "h2c ,X/1.1,\t h2", " , WebSocket"]) {
        const client = yield* connect(gateway.port)
        client.socket.write(
          `GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: ${protocols}\r\nHTTP2-Settings: x\r\n\r\n`
        )
        yield* client.until("200 OK")
      }
      assert.deepStrictEqual(offered, ["x; undefined", "none; undefined", "X/1.1; undefined", "WebSocket; undefined"])
    })
  )

  it.scopedLive("adds no listener to its connection, however many come", () =>
    Effect.gen(function* () {
      const { gateway, port, sockets } = yield* serveGateway()
      yield* gateway.route("GET", "/", () => Effect.succeed("ok"))
      const client = yield* connect(port)
      const listeners = (): Record<string, number> => {
        const socket = Array.from(sockets)[0]
        return Object.fromEntries(
          (socket?.eventNames() ?? []).map((name) => [String(name), socket?.listenerCount(name) ?? 0])
        )
      }
      const seen: Array<Record<string, number>> = []
      for (let i = 0; i < 25; i++) {
        for (const text of [offer("GET /", "h2c", "\r\n"), UPGRADE("/nowhere")]) {
          client.received = ""
          client.socket.write(text)
          yield* client.until("\r\n\r\n")
        }
        seen.push(listeners())
      }
      // One of each step may be attached at the time of looking.
      for (const [name, count] of Object.entries(seen[24] ?? {})) {
        assert.isAtMost(count, (seen[0]?.[name] ?? 0) + 2, name)
      }
    })
  )
})

describe("an upgrade behind a request that isn't answered yet", () => {
  const slow = (release: Promise<unknown>) => (_: unknown, response: http.ServerResponse) => {
    release.then(() => {
      response.write("x".repeat(1_000_000))
      response.end("the end")
    })
  }

  it.scopedLive("waits for its turn, at the server's own path", () =>
    Effect.gen(function* () {
      const asked = event()
      const upstream = yield* serve({
        onRequest: (_, response) => {
          asked.fire()
          slow(new Promise((resolve) => setImmediate(resolve)))(_, response)
        }
      })
      const server = yield* NodeIPCServer.make()
      yield* server.setRouteProxyResolver(() => upstream.url)
      const client = yield* connect(server.port)
      client.socket.write(
        `GET /slow HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n${UPGRADE("/__ipc").replace("Host: x", "Host: 127.0.0.1")}`
      )
      yield* asked.wait
      yield* client.until("101 Switching Protocols")
      const [first, second] = client.received.split("101 Switching Protocols")
      assert.match(first ?? "", /the end\r\n0\r\n\r\nHTTP\/1\.1 $/)
      assert.notInclude(second, "xxx")
    })
  )

  it.scopedLive("is given up with it when the client goes", () =>
    Effect.gen(function* () {
      const asked = event()
      const { gateway, upstream } = yield* proxied({ onRequest: () => asked.fire(), onUpgrade: () => {} })
      const client = yield* connect(gateway.port)
      client.socket.write(`GET / HTTP/1.1\r\nHost: x\r\n\r\n${UPGRADE("/")}`)
      yield* asked.wait
      client.socket.destroy()
      yield* upstream.noSockets
      yield* gateway.noSockets
    })
  )

  it.scopedLive("is tunnelled after it", () =>
    Effect.gen(function* () {
      const { gateway } = yield* proxied({
        onRequest: slow(new Promise((resolve) => setImmediate(resolve))),
        onUpgrade: switching(0, () => {})
      })
      const client = yield* connect(gateway.port)
      client.socket.write(`GET / HTTP/1.1\r\nHost: x\r\n\r\n${offer("GET /", "tcp", "\r\n")}early`)
      yield* client.until("\r\n\r\nearly")
      assert.match(client.received, /the end\r\n0\r\n\r\nHTTP\/1\.1 101 /)
    })
  )
})

describe("a WebSocket client", () => {
  it.scopedLive("is told the status of a refusal", () =>
    Effect.gen(function* () {
      const { port } = yield* serveGateway()
      const status = yield* Effect.async<number | undefined>((resume) => {
        const client = new WebSocket(`ws://127.0.0.1:${port}/nowhere`)
        client.on("unexpected-response", (_, response) => {
          resume(Effect.succeed(response.statusCode))
          client.terminate()
        })
        client.on("error", () => {})
      })
      assert.strictEqual(status, 404)
    })
  )
})

describe("a CONNECT", () => {
  const CONNECT = "CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n"
  const refusal =
    /HTTP\/1\.1 501 Not Implemented\r\n(?:.|\r|\n)*connection: close\r\n(?:.|\r|\n)*\{"error":"CONNECT isn't implemented: .+"\}$/

  it.scopedLive("is answered that there are no tunnels, in its turn, and its connection closed", () =>
    Effect.gen(function* () {
      const upstream = yield* serve({
        onRequest: (_, response) => {
          response.write("first")
          setImmediate(() => response.end("last"))
        }
      })
      const server = yield* NodeIPCServer.make()
      yield* server.setRouteProxyResolver(() => upstream.url)
      const alone = yield* connect(server.port)
      alone.socket.write(`${CONNECT}what a tunnel would carry`)
      yield* alone.closed
      assert.match(alone.received, refusal)
      const behind = yield* connect(server.port)
      behind.socket.write(`GET / HTTP/1.1\r\nHost: x\r\n\r\n${CONNECT}`)
      yield* behind.closed
      const [first = "", second = ""] = behind.received.split("last\r\n0\r\n\r\n")
      assert.include(first, "200 OK")
      assert.match(second, refusal)
      const reset = yield* connect(server.port)
      reset.socket.write(CONNECT, () => reset.socket.resetAndDestroy())
      yield* reset.closed
    })
  )
})
