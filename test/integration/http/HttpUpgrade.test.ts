import type * as http from "node:http"
import type { Duplex } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { WebSocket, WebSocketServer } from "ws"
import { connect, converse, event, proxied, serve, serveGateway, UPGRADE } from "./support.js"

const CLOSE = "Connection: close\r\n"
const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"

describe("a proxied upgrade", () => {
  it.scopedLive("carries a WebSocket both ways, subprotocol and close code with it", () =>
    Effect.gen(function* () {
      const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => "chat" })
      sockets.on("connection", (socket, request) => {
        socket.send(`hello from ${request.url}`)
        socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }))
        socket.on("close", (code) => closeCode.fire(code))
      })
      const closeCode = event<number>()
      const { gateway, upstream } = yield* proxied({
        onUpgrade: (request, socket, head) =>
          sockets.handleUpgrade(request, socket, head, (client) => sockets.emit("connection", client, request))
      })
      const received: Array<string> = []
      const done = event()
      const client = new WebSocket(`ws://127.0.0.1:${gateway.port}/room?x=1`, ["chat", "other"])
      client.on("message", (data: Buffer) => {
        received.push(data.length > 100 ? String(data.length) : data.toString())
        if (received.length === 1) client.send("text")
        if (received.length === 2) client.send(Buffer.alloc(2_000_000))
        if (received.length === 3) done.fire()
      })
      yield* done.wait
      assert.strictEqual(client.protocol, "chat")
      assert.deepStrictEqual(received, ["hello from /room?x=1", "text", "2000000"])
      client.close(4321)
      assert.strictEqual(yield* closeCode.wait, 4321)
      yield* upstream.noSockets
      yield* gateway.noSockets
    })
  )

  it.scopedLive("passes on what each side sends with its headers, and any protocol", () =>
    Effect.gen(function* () {
      let seen: http.IncomingMessage | undefined
      const { gateway } = yield* proxied({
        onUpgrade: (request, socket, head) => {
          seen = request
          socket.on("error", () => {})
          socket.write(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw/1\r\nX-A: \xe9\r\n\r\nupstream's head",
            "latin1"
          )
          socket.write(head)
          socket.pipe(socket)
        }
      })
      const connection = yield* connect(gateway.port)
      connection.socket.write(
        "POST /raw HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: raw/1\r\n\r\nclient's head"
      )
      yield* connection.until("client's head")
      assert.strictEqual(
        connection.received,
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw/1\r\nX-A: \xe9\r\n\r\nupstream's headclient's head"
      )
      connection.socket.write("more")
      yield* connection.until("more")
      assert.deepStrictEqual(
        [seen?.method, seen?.url, seen?.headers.upgrade, seen?.headers["x-forwarded-for"]],
        ["POST", "/raw", "raw/1", "127.0.0.1"]
      )
    })
  )

  it.scopedLive("without a route is a 404 in JSON, and the socket closes", () =>
    Effect.gen(function* () {
      const { gateway, port, noSockets } = yield* serveGateway()
      yield* gateway.route("GET", "/http-only", () => Effect.succeed("http"))
      const answer = yield* converse(port, UPGRADE("/nowhere?x", CLOSE))
      assert.match(answer, /^HTTP\/1.1 404 Not Found\r\n/)
      assert.isTrue(
        answer.endsWith('{"error":"No route for GET /nowhere. No route matches, and no proxy resolver is set."}'),
        answer
      )
      yield* noSockets
    })
  )

  it.scopedLive("that the upstream answers with an ordinary response gets that response whole", () =>
    Effect.gen(function* () {
      const { gateway, upstream } = yield* proxied({
        onRequest: (request, response) => {
          response.writeHead(401, "Who Are You", { "x-a": "1", "set-cookie": ["a", "b"] })
          response.end(request.url === "/big" ? Buffer.alloc(3_000_000, "x") : "no entry")
        }
      })
      const answer = yield* converse(gateway.port, UPGRADE("/small", CLOSE))
      assert.match(answer, /^HTTP\/1.1 401 Who Are You\r\nx-a: 1\r\nset-cookie: a\r\nset-cookie: b\r\n/)
      assert.include(answer, "no entry")
      assert.match(answer, /\r\nconnection: close\r\n/i)
      const big = yield* converse(gateway.port, UPGRADE("/big", CLOSE))
      assert.strictEqual(big.split("x").length > 3_000_000, true)
      yield* upstream.noSockets
      yield* gateway.noSockets
    })
  )

  it.scopedLive("to an upstream that refuses, or dies before it answers, is a 502", () =>
    Effect.gen(function* () {
      const upstream = yield* serve({ onUpgrade: (_, socket) => socket.destroy() })
      const { gateway, port, noSockets } = yield* serveGateway()
      yield* gateway.proxy((path) => (path === "/refuses" ? "http://127.0.0.1:1" : upstream.url))
      assert.include(
        yield* converse(port, UPGRADE("/dies", CLOSE)),
        `{"error":"${upstream.url} closed the connection before it answered (ECONNRESET); did the service crash?"}`
      )
      const refused = yield* converse(port, UPGRADE("/refuses", CLOSE))
      assert.match(refused, /^HTTP\/1.1 502 Bad Gateway\r\n/)
      assert.include(refused, "http://127.0.0.1:1 can't be reached (ECONNREFUSED); did the service crash?")
      yield* noSockets
    })
  )

  const accepting = (act: (socket: Duplex) => void) =>
    proxied({
      onUpgrade: (_, socket) => {
        socket.on("error", () => {})
        socket.resume()
        socket.on("end", () => socket.end())
        act(socket)
      }
    })

  for (const end of ["reset", "end"] as const) {
    it.scopedLive(`closes the upstream's socket when the client's is ${end}, before and after the switch`, () =>
      Effect.gen(function* () {
        const arrived = [event(), event()]
        let count = 0
        const { gateway, upstream } = yield* accepting((socket) => {
          if (count === 1) socket.write(`${SWITCH}\r\n`)
          arrived[count++]?.fire()
        })
        for (const [i, arrival] of arrived.entries()) {
          const connection = yield* connect(gateway.port)
          connection.socket.write(UPGRADE("/"))
          yield* arrival.wait
          if (i === 1) yield* connection.until("101")
          if (end === "reset") connection.socket.resetAndDestroy()
          else connection.socket.end()
          yield* upstream.noSockets
          yield* gateway.noSockets
        }
      })
    )

    it.scopedLive(`closes the client's socket when the upstream's is ${end}, with all that came before`, () =>
      Effect.gen(function* () {
        const { gateway, upstream } = yield* accepting((socket) => {
          socket.write(`${SWITCH}\r\nlast words`, () => {
            if (end === "end") socket.end()
          })
          socket.on("data", () => {
            if (end === "reset") (socket as unknown as { resetAndDestroy: () => void }).resetAndDestroy()
          })
        })
        const connection = yield* connect(gateway.port)
        connection.socket.write(UPGRADE("/"))
        yield* connection.until("last words")
        if (end === "reset") connection.socket.write("reset it")
        yield* connection.closed
        yield* upstream.noSockets
        yield* gateway.noSockets
      })
    )
  }

  it.scopedLive("survives a client that resets while an ordinary response is relayed", () =>
    Effect.gen(function* () {
      const { gateway, upstream } = yield* proxied({
        onRequest: (_, response) => {
          response.writeHead(200)
          const fill = () => {
            while (response.write(Buffer.alloc(65_536, "x")));
            response.once("drain", fill)
          }
          fill()
        }
      })
      const connection = yield* connect(gateway.port)
      connection.socket.write(UPGRADE("/"))
      yield* connection.until("xxx")
      connection.socket.resetAndDestroy()
      yield* upstream.noSockets
      yield* gateway.noSockets
    })
  )
})
