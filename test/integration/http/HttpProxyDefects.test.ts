import * as net from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Child, start } from "./child.js"
import { ask, connect, serve, UPGRADE } from "./support.js"

// Each scenario runs against http-proxy, where it shows the defect, and against our gateway by either client, where it mustn't.
type Kind = "http-proxy" | "gateway" | "http-proxy layer"
const ours = ["gateway", "http-proxy layer"] as const
const host = (kind: Kind, target: string) => start("http-proxy-host.ts", kind, target)

describe("a WebSocket upstream that answers the upgrade with an ordinary response, to a client that resets", () => {
  const scenario = Effect.fnUntraced(function* (kind: Kind) {
    const upstream = yield* serve({
      onRequest: (_, response) => {
        response.writeHead(200)
        const fill = () => {
          while (response.write(Buffer.alloc(65_536, "x")));
          response.once("drain", fill)
        }
        fill()
      }
    })
    const child = yield* host(kind, upstream.url)
    const connection = yield* connect(child.port)
    connection.socket.write(UPGRADE("/"))
    yield* connection.until("xxx")
    connection.socket.resetAndDestroy()
    return child
  })

  it.scopedLive("crashes a process with http-proxy", () =>
    Effect.gen(function* () {
      const child = yield* scenario("http-proxy")
      assert.strictEqual(yield* child.exit, 1)
      assert.match(child.stderr(), /Unhandled 'error' event[\s\S]*(ECONNRESET|EPIPE)/)
    })
  )

  it.scopedLive.each(ours)("costs ours nothing: %s", (kind) =>
    Effect.gen(function* () {
      const child = yield* scenario(kind)
      yield* child.noConnections
      assert.isNull(child.process.exitCode)
    })
  )
})

describe("an upgraded connection whose client resets, with an upstream that doesn't end its side", () => {
  const scenario = Effect.fnUntraced(function* (kind: Kind) {
    const sockets = new Set<net.Socket>()
    let onEnd = () => {}
    const ended = new Promise<void>((resolve) => {
      onEnd = resolve
    })
    const upstream = yield* Effect.acquireRelease(
      Effect.async<net.Server>((resume) => {
        const server = net.createServer({ allowHalfOpen: true }, (socket) => {
          sockets.add(socket)
          socket.on("error", onEnd)
          socket.on("end", onEnd)
          socket.once("data", () =>
            socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
          )
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.sync(() => {
          server.close()
          for (const socket of sockets) socket.destroy()
        })
    )
    const child = yield* host(kind, `http://127.0.0.1:${(upstream.address() as net.AddressInfo).port}`)
    const connection = yield* connect(child.port)
    connection.socket.write(UPGRADE("/"))
    yield* connection.until("101")
    connection.socket.resetAndDestroy()
    yield* Effect.promise(() => ended)
    return child
  })

  it.scopedLive("leaves http-proxy with the upstream's socket for good", () =>
    Effect.gen(function* () {
      const child = yield* scenario("http-proxy")
      for (let i = 0; i < 100; i++) assert.strictEqual((yield* child.ask("connections")).connections, 1)
    })
  )

  it.scopedLive.each(ours)("leaves nothing with ours: %s", (kind) =>
    Effect.gen(function* () {
      const child = yield* scenario(kind)
      yield* child.noConnections
    })
  )
})

describe("a kept-alive upstream connection that has gone stale", () => {
  const scenario = Effect.fnUntraced(function* (kind: Kind) {
    const sockets = new Set<net.Socket>()
    const upstream = yield* Effect.acquireRelease(
      Effect.async<net.Server>((resume) => {
        const server = net.createServer((socket) => {
          let requests = 0
          sockets.add(socket)
          socket.on("error", () => {})
          socket.on("data", () => {
            if (requests++ > 0) return socket.resetAndDestroy()
            return socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
          })
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.sync(() => {
          server.close()
          for (const socket of sockets) socket.destroy()
        })
    )
    const child: Child = yield* host(kind, `http://127.0.0.1:${(upstream.address() as net.AddressInfo).port}`)
    const first = yield* ask(`http://127.0.0.1:${child.port}`)
    const second = yield* ask(`http://127.0.0.1:${child.port}`)
    return [first, second].map(({ status, text }) => [status, text])
  })

  it.scopedLive("costs a GET a 502 with http-proxy", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* scenario("http-proxy"), [
        [200, "ok"],
        [502, "ECONNRESET"]
      ])
    })
  )

  it.scopedLive.each(ours)("costs a GET nothing with ours: %s", (kind) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* scenario(kind), [
        [200, "ok"],
        [200, "ok"]
      ])
    })
  )
})
