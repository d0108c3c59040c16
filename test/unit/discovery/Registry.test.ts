import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { Discovery } from "../../../src/Discovery.js"
import * as Protocol from "../../../src/discovery/DiscoveryProtocol.js"
import { IPCServer } from "../../../src/IPCServer.js"
import * as RoutingStrategy from "../../../src/RoutingStrategy.js"
import { told } from "../../support/live.js"
import * as MemoryPort from "../../support/MemoryPort.js"
import { settled, withLog } from "../../support/pair.js"

const users = { api: "users", baseUrl: "http://127.0.0.1:4001", pathPrefix: "/users" }
const orders = { api: "orders", baseUrl: "http://127.0.0.1:5001", pathPrefix: "/orders" }

const entries = (count: number, name = "api") =>
  Array.from({ length: count }, (_, i) => ({ ...users, api: `${name}-${i}`, pathPrefix: `/${name}/${i}` }))

const two = Effect.fnUntraced(function* (options: Omit<MemoryPort.ParticipantOptions, "runtimeId"> = {}) {
  const port = MemoryPort.make()
  const leader = yield* port.participant({ ...options, runtimeId: "leader" })
  const follower = yield* port.participant({ ...options, runtimeId: "follower" })
  return { port, leader, follower }
})

const listed = (discovery: Discovery.Service) =>
  Effect.map(discovery.routes, (routes) => routes.map((route) => `${route.owner} ${route.api} ${route.baseUrl}`).sort())

/** A request as an original sends it: no Schema, and so no typed failure. */
const register = IPCServer.defineRequest<ReadonlyArray<unknown>>(Protocol.Register.name)
const unregister = IPCServer.defineRequest<ReadonlyArray<unknown>>(Protocol.Unregister.name)

describe("The registry's limits", () => {
  for (const role of ["leader", "follower"] as const) {
    it.scoped(`refuse what a ${role} registers beyond them, typed, and register none of it`, () =>
      Effect.gen(function* () {
        const limits = { maxEntriesPerParticipant: 3, maxEntries: 5, maxEntryBytes: 60 }
        const both = yield* two({ limits })
        const { discovery } = both[role]
        const refused = (count: number, name: string) =>
          Effect.map(Effect.flip(discovery.register(entries(count, name))), (error) => ({
            ...error,
            text: error.message
          }))

        assert.deepInclude(yield* refused(4, "a"), {
          _tag: "RegistryLimitExceeded",
          bound: "maxEntriesPerParticipant",
          limit: 3
        })
        yield* discovery.register(entries(2, "a"))
        // Those that it holds already need no room.
        yield* discovery.register(entries(3, "a"))
        assert.deepInclude(yield* refused(1, "b"), {
          bound: "maxEntriesPerParticipant",
          text: "The registry takes at most 3 entries of one participant. Register less, or raise { limits: { maxEntriesPerParticipant } } of every participant."
        })
        const other = both[role === "leader" ? "follower" : "leader"].discovery
        yield* other.register(entries(2, "c"))
        assert.deepInclude(yield* Effect.flip(other.register(entries(1, "d"))), { bound: "maxEntries", limit: 5 })
        yield* discovery.unregister(entries(3, "a"))
        assert.deepInclude(yield* refused(1, "x".repeat(60)), { bound: "maxEntryBytes", limit: 60 })
        yield* TestClock.adjust("1 minute")
        assert.lengthOf(yield* other.routes, 2)
      })
    )
  }

  it.scoped(
    "are 1,000 entries of a participant and 10,000 in all, and every one of those is known to who follows",
    () =>
      Effect.gen(function* () {
        const { follower, leader, port } = yield* two()
        yield* leader.discovery.register(entries(1000, "of-leader"))
        yield* follower.discovery.register(entries(1000, "of-follower"))
        assert.strictEqual((yield* Effect.flip(follower.discovery.register(orders)))._tag, "RegistryLimitExceeded")
        const late = yield* port.participant({ runtimeId: "late" })
        assert.lengthOf(yield* late.discovery.routes, 2000)
        assert.lengthOf(yield* late.discovery.instances("of-leader-999"), 1)
        yield* leader.leave
        yield* TestClock.adjust("1 second")
        assert.lengthOf(yield* late.discovery.routes, 1000)
      })
  )

  it.scoped("keep no participant out for longer than there is no room", () =>
    Effect.gen(function* () {
      const port = MemoryPort.make()
      const first = yield* port.standalone({ runtimeId: "bin" })
      const { discovery } = yield* port.participant({ runtimeId: "late" })
      yield* discovery.register(users)
      yield* first.leave
      yield* TestClock.adjust("1 second")
      const bin = yield* port.standalone({ runtimeId: "bin", limits: { maxEntries: 1 } })
      const room = yield* Scope.make()
      yield* Scope.extend(bin.discovery.register(orders), room)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* listed(bin.discovery), ["bin orders http://127.0.0.1:5001"])
      yield* Scope.close(room, Exit.void)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* listed(bin.discovery), ["late users http://127.0.0.1:4001"])
    })
  )

  it.scoped("keep no participant from following a leader whose limits are lower", () =>
    withLog((lines) =>
      Effect.gen(function* () {
        const port = MemoryPort.make()
        const bin = yield* port.standalone({ runtimeId: "bin" })
        const { discovery, election } = yield* port.participant({ runtimeId: "many" })
        yield* discovery.register(entries(2))
        yield* bin.leave
        yield* TestClock.adjust("1 second")
        yield* port.standalone({ runtimeId: "bin", limits: { maxEntriesPerParticipant: 1 } })
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* election.role, "follower")
        assert.deepStrictEqual(yield* listed(discovery), [])
        const refusal =
          "WARN The leader refused what this participant has registered: The registry takes at most 1 entries of one participant."
        assert.lengthOf(
          lines.filter((line) => line.startsWith(refusal)),
          1
        )
      })
    )
  )

  it.scoped("bound the strategies that clients set for apis that aren't there", () =>
    Effect.gen(function* () {
      const { port } = yield* two({ limits: { maxEntries: 2 } })
      const client = yield* port.client("client")
      const set = (api: string) => client.request(Protocol.SetStrategy, { api, strategy: "last" })
      yield* set("a")
      yield* set("b")
      yield* set("a")
      const error = yield* Effect.flip(set("c"))
      assert.deepInclude(error, { _tag: "RequestFailed", tag: "RegistryLimitExceeded" })
    })
  )
})

describe("A list of entries over the wire", () => {
  it.scoped("is registered but for what can't be, which is refused in the words of this process", () =>
    Effect.gen(function* () {
      const { leader, port } = yield* two()
      const client = yield* port.client("original")
      const wrong = { ...orders, pathPrefix: "orders" }
      const refused = yield* Effect.flip(
        client.request(register, [users, wrong, null, { ...orders, baseUrl: "ws://127.0.0.1:5001/" }])
      )
      const here = yield* told(leader.discovery.register(wrong))
      assert.deepInclude(refused, { _tag: "RequestFailed", error: here.message, tag: "InvalidEntry" })
      assert.deepStrictEqual(yield* listed(leader.discovery), [
        "original orders http://127.0.0.1:5001",
        "original users http://127.0.0.1:4001"
      ])
      yield* client.request(unregister, [{ ...orders, baseUrl: "ws://127.0.0.1:5001" }, null])
      assert.deepStrictEqual(yield* listed(leader.discovery), ["original users http://127.0.0.1:4001"])
    })
  )

  it.scoped("that is none is refused in a few words", () =>
    Effect.gen(function* () {
      const { port } = yield* two()
      const client = yield* port.client()
      const asked = IPCServer.defineRequest<unknown>(Protocol.Register.name)
      const refused = yield* Effect.flip(client.request(asked, { entries: ["x".repeat(10_000)] }))
      assert.deepInclude(refused, { _tag: "InvalidPayload", issue: "it isn't a list of at most 1000 entries" })
      const numbers = yield* Effect.flip(client.request(asked, new Array(10_000).fill(1)))
      assert.deepInclude(numbers, { _tag: "InvalidPayload", issue: "it isn't a list of at most 1000 entries" })
      const discover = IPCServer.defineRequest<unknown>(Protocol.DiscoverApi.name)
      const unclear = yield* Effect.flip(client.request(discover, ["users"]))
      assert.deepInclude(unclear, { _tag: "InvalidPayload", issue: "an api's name is a string" })
    })
  )

  it.scoped("is refused before it is parsed where it is too large, or too deep", () =>
    Effect.gen(function* () {
      const { port } = yield* two()
      const client = yield* port.client()
      const asked = IPCServer.defineRequest<unknown>(Protocol.Register.name)
      const discover = IPCServer.defineRequest<unknown>(Protocol.DiscoverApi.name)
      const deep = JSON.parse(`${"[".repeat(1500)}${"]".repeat(1500)}`)
      const cases = [
        [asked, ["x".repeat(1024 * 1024)], "a frame of over 1048576 bytes; discovery/register takes no more"],
        [
          asked,
          Array.from({ length: 1001 }, () => ({})),
          "a payload of more than 1001 lists and objects; discovery/register takes no more"
        ],
        [asked, deep, "a payload of lists and objects nested more than 512 deep; discovery/register takes no more"],
        [
          asked,
          [Object.fromEntries(Array.from({ length: 17_000 }, (_, i) => [`key${i}`, i]))],
          "a payload of more than 16016 values; discovery/register takes no more"
        ],
        [discover, deep, "a payload of more than 1 lists and objects; discovery/discoverApi takes no more"],
        [discover, "x".repeat(5000), "a frame of over 4096 bytes; discovery/discoverApi takes no more"]
      ] as const
      for (const [request, payload, error] of cases) {
        assert.deepInclude(yield* Effect.flip(client.request(request, payload)), { error })
      }
      // Braces in texts are no objects.
      const braces = Array.from({ length: 900 }, () => ({ ...users, api: `{[{["\\"{[` }))
      yield* client.request(register, braces)
    })
  )
})

describe("A follower of version 0.1", () => {
  it.scoped("gets all routes in one answer, and then the changes, as long as they fit in one", () =>
    Effect.gen(function* () {
      const { leader, port } = yield* two({ limits: { maxEntriesPerParticipant: 2000 } })
      yield* leader.discovery.register(users)
      const client = yield* port.client("old")
      const changes = yield* Queue.unbounded<string>()
      yield* client.handle(Protocol.Changed, (message) =>
        Effect.forEach(message.changes, ({ _tag, route }) => changes.offer(`${_tag} ${route.api}`), { discard: true })
      )
      const { routes } = yield* client.request(Protocol.Watch)
      assert.deepStrictEqual(
        routes.map(({ api }) => api),
        ["users"]
      )
      yield* leader.discovery.register(orders)
      assert.strictEqual(yield* changes.take, "Registered orders")
      assert.lengthOf(yield* client.request(Protocol.GetRoutes), 2)

      const long = { ...users, baseUrl: `http://127.0.0.1/${"x".repeat(2000)}` }
      yield* leader.discovery.register(
        Array.from({ length: 1990 }, (_, i) => ({ ...long, api: "a".repeat(200), pathPrefix: `/${i}` }))
      )
      const refused = yield* Effect.flip(client.request(Protocol.Watch))
      assert.deepInclude(refused, { error: "there are too many routes for one answer; ask for them by pages" })
      assert.lengthOf(yield* (yield* port.participant({ runtimeId: "new" })).discovery.routes, 1992)
    })
  )
})

describe("The gateway's own URL", () => {
  it.scoped("isn't registered, by whomever", () =>
    Effect.gen(function* () {
      const isOwnUrl = (baseUrl: string) => baseUrl.startsWith("http://memory:1")
      const { follower, leader } = yield* two({ isOwnUrl })
      for (const { discovery } of [leader, follower]) {
        assert.deepStrictEqual(yield* told(discovery.register([users, { ...orders, baseUrl: "http://memory:1/" }])), {
          tag: "InvalidEntry",
          message:
            'The entry {"api":"orders","baseUrl":"http://memory:1","pathPrefix":"/orders"} can\'t be registered: baseUrl is the gateway\'s own, so that its requests would come back to it. An entry looks like {"api":"users","baseUrl":"http://host:4001","pathPrefix":"/users"}.'
        })
      }
      yield* settled
      assert.deepStrictEqual(yield* leader.discovery.routes, [])
    })
  )
})

describe("A path of the gateway's own", () => {
  it.scoped("isn't registered either: no request below it would come to a service", () =>
    Effect.gen(function* () {
      const { follower, leader } = yield* two()
      for (const { discovery } of [leader, follower]) {
        for (const pathPrefix of ["/__ipc", "/__ipc/", "/__ggFrameworkConnection", "/__ggFrameworkConnection/a"]) {
          const { message, tag } = yield* told(discovery.register({ ...orders, pathPrefix }))
          assert.strictEqual(tag, "InvalidEntry")
          assert.include(
            message,
            "can't be registered: pathPrefix is the gateway's own, whose requests it answers itself."
          )
        }
      }
      yield* leader.discovery.register({ ...orders, pathPrefix: "/__ipcs" })
      assert.lengthOf(yield* leader.discovery.routes, 1)
    })
  )
})

describe("An owner's name", () => {
  it.scoped("of a client without one can't be had by any runtimeId", () =>
    Effect.gen(function* () {
      const { leader, port } = yield* two()
      const anonymous = yield* port.client()
      yield* anonymous.request(register, [users])
      const [route] = yield* leader.discovery.routes
      const owner = route?.owner ?? ""
      assert.match(owner, /^client-\d+@/)
      for (const runtimeId of [owner, JSON.stringify(owner)]) {
        const thief = yield* port.client(runtimeId)
        yield* thief.request(unregister, [users])
        yield* thief.request(register, [orders])
      }
      assert.lengthOf(yield* leader.discovery.routes, 3)
      assert.lengthOf(new Set((yield* leader.discovery.routes).map((each) => each.owner)), 3)
    })
  )

  it.scoped("that looks like such a one is the participant's own still, also under the next leader", () =>
    Effect.gen(function* () {
      const port = MemoryPort.make()
      const leader = yield* port.participant({ runtimeId: "client-1@leader" })
      const { discovery } = yield* port.participant({ runtimeId: "client-2@follower" })
      yield* leader.discovery.register(users)
      yield* discovery.register(orders)
      const changes = yield* Queue.unbounded<string>()
      yield* Effect.forkScoped(
        Stream.runForEach(discovery.changes, ({ _tag, route }) => changes.offer(`${_tag} ${route.api}`))
      )
      yield* settled
      yield* leader.leave
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* listed(discovery), ['"client-2@follower" orders http://127.0.0.1:5001'])
      assert.deepStrictEqual(Array.from(yield* changes.takeAll), ["Unregistered users"])
      yield* discovery.unregister(orders)
      assert.deepStrictEqual(yield* listed(discovery), [])
    })
  )
})

describe("A strategy that chooses none", () => {
  it.scoped("leaves the request unrouted, and is logged once", () =>
    withLog((lines) =>
      Effect.gen(function* () {
        const { leader, port } = yield* two()
        yield* leader.discovery.register(users)
        yield* leader.discovery.setStrategy(
          "users",
          RoutingStrategy.custom(() => undefined, "picky")
        )
        assert.deepStrictEqual([port.route("/users"), port.route("/users/7")], [undefined, undefined])
        yield* settled
        assert.deepStrictEqual(lines, [
          "WARN The strategy picky of users chose no instance; the request is not routed."
        ])
      })
    )
  )
})
