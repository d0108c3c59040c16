import * as http from "node:http"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { start } from "./child.js"
import { ask, connect, event, serve, UPGRADE } from "./support.js"

const MiB = 1024 * 1024
const chunk = Buffer.alloc(256 * 1024, "effect")

const pour = (into: NodeJS.WritableStream, bytes: number) => {
  let left = bytes
  const go = () => {
    while (left > 0) {
      left -= chunk.length
      if (!into.write(chunk)) {
        into.once("drain", go)
        return
      }
    }
    into.end()
  }
  go()
}

const swallow = (from: NodeJS.ReadableStream, done: (bytes: number) => void) => {
  let bytes = 0
  from.on("data", (data: Buffer) => {
    bytes += data.length
  })
  from.on("end", () => done(bytes))
}

describe("a gateway in its own process", () => {
  it.scopedLive(
    "passes 384 MiB, half down and half up, with its memory flat",
    () =>
      Effect.gen(function* () {
        const upstream = yield* serve({
          onRequest: (request, response) => {
            if (request.method === "GET") pour(response, Number(request.url?.slice(1)))
            else swallow(request, (bytes) => response.end(String(bytes)))
          }
        })
        const child = yield* start("http-proxy-host.ts", "gateway", upstream.url)
        const url = `http://127.0.0.1:${child.port}`
        const download = (bytes: number) =>
          Effect.async<number>((resume) => {
            http.get(`${url}/${bytes}`, { agent: false }, (response) =>
              swallow(response, (received) => resume(Effect.succeed(received)))
            )
          })
        const upload = (bytes: number) =>
          Effect.async<number>((resume) => {
            const request = http.request(url, { agent: false, method: "POST" }, (response) => {
              let text = ""
              response.on("data", (data: Buffer) => {
                text += data
              })
              response.on("end", () => resume(Effect.succeed(Number(text))))
            })
            pour(request, bytes)
          })
        yield* download(64 * MiB)
        yield* upload(64 * MiB)
        const { peak: before } = yield* child.ask("reset peak")
        assert.strictEqual(yield* download(192 * MiB), 192 * MiB)
        assert.strictEqual(yield* upload(192 * MiB), 192 * MiB)
        const { peak: after } = yield* child.ask("peak")
        assert.isBelow((after - before) / MiB, 64)
      }),
    120_000
  )

  it.scopedLive("takes in no more than its buffers when the other side doesn't read, down or up", () =>
    Effect.gen(function* () {
      const total = 256 * MiB
      let poured = 0
      const fill = (into: http.ServerResponse | http.ClientRequest) => {
        poured = 0
        const go = () => {
          while (poured < total) {
            poured += chunk.length
            if (!into.write(chunk)) {
              into.once("drain", go)
              return
            }
          }
          into.end()
        }
        go()
      }
      const arrived = event()
      const upstream = yield* serve({
        onRequest: (request, response) => {
          if (request.method === "GET") fill(response)
          arrived.fire()
        }
      })
      const child = yield* start("http-proxy-host.ts", "gateway", upstream.url)
      const url = `http://127.0.0.1:${child.port}`
      // Nothing tells that a stream has stalled but that it doesn't move while the gateway has time to do other things.
      const stalled: Effect.Effect<number> = Effect.gen(function* () {
        for (let still = 0, last = -1; still < 300 && poured < total; still++) {
          yield* child.ask("connections")
          if (poured !== last) still = 0
          last = poured
        }
        return poured / MiB
      })
      // With a listener that doesn't read; without any, Node would discard the response.
      const down = http.get(url, { agent: false }, (response) => response.on("error", () => {}))
      down.on("error", () => {})
      yield* arrived.wait
      assert.isBelow(yield* stalled, 32)
      down.destroy()
      yield* upstream.noSockets
      const up = http.request(url, { agent: false, method: "POST" }).on("error", () => {})
      fill(up)
      assert.isBelow(yield* stalled, 32)
      up.destroy()
    })
  )

  it.scopedLive("ends by itself once closed, with everything in progress", () =>
    Effect.gen(function* () {
      const upload = event()
      const upstream = yield* serve({
        onRequest: (request, response) => {
          if (request.method === "POST") upload.fire()
          else if (request.url === "/short") response.end("kept alive")
          else response.write("begun")
        },
        onUpgrade: (_, socket) => {
          socket.on("error", () => {})
          socket.pipe(socket)
          socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        }
      })
      const child = yield* start("http-gateway-exit.ts", upstream.url)
      const open = Effect.fnUntraced(function* (text: string, until?: string) {
        const connection = yield* connect(child.port)
        connection.socket.write(text)
        if (until !== undefined) yield* connection.until(until)
        return connection
      })
      yield* ask(`http://127.0.0.1:${child.port}/short`)
      const connections = yield* Effect.all([
        open("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", "begun"),
        open(UPGRADE("/socket"), "101"),
        open("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf"),
        open("GET /handler HTTP/1.1\r\nHost: x\r\n\r\n"),
        open("POST /handler HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf"),
        open("POST /handler HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", "413")
      ])
      yield* upload.wait
      child.process.send("close")
      yield* Effect.all(connections.map((connection) => connection.closed))
      assert.strictEqual(yield* child.exit, 0)
      assert.strictEqual(child.stderr(), "")
    })
  )
})
