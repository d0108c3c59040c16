import * as http from "node:http"
import { type AddressInfo, createServer, type Server, type Socket } from "node:net"
import { assert, describe } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as LocalDiscovery from "../../layers/LocalDiscovery.js"
import { Discovery } from "../../src/Discovery.js"
import * as RoutingStrategy from "../../src/RoutingStrategy.js"
import * as Bare from "../support/Bare.js"
import * as Live from "../support/discovery.js"
import * as HeldClock from "../support/heldClock.js"
import { live, told } from "../support/live.js"
import { clockWithoutWaiting } from "../support/processor.js"
import { untilSo } from "../support/turns.js"

const entryOf = (api: string, baseUrl: string) => ({ api, baseUrl, pathPrefix: `/${api}` })

describe("A client that speaks only the wire", () => {
  live("registers, discovers and unregisters with our leader", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      const { discovery, leave } = yield* Live.participant({ port, runtimeId: "leader" })
      const url = `http://127.0.0.1:${port}`
      const bare = yield* Bare.connect(`ws://127.0.0.1:${port}/__ipc?runtimeId=bare`)
      const ask = (frame: string) => Effect.zipRight(bare.send(frame), bare.next)

      assert.strictEqual(
        yield* ask("r:1:discovery/getServerInfo:"),
        's:1:discovery/getServerInfo:{"success":true,"data":{"kind":"embedded","runtimeId":"leader","others":0}}'
      )
      const entry = { api: "users", baseUrl: "http://127.0.0.1:4001", pathPrefix: "/users" }
      assert.strictEqual(
        yield* ask(`r:2:discovery/register:${JSON.stringify([entry])}`),
        's:2:discovery/register:{"success":true}'
      )
      assert.deepStrictEqual(
        (yield* discovery.routes).map(({ api, owner }) => [owner, api]),
        [["bare", "users"]]
      )
      assert.strictEqual(
        yield* ask('r:3:discovery/discoverApi:"users"'),
        `s:3:discovery/discoverApi:{"success":true,"data":{"success":true,"url":"${url}"}}`
      )
      assert.strictEqual(
        yield* ask(`r:4:discovery/unregister:${JSON.stringify([entry])}`),
        's:4:discovery/unregister:{"success":true}'
      )
      const unknown = JSON.parse(
        (yield* ask('r:5:discovery/discoverApi:"users"')).slice("s:5:discovery/discoverApi:".length)
      )
      assert.deepInclude(unknown, { success: true })
      assert.deepInclude(unknown.data, { success: false })
      assert.match(unknown.data.error, /^No service is registered as "users"/)
      assert.include(yield* ask("r:6:discovery/register:[{}]"), '"success":false')
      assert.strictEqual(yield* ask("r:7:discovery/requestYield:"), 's:7:discovery/requestYield:{"success":true}')
      yield* bare.closed
      yield* leave
    })
  )

  live("and without a name owns what it registers for as long as it is connected", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      const { discovery } = yield* Live.participant({ port, runtimeId: "leader" })
      const gone = yield* Effect.fork(
        Stream.runHead(Stream.filter(discovery.changes, ({ _tag }) => _tag === "Unregistered"))
      )
      const [one, other] = [
        yield* Bare.connect(`ws://127.0.0.1:${port}/__ggFrameworkConnection`),
        yield* Bare.connect(`ws://127.0.0.1:${port}/__ggFrameworkConnection`)
      ]
      const register = `r:1:discovery/register:${JSON.stringify([entryOf("users", "http://127.0.0.1:4001")])}`
      for (const bare of [one, other]) {
        yield* bare.send(register)
        yield* bare.next
      }
      const before = yield* discovery.routes
      assert.lengthOf(before, 2)
      one.webSocket.terminate()
      yield* Fiber.join(gone)
      assert.deepStrictEqual(yield* discovery.routes, before.slice(1))
    })
  )
})

describe("A port held by something else", () => {
  const holding = <S extends Server | http.Server>(server: S) =>
    Effect.acquireRelease(
      Effect.async<number>((resume) => {
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as AddressInfo).port)))
      }),
      () => Effect.sync(() => server.close())
    )

  live("is told to who wants to take part: a web server", () =>
    Effect.gen(function* () {
      const port = yield* holding(http.createServer((_, response) => response.writeHead(404).end("not here")))
      assert.deepStrictEqual(yield* told(Live.participant({ port })), {
        tag: "ConnectFailed",
        message: `Could not connect to http://127.0.0.1:${port}: the server answered 404 Not Found: not here. What holds the port isn't effect-ipc, or serves another { path }. Stop it, or choose another port.`
      })
      assert.strictEqual((yield* told(Live.standalone({ port }))).tag, "PortInUse")
    })
  )

  live("is told to who wants to take part: one that says nothing", () =>
    Effect.gen(function* () {
      const sockets: Array<Socket> = []
      const port = yield* holding(createServer((socket) => sockets.push(socket)))
      assert.deepStrictEqual(yield* told(Live.participant({ port, connectTimeout: "200 millis" })), {
        tag: "ConnectFailed",
        message: `Could not connect to http://127.0.0.1:${port}: no answer within 200ms. What holds the port doesn't answer: is it effect-ipc? Stop it, or choose another port.`
      })
      for (const socket of sockets) socket.destroy()
    })
  )

  live("is told to who wants to take part: a leader with another token", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      yield* Live.participant({ port, token: "the leader's own token" })
      const { message, tag } = yield* told(Live.participant({ port, token: "another one's token" }))
      assert.deepStrictEqual([tag, message.includes("401")], ["ConnectFailed", true])
    })
  )
})

describe("The gateway", () => {
  live("isn't registered as a service of its own, by whichever name", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      yield* Live.participant({ port, warmUp: false })
      const { discovery } = yield* Live.participant({ port, warmUp: false })
      for (const host of ["127.0.0.1", "localhost", "[::1]", "0.0.0.0"]) {
        const refused = yield* told(
          discovery.register({ api: "loop", baseUrl: `ws://${host}:${port}`, pathPrefix: "/loop" })
        )
        assert.strictEqual(refused.tag, "InvalidEntry")
        assert.include(refused.message, "baseUrl is the gateway's own")
      }
      assert.deepStrictEqual(yield* discovery.routes, [])
    })
  )

  live("routes HTTP and WebSocket by the longest prefix, on whole segments", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      yield* Live.participant({ port })
      const { discovery } = yield* Live.participant({ port })
      yield* discovery.register([
        entryOf("users", yield* Live.service("users")),
        { api: "admins", baseUrl: yield* Live.service("admins"), pathPrefix: "/users/admins" }
      ])
      const paths = ["/users", "/users?x=1", "/users/7", "/users/admins/7", "/users/adminsx"]
      const expected = ["users", "users", "users", "admins", "users"].map((name, i) => `${name} ${paths[i]}`)
      assert.deepStrictEqual(
        yield* Effect.forEach(paths, (path) => Live.get(port, path)),
        expected.map((body) => `200 ${body}`)
      )
      assert.deepStrictEqual(
        yield* Effect.forEach(paths, (path) =>
          Effect.flatMap(Bare.connect(`ws://127.0.0.1:${port}${path}`), ({ next }) => next)
        ),
        expected
      )
      assert.match(yield* Live.get(port, "/users2"), /^404 .*No route for GET \/users2/)
    })
  )

  live("passes over an instance that refuses, by HTTP and WebSocket", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      const { discovery } = yield* Live.participant({ port, strategy: RoutingStrategy.first })
      yield* discovery.register([
        entryOf("users", "http://127.0.0.1:1"),
        entryOf("users", yield* Live.service("alive"))
      ])
      assert.strictEqual(yield* Live.get(port, "/users"), "200 alive /users")
      const webSocket = yield* Bare.connect(`ws://127.0.0.1:${port}/users`)
      assert.strictEqual(yield* webSocket.next, "alive /users")
    })
  )

  live("chooses by the api's strategy, which a follower may set", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      yield* Live.participant({ port, strategies: { orders: RoutingStrategy.last } })
      const { discovery } = yield* Live.participant({ port })
      const [one, two] = [yield* Live.service("one"), yield* Live.service("two")]
      yield* discovery.register(["users", "orders"].flatMap((api) => [entryOf(api, one), entryOf(api, two)]))
      const four = (path: string) => Effect.forEach([1, 2, 3, 4], () => Live.get(port, path))
      assert.deepStrictEqual(
        yield* four("/users"),
        ["one", "two", "one", "two"].map((name) => `200 ${name} /users`)
      )
      assert.deepStrictEqual(yield* four("/orders"), Array(4).fill("200 two /orders"))
      yield* discovery.setStrategy("users", RoutingStrategy.first)
      assert.deepStrictEqual(yield* four("/users"), Array(4).fill("200 one /users"))
    })
  )
})

describe("Participants", () => {
  live("with one name chase each other out no more than once a second", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      yield* Live.participant({ port, runtimeId: "leader" })
      const { clock, elapse, waiting } = yield* HeldClock.make("1 second")
      const first = yield* Effect.withClock(Live.participant({ port, runtimeId: "same" }), clock)
      const second = yield* Live.participant({ port, runtimeId: "same" })
      yield* Live.becomes(first.election, "electing")
      yield* untilSo(() => waiting() === 1)
      assert.strictEqual(yield* first.election.role, "electing")
      yield* second.leave
      yield* elapse
      yield* Live.becomes(first.election, "follower")
    })
  )

  live("hand over at once when the leader leaves, and a call made meanwhile doesn't notice", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      const leader = yield* Live.participant({ port })
      const followers = [yield* Live.participant({ port }), yield* Live.participant({ port })]
      for (const { discovery } of followers) yield* discovery.register([entryOf("users", "http://127.0.0.1:4001")])
      const now = clockWithoutWaiting()
      const since = now()
      const leaving = yield* Effect.fork(leader.leave)
      yield* Effect.forEach(followers, ({ discovery }) => discovery.discover("users"), { concurrency: "unbounded" })
      yield* Fiber.join(leaving)
      const roles = Effect.forEach(followers, ({ election }) => election.role)
      yield* Live.until(roles, (now) => now.includes("leader") && !now.includes("electing"))
      assert.sameMembers(yield* roles, ["leader", "follower"])
      // A participant that took it for one that steps down would wait for three seconds.
      assert.isBelow(now() - since, 2900)
    })
  )
})

describe("A standalone gateway", () => {
  live("takes over from an embedded leader, and no route is lost; when it closes, none takes its place", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      const embedded = yield* Live.participant({ port, runtimeId: "embedded" })
      const follower = yield* Live.participant({ port, runtimeId: "follower" })
      yield* embedded.discovery.register([entryOf("users", yield* Live.service("users"))])
      yield* follower.discovery.register([entryOf("orders", yield* Live.service("orders"))])

      const bin = yield* Live.standalone({ port, runtimeId: "bin" })
      const answered = Effect.all([Live.get(port, "/users"), Live.get(port, "/orders")])
      assert.deepStrictEqual(yield* answered, ["200 users /users", "200 orders /orders"])
      for (const { election } of [embedded, follower]) yield* Live.becomes(election, "follower")
      assert.strictEqual((yield* told(Live.standalone({ port }))).tag, "PortInUse")

      yield* bin.leave
      for (const { election } of [embedded, follower]) yield* Live.becomes(election, "electing")
      assert.strictEqual(
        (yield* told(embedded.discovery.discover("users", { timeout: "300 millis" }))).tag,
        "RequestTimeout"
      )

      // Who hasn't seen a standalone gateway may lead; the others follow it, and go with it to the next.
      const newcomer = yield* Live.participant({ port, runtimeId: "newcomer" })
      assert.strictEqual(yield* newcomer.election.role, "leader")
      for (const { election } of [embedded, follower]) yield* Live.becomes(election, "follower")
      assert.deepStrictEqual(yield* answered, ["200 users /users", "200 orders /orders"])
      yield* Live.standalone({ port, runtimeId: "bin" })
      assert.deepStrictEqual(yield* answered, ["200 users /users", "200 orders /orders"])
    })
  )

  live(
    "that was killed is followed again when it is back",
    () =>
      Effect.gen(function* () {
        const port = yield* Live.freePort
        const bin = yield* Live.participantProcess(port, { runtimeId: "bin", standalone: true })
        const { discovery, election } = yield* Live.participant({ port, runtimeId: "follower" })
        yield* discovery.register([entryOf("users", yield* Live.service("users"))])
        assert.strictEqual(yield* Live.get(port, "/users"), "200 users /users")
        yield* Live.signal(bin, "SIGKILL")
        yield* Live.becomes(election, "electing")
        // The system closes one socket after the other: the port may still be taken when the connection is gone.
        yield* bin.exit
        assert.strictEqual(yield* Live.get(port, "/users"), "ECONNREFUSED")
        const discovering = yield* Effect.fork(discovery.discover("users", { timeout: "1 minute" }))
        yield* Live.participantProcess(port, { runtimeId: "bin", standalone: true })
        assert.strictEqual(yield* Fiber.join(discovering), `http://127.0.0.1:${port}`)
        assert.strictEqual(yield* Live.get(port, "/users"), "200 users /users")
      }),
    40_000
  )
})

describe("From the environment", () => {
  const withEnv = (env: Record<string, string>) =>
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(env))))

  live("a participant takes its port, its name and its token", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      const env = { IPC_PORT: String(port), IPC_RUNTIME_ID: "from-env", IPC_TOKEN: "a secret of the tests" }
      const owners = Effect.gen(function* () {
        const discovery = yield* Discovery
        yield* discovery.register([entryOf("users", "http://127.0.0.1:4001")])
        const stranger = yield* Effect.flip(Bare.connect(`ws://127.0.0.1:${port}/__ipc`))
        const routes = yield* discovery.routes
        return [routes.map(({ owner }) => owner), stranger.status]
      })
      const seen = yield* Effect.scoped(owners).pipe(Effect.provide(LocalDiscovery.layerConfig()), withEnv(env))
      assert.deepStrictEqual(seen, [["from-env"], 401])
    })
  )

  live("a port that is none is told before anything starts", () =>
    Effect.gen(function* () {
      const error = yield* Effect.provide(Discovery, LocalDiscovery.layerConfig()).pipe(
        withEnv({ IPC_PORT: "ninety" }),
        Effect.flip
      )
      assert.include(String(error), "IPC_PORT")
    })
  )
})
