import { randomBytes } from "node:crypto"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { WebSocket, WebSocketServer } from "ws"
import * as Intercept from "../../../src/Intercept.js"
import * as Bare from "../../support/Bare.js"
import { live, type Suite, service, suite, text } from "./support.js"

/** A real service that greets, and echoes until it is told to end. */
const chat = (gateway: Suite, perMessageDeflate: boolean) => {
  const server = new WebSocketServer({ noServer: true, perMessageDeflate })
  server.on("connection", (socket) => {
    socket.send("welcome")
    socket.on("message", (data, isBinary) => {
      if (String(data) === "end") socket.close(4001, "as told")
      else socket.send(data, { binary: isBinary })
    })
  })
  return service(
    gateway,
    "chat",
    (_, response) => response.end("plain"),
    (request, socket, head) =>
      server.handleUpgrade(request, socket, head, (client) => server.emit("connection", client, request))
  )
}

const brief = (messages: ReadonlyArray<{ readonly from: string; readonly data: string | Uint8Array }>) =>
  messages.map(({ data, from }) => `${from}: ${typeof data === "string" ? data : `${data.length} bytes`}`)

describe("a spied WebSocket", () => {
  for (const perMessageDeflate of [false, true]) {
    live(`has its messages recorded both ways, ${perMessageDeflate ? "compressed" : "plain"}, unchanged`, () =>
      Effect.gen(function* () {
        const gateway = yield* suite()
        yield* chat(gateway, perMessageDeflate)
        const spy = yield* gateway.http.spyWebSocket(Intercept.get("/chat/:room"))
        const client = yield* Bare.connect(`ws://127.0.0.1:${gateway.port}/chat/7?x=1`, [], { perMessageDeflate })
        assert.strictEqual(client.webSocket.extensions, perMessageDeflate ? "permessage-deflate" : "")
        const long = "effect ".repeat(50_000)
        const random = randomBytes(200_000)
        assert.strictEqual(yield* client.next, "welcome")
        for (const message of ["hello", long, "bye"]) {
          yield* client.send(message)
          assert.strictEqual(yield* client.next, message)
        }
        const echoed = Effect.async<Buffer>((resume) => {
          client.webSocket.once("message", (data: Buffer) => resume(Effect.succeed(data)))
        })
        const binary = yield* Effect.fork(echoed)
        yield* Effect.yieldNow()
        client.webSocket.send(random)
        assert.isTrue(random.equals(yield* Fiber.join(binary)))
        yield* client.send("end")
        assert.deepStrictEqual(yield* client.closed, { code: 4001, reason: "as told" })
        const call = yield* spy.awaitCall(1)
        assert.deepStrictEqual(
          [call.code, call.reason, call.request.params.room, call.request.query.x],
          [4001, "as told", "7", "1"]
        )
        assert.deepStrictEqual(brief(call.messages), [
          "service: welcome",
          ...["hello", long, "bye", "200000 bytes"].flatMap((said) => [`client: ${said}`, `service: ${said}`]),
          "client: end"
        ])
        assert.strictEqual((yield* spy.messages).length, 10)
        assert.strictEqual((yield* spy.awaitMessage(1)).data, "welcome")
      })
    )
  }

  live("is left to the service by interceptors of plain requests and of other paths", () =>
    Effect.gen(function* () {
      const gateway = yield* suite()
      yield* chat(gateway, false)
      const plain = yield* gateway.http.spy(Intercept.any())
      const other = yield* gateway.http.webSocket(Intercept.get("/other"), () => Effect.void)
      const client = yield* Bare.connect(`ws://127.0.0.1:${gateway.port}/chat/7`)
      assert.strictEqual(yield* client.next, "welcome")
      assert.strictEqual(yield* text(`${gateway.url}/chat`), "plain")
      assert.deepStrictEqual([(yield* plain.calls).length, (yield* other.calls).length], [1, 0])
    })
  )

  live("whose peer vanishes is recorded with 1006", () =>
    Effect.gen(function* () {
      const gateway = yield* suite()
      yield* chat(gateway, false)
      const spy = yield* gateway.http.spyWebSocket(Intercept.any({ api: "chat" }))
      const client = yield* Bare.connect(`ws://127.0.0.1:${gateway.port}/chat`)
      yield* client.next
      client.webSocket.terminate()
      assert.strictEqual((yield* spy.awaitCall(1)).code, 1006)
    })
  )
})

describe("a mocked WebSocket", () => {
  live("is answered in place of the service, text and binary, and closed when the handler ends", () =>
    Effect.gen(function* () {
      const gateway = yield* suite()
      yield* chat(gateway, false)
      const mock = yield* gateway.http.webSocket(
        Intercept.get("/chat/:room"),
        (socket) =>
          Effect.gen(function* () {
            yield* socket.send(`mocked ${socket.request.params.room}`)
            yield* Stream.runForEach(Stream.take(socket.messages, 2), socket.send)
            yield* Stream.runForEach(Stream.take(socket.messages, 1), () => socket.send(new Uint8Array([1, 2, 3])))
          }),
        Intercept.once
      )
      const client = yield* Bare.connect(`ws://127.0.0.1:${gateway.port}/chat/7`, ["a", "b"])
      assert.strictEqual(client.webSocket.protocol, "a")
      assert.strictEqual(yield* client.next, "mocked 7")
      yield* client.send("one")
      yield* client.send("two")
      yield* client.send("three")
      assert.deepStrictEqual(
        [yield* client.next, yield* client.next, yield* client.next],
        ["one", "two", "\u0001\u0002\u0003"]
      )
      assert.deepStrictEqual(yield* client.closed, { code: 1000, reason: "" })
      assert.deepStrictEqual(
        brief((yield* mock.awaitCall(1)).messages),
        [
          "service: mocked 7",
          "client: one",
          "client: two",
          "client: three",
          "service: one",
          "service: two",
          "service: 3 bytes"
        ].sort(byFirstSeen((yield* mock.awaitCall(1)).messages))
      )
      const next = yield* Bare.connect(`ws://127.0.0.1:${gateway.port}/chat/7`)
      assert.strictEqual(yield* next.next, "welcome")
    })
  )

  live("whose handler fails is closed with 1011 and the message", () =>
    Effect.gen(function* () {
      const { http, port } = yield* suite()
      yield* http.webSocket(Intercept.get("/fails"), () => Effect.fail(new Error(`no${"!".repeat(200)}`)))
      const client = yield* Bare.connect(`ws://127.0.0.1:${port}/fails`)
      assert.deepStrictEqual(yield* client.closed, { code: 1011, reason: `no${"!".repeat(121)}` })
    })
  )

  live("that goes closes what is open and interrupts its handlers", () =>
    Effect.gen(function* () {
      const gateway = yield* suite()
      yield* chat(gateway, false)
      let interrupted = false
      const client = yield* Effect.scoped(
        Effect.gen(function* () {
          yield* gateway.http.webSocket(Intercept.get("/chat"), (socket) =>
            Effect.zipRight(socket.send("mocked"), Effect.never).pipe(
              Effect.onInterrupt(() =>
                Effect.sync(() => {
                  interrupted = true
                })
              )
            )
          )
          // In the test's scope, not in the mock's.
          const webSocket = new WebSocket(`ws://127.0.0.1:${gateway.port}/chat`)
          const client = Bare.peer(webSocket)
          assert.strictEqual(yield* client.next, "mocked")
          return client
        })
      )
      assert.deepStrictEqual(yield* client.closed, { code: 1001, reason: "the interceptor was removed" })
      assert.isTrue(interrupted)
      const next = yield* Bare.connect(`ws://127.0.0.1:${gateway.port}/chat`)
      assert.strictEqual(yield* next.next, "welcome")
    })
  )
})

describe("an open WebSocket", () => {
  live("is dropped on both sides, proxied or mocked, and the next one is answered", () =>
    Effect.gen(function* () {
      const gateway = yield* suite()
      const served = yield* chat(gateway, false)
      const vanished = { code: 1006, reason: "" }
      const spy = yield* gateway.http.spyWebSocket(Intercept.get("/chat"))
      const client = yield* Bare.connect(`ws://127.0.0.1:${gateway.port}/chat`)
      assert.strictEqual(yield* client.next, "welcome")
      yield* spy.drop
      assert.deepStrictEqual(yield* client.closed, vanished)
      assert.strictEqual((yield* spy.awaitCall(1)).code, 1006)
      yield* served.noSockets
      const mock = yield* gateway.http.webSocket(Intercept.get("/chat"), (socket) =>
        Effect.zipRight(socket.send("mocked"), Effect.never)
      )
      const mocked = yield* Bare.connect(`ws://127.0.0.1:${gateway.port}/chat`)
      assert.strictEqual(yield* mocked.next, "mocked")
      yield* mock.drop
      assert.deepStrictEqual(yield* mocked.closed, vanished)
      assert.strictEqual((yield* mock.awaitCall(1)).code, 1006)
      const next = yield* Bare.connect(`ws://127.0.0.1:${gateway.port}/chat`)
      assert.strictEqual(yield* next.next, "mocked")
    })
  )
})

describe("the opening of a WebSocket", () => {
  live("is dropped, refused or delayed by a fault, and answered by a mock of plain requests", () =>
    Effect.gen(function* () {
      const gateway = yield* suite()
      yield* chat(gateway, false)
      const { http, port } = gateway
      const open = Bare.connect(`ws://127.0.0.1:${port}/chat`)
      yield* http.mock(Intercept.get("/chat"), Intercept.json({ no: 1 }, { status: 403 }), Intercept.once)
      yield* http.fault(Intercept.get("/chat"), Intercept.failWith(503), Intercept.once)
      yield* http.fault(Intercept.get("/chat"), Intercept.drop, Intercept.once)
      assert.strictEqual((yield* Effect.flip(open)).body, "socket hang up")
      assert.strictEqual((yield* Effect.flip(open)).status, 503)
      assert.deepStrictEqual(yield* Effect.flip(open), { status: 403, body: '{"no":1}' })
      const delayed = yield* http.fault(Intercept.get("/chat"), Intercept.delay("1 milli"), Intercept.once)
      const client = yield* open
      assert.strictEqual(yield* client.next, "welcome")
      assert.strictEqual((yield* delayed.awaitCall(1)).response?.status, 101)
    })
  )
})

/** Both ends' messages are recorded as they pass: how the two interleave is the network's. */
const byFirstSeen = (messages: Parameters<typeof brief>[0]) => {
  const seen = brief(messages)
  return (one: string, other: string) => seen.indexOf(one) - seen.indexOf(other)
}
