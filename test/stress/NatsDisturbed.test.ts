/**
 * What services and entries on NATS do when their connections to the server are disturbed.
 */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import type { Discovery } from "../../src/Discovery.js"
import { live, told } from "../support/live.js"
import { join, knows } from "../support/NatsParticipants.js"
import * as NatsRelay from "../support/NatsRelay.js"
import * as NatsServer from "../support/NatsServer.js"
import { calling, Echo, Never, Note, Shout, serving, Told } from "../support/NatsUsers.js"

const routesOf = (discovery: Discovery.Service) =>
  Effect.map(discovery.routes, (routes) => routes.map(({ registeredAt: _, ...route }) => JSON.stringify(route)).sort())

describe("On NATS", () => {
  live("messages reach a service, and it asks and tells a client by its runtimeId", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.start()
      const [notes, heard] = [yield* Queue.unbounded<string>(), yield* Queue.unbounded<string>()]
      const server = yield* serving(url, { notes })
      const users = yield* calling(url)
      yield* users.handle(Shout, (word) => Effect.succeed(word.toUpperCase()))
      yield* users.handle(Told, (word) => heard.offer(word))
      yield* users.notify(Note, "hello")
      assert.strictEqual(yield* notes.take, "hello")
      assert.strictEqual(yield* server.request("caller", Shout, "tea"), "TEA")
      yield* server.notify("caller", Told, "news")
      assert.strictEqual(yield* heard.take, "news")
      assert.deepStrictEqual(yield* told(server.request("nobody", Shout, "tea")), {
        tag: "ClientNotConnected",
        message:
          'No client with runtimeId "nobody" is connected (connected: caller). Wait until it connects, or check the name.'
      })
    })
  )

  live("a request goes in parts as small as the server takes, and an entry that fits in none is refused", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.start({ config: "max_payload: 1024" })
      yield* serving(url, {})
      const users = yield* calling(url)
      const large = "x".repeat(3000)
      assert.strictEqual(yield* users.request(Echo, large), large)
      const { discovery } = yield* join({ servers: url })
      const entry = { api: "files", baseUrl: "http://10.0.0.1:4001", pathPrefix: `/${"f".repeat(400)}` }
      assert.strictEqual((yield* told(discovery.register(entry))).tag, "RegistryLimitExceeded")
      yield* discovery.register({ ...entry, pathPrefix: "/files" })
    })
  )

  live("what is missing is said in words of NATS", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.start()
      const users = yield* calling(url)
      assert.deepStrictEqual(yield* told(users.request(Echo, "", { timeout: "50 millis" })), {
        tag: "ServiceNotRegistered",
        message:
          'No service is registered as "users". None is registered for requests by name: are they running, and do they take part in this namespace?'
      })
    })
  )

  live("a last message that is lost ends its request by its deadline, and the connection with the next message", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.start()
      const relay = yield* NatsRelay.start(url)
      yield* serving(url, {})
      const users = yield* calling(relay.url)
      yield* users.request(Echo, "1")
      const lost = yield* Effect.fork(relay.lose("effect-ipc.default.to."))
      yield* Effect.yieldNow()
      assert.strictEqual((yield* told(users.request(Echo, "2", { timeout: "100 millis" }))).tag, "RequestTimeout")
      yield* Fiber.join(lost)
      assert.strictEqual((yield* told(users.request(Echo, "3"))).tag, "ConnectionClosed")
      assert.strictEqual(yield* users.request(Echo, "4"), "4")
    })
  )

  live("a last message that is lost ends the connection with the next heartbeat", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.start()
      const relay = yield* NatsRelay.start(url)
      yield* serving(url, {})
      const users = yield* calling(relay.url, "200 millis")
      yield* users.request(Echo, "1")
      const lost = yield* Effect.fork(relay.lose("effect-ipc.default.to."))
      yield* Effect.yieldNow()
      assert.strictEqual((yield* told(users.request(Never))).tag, "ConnectionClosed")
      yield* Fiber.join(lost)
      assert.strictEqual(yield* users.request(Echo, "2", { idempotent: true }), "2")
    })
  )

  live(
    "a participant whose connection was cut knows afterwards what it has missed, and the others know it still",
    () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.start()
        const relay = yield* NatsRelay.start(url)
        const entry = (api: string) => ({ api, baseUrl: "http://10.0.0.1:4001", pathPrefix: `/${api}` })
        const a = yield* join({ servers: url, runtimeId: "a" })
        const b = yield* join({ servers: relay.url, runtimeId: "b" })
        yield* a.discovery.register([entry("users"), entry("files")])
        yield* b.discovery.register(entry("orders"))
        yield* knows(b.discovery, ["a files", "a users", "b orders"])
        yield* relay.cut
        yield* a.discovery.unregister(entry("users"))
        yield* a.discovery.register({ ...entry("files"), pathPrefix: "/other" })
        const c = yield* join({ servers: url, runtimeId: "c" })
        yield* c.discovery.register(entry("mail"))
        yield* relay.restore
        const all = ["a files", "a files", "b orders", "c mail"]
        yield* knows(b.discovery, all)
        yield* knows(a.discovery, all)
        assert.deepStrictEqual(yield* routesOf(b.discovery), yield* routesOf(a.discovery))
      }),
    20_000
  )
})
