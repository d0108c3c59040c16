/** What clients send and don't read costs a test's gateway no more than its bounds. */
import { once } from "node:events"
import * as net from "node:net"
import { assert, describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Intercept, TestGateway } from "effect-ipc/testing"
import { WebSocket } from "ws"
import { untilConstant, untilSo } from "../../support/turns.js"
import { live, suite } from "./support.js"

const MIB = 1024 * 1024

const mebibyte = Buffer.alloc(MIB, 1)

const connect = (url: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const socket = new WebSocket(url.replace("http:", "ws:"), { perMessageDeflate: false })
      socket.on("error", () => {})
      await once(socket, "open")
      return socket
    }),
    (socket) => Effect.sync(() => socket.terminate())
  )

describe("a mocked WebSocket", () => {
  live("holds its client back while the handler reads nothing, and loses nothing", () =>
    Effect.gen(function* () {
      const { http, url } = yield* suite()
      const read = yield* Deferred.make<void>()
      const got = yield* Deferred.make<number>()
      const chat = yield* http.webSocket(Intercept.get("/chat"), ({ messages }) =>
        Effect.gen(function* () {
          yield* Deferred.await(read)
          yield* Deferred.succeed(got, yield* Stream.runCount(Stream.take(messages, 64)))
        })
      )
      const client = yield* connect(`${url}/chat`)
      for (let n = 0; n < 64; n++) client.send(mebibyte)
      yield* chat.awaitMessage(5)
      // The system's buffers hold some; the rest stays with the client.
      assert.isAbove(client.bufferedAmount, 16 * MIB)
      yield* Deferred.succeed(read, undefined)
      assert.strictEqual(yield* Deferred.await(got), 64)
    })
  )

  live("has its handler wait while the client reads nothing, and sends in order", () =>
    Effect.gen(function* () {
      const { http, url } = yield* suite()
      let sent = 0
      yield* http.webSocket(Intercept.get("/chat"), ({ send }) =>
        Effect.gen(function* () {
          for (let n = 0; n < 64; n++) {
            yield* send(Buffer.alloc(MIB, n))
            sent++
          }
        })
      )
      const client = yield* connect(`${url}/chat`)
      const received: Array<number> = []
      client.on("message", (data: Buffer) => received.push(data[0] as number))
      client.pause()
      yield* untilSo(() => sent > 0)
      yield* untilConstant(() => sent)
      assert.isBelow(sent, 48)
      client.resume()
      yield* Effect.promise(() => once(client, "close"))
      assert.deepStrictEqual(
        received,
        Array.from({ length: 64 }, (_, n) => n)
      )
    })
  )

  it("is dropped where the handler doesn't wait, and the report says so", async () => {
    await using gateway = await TestGateway.start()
    const chat = await gateway.webSocket(Intercept.get("/chat"), ({ send }) => {
      for (let n = 0; n < 64; n++) send(mebibyte)
      return new Promise(() => {})
    })
    const client = new WebSocket(`${gateway.url.replace("http:", "ws:")}/chat`, { perMessageDeflate: false })
    client.on("error", () => {})
    client.on("open", () => client.pause())
    const { code, failure } = await chat.awaitCall(1, { timeout: "10 seconds" })
    client.terminate()
    assert.strictEqual(code, 1006)
    expect(failure?.replace(/\d+/, "N")).toMatchInlineSnapshot(
      `"the handler sends faster than its client reads: N bytes wait. Await each send"`
    )
    assert.throws(() => gateway.verify(), "the handler sends faster than its client reads")
  })
})

describe("bodies that matchers read", () => {
  it("are bounded together, in bytes, and in the time that they may pause", async () => {
    await using gateway = await TestGateway.start({ maxTotalBodyBytes: 100_000, bodyIdleTimeout: "300 millis" })
    await gateway.mock(Intercept.post("/a", { body: "x" }), Intercept.status(200), { optional: true })
    const stalled = () =>
      new Promise<string>((resolve) => {
        const socket = net.connect(gateway.port, "127.0.0.1")
        let answer = ""
        socket.on("data", (chunk) => {
          answer += chunk
          if (answer.includes("}")) socket.destroy()
        })
        socket.on("close", () => resolve(answer.split("\r\n")[0] as string))
        socket.write(
          `POST /a HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 90000\r\n\r\n${"x".repeat(60_000)}`
        )
      })
    assert.deepStrictEqual((await Promise.all([stalled(), stalled()])).sort(), [
      "HTTP/1.1 408 Request Timeout",
      "HTTP/1.1 503 Service Unavailable"
    ])
    // What they held is free again.
    for (let n = 0; n < 4; n++) {
      const body = "y".repeat(60_000)
      assert.strictEqual((await fetch(`${gateway.url}/a`, { method: "POST", body })).status, 404)
    }
  })
})
