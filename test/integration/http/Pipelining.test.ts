import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { untilConstant } from "../../support/turns.js"
import { connect, event, proxied, serveGateway } from "./support.js"

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`

describe("requests that come before the ones before them are answered", () => {
  it.scopedLive("are taken one at a time, and answered in order", () =>
    Effect.gen(function* () {
      const { gateway, port } = yield* serveGateway()
      let running = 0
      let most = 0
      yield* gateway.route("POST", "/:n", ({ body, params }) =>
        Effect.gen(function* () {
          most = Math.max(most, ++running)
          yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
          running--
          return `${params.n} ${body}`
        })
      )
      const client = yield* connect(port)
      const numbers = Array.from({ length: 50 }, (_, i) => String(i))
      for (const n of numbers) {
        client.socket.write(
          `POST /${n} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: ${n.length}\r\n\r\n${n}`
        )
      }
      yield* client.until('"49 49"')
      assert.deepStrictEqual(
        client.received.match(/"\d+ \d+"/g),
        numbers.map((n) => `"${n} ${n}"`)
      )
      assert.strictEqual(most, 1)
    })
  )

  it.scopedLive("of event streams all end when their client goes", () =>
    Effect.gen(function* () {
      const opened = event()
      let asked = 0
      const { gateway, upstream } = yield* proxied({
        onRequest: (_, response) => {
          asked++
          response.writeHead(200, { "content-type": "text/event-stream" })
          response.write("data: 1\n\n")
          opened.fire()
        }
      })
      const client = yield* connect(gateway.port)
      client.socket.write(get("/sse").repeat(100))
      yield* opened.wait
      yield* client.until("data: 1")
      client.socket.destroy()
      yield* upstream.noSockets
      assert.strictEqual(asked, 1)
    })
  )

  it.scopedLive("are all answered, however many are written at once", () =>
    Effect.gen(function* () {
      const { gateway, port } = yield* serveGateway()
      yield* gateway.route("GET", "/last", () => Effect.succeed("the last"))
      yield* gateway.route("GET", "/:n", ({ params }) => Effect.succeed(params.n))
      const client = yield* connect(port)
      for (let i = 0; i < 20; i++) client.socket.write(get("/n").repeat(250))
      client.socket.write(get("/last"))
      yield* client.until('"the last"')
      assert.strictEqual(client.received.match(/200 OK/g)?.length, 5_001)
    })
  )

  it.scopedLive("aren't read without end while the first has no answer", () =>
    Effect.gen(function* () {
      const begun = event()
      const { gateway, port, sockets } = yield* serveGateway()
      yield* gateway.route("GET", "/never", () => {
        begun.fire()
        return Effect.never
      })
      const client = yield* connect(port)
      const flood = Buffer.from(get("/never").repeat(2_000))
      // What the operating system takes besides is its own.
      let full = false
      client.socket.write(flood)
      yield* begun.wait
      for (let i = 0; i < 500 && !full; i++) full = !client.socket.write(flood)
      yield* untilConstant(() => Array.from(sockets)[0]?.bytesRead ?? 0)
      assert.isBelow(Array.from(sockets)[0]?.bytesRead ?? 0, 2_000_000)
    })
  )
})
