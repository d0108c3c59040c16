import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { Discovery } from "../../../src/Discovery.js"
import type { RouteChange } from "../../../src/DiscoveryEntry.js"
import { validateEntry } from "../../../src/DiscoveryEntry.js"
import * as Protocol from "../../../src/discovery/DiscoveryProtocol.js"
import * as InnerScope from "../../../src/internal/InnerScope.js"
import * as RoutingStrategy from "../../../src/RoutingStrategy.js"
import { told } from "../../support/live.js"
import * as MemoryPort from "../../support/MemoryPort.js"
import { settled } from "../../support/pair.js"

const users = { api: "users", baseUrl: "http://127.0.0.1:4001", pathPrefix: "/users" }
const users2 = { ...users, baseUrl: "http://127.0.0.1:4002" }
const orders = { api: "orders", baseUrl: "http://127.0.0.1:5001", pathPrefix: "/orders" }

/** A leader and a follower. */
const two = Effect.gen(function* () {
  const port = MemoryPort.make()
  const leader = yield* port.participant({ runtimeId: "leader" })
  const follower = yield* port.participant({ runtimeId: "follower" })
  return { port, leader, follower }
})

const inScope = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) =>
  Effect.gen(function* () {
    const scope = yield* InnerScope.make
    yield* Scope.extend(effect, scope)
    return Scope.close(scope, Exit.void)
  })

/** Every route, as `owner api baseUrl`. */
const listed = (discovery: Discovery.Service) =>
  Effect.map(discovery.routes, (routes) => routes.map((route) => `${route.owner} ${route.api} ${route.baseUrl}`).sort())

/** The changes from now on, as `+owner api baseUrl`. */
const watch = Effect.fnUntraced(function* (discovery: Discovery.Service) {
  const changes = yield* Queue.unbounded<string>()
  const word = ({ _tag, route }: RouteChange) =>
    `${_tag === "Registered" ? "+" : "-"}${route.owner} ${route.api} ${route.baseUrl}`
  yield* Effect.forkScoped(Stream.runForEach(discovery.changes, (change) => changes.offer(word(change))))
  yield* settled
  return changes
})

for (const role of ["leader", "follower"] as const) {
  const other = role === "leader" ? "follower" : "leader"

  describe(`Discovery on a ${role}`, () => {
    it.scoped("registers, discovers, lists and unregisters; others see it", () =>
      Effect.gen(function* () {
        const both = yield* two
        const mine = both[role].discovery
        const theirs = both[other].discovery
        yield* mine.register([users, orders])
        yield* theirs.register([users2])
        for (const discovery of [mine, theirs]) {
          assert.strictEqual(yield* discovery.discover("users"), "http://memory:1")
          assert.deepStrictEqual(
            yield* listed(discovery),
            [
              `${role} orders ${orders.baseUrl}`,
              `${role} users ${users.baseUrl}`,
              `${other} users ${users2.baseUrl}`
            ].sort()
          )
          const instances = yield* discovery.instances("users")
          assert.sameMembers(
            instances.map(({ baseUrl }) => baseUrl),
            [users.baseUrl, users2.baseUrl]
          )
        }
        yield* mine.unregister([users])
        assert.deepStrictEqual(
          yield* listed(theirs),
          [`${role} orders ${orders.baseUrl}`, `${other} users ${users2.baseUrl}`].sort()
        )
      })
    )

    it.scoped("knows no api that isn't registered, and says which are", () =>
      Effect.gen(function* () {
        const both = yield* two
        yield* both[other].discovery.register([users])
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* told(both[role].discovery.discover("user")), {
          tag: "ServiceNotRegistered",
          message:
            'No service is registered as "user". Registered: users. Is the service running, and is its name spelled so?'
        })
      })
    )

    it.scoped("refuses what can't be routed, and registers nothing of it", () =>
      Effect.gen(function* () {
        const both = yield* two
        const error = yield* Effect.flip(both[role].discovery.register([users, { ...users, pathPrefix: "users" }]))
        assert.strictEqual(error._tag, "InvalidEntry")
        const secret = { ...users, baseUrl: "http://user:secret@127.0.0.1:4001" }
        const { message } = yield* Effect.flip(both[role].discovery.register([users, secret]))
        assert.include(message, '"baseUrl":"http://127.0.0.1:4001"')
        assert.include(message, "baseUrl must not contain a user or a password")
        assert.notInclude(message, "secret")
        assert.deepStrictEqual(yield* both[other].discovery.routes, [])
      })
    )

    it.scoped("unregisters with the scope, once the last registration of the same entry is released", () =>
      Effect.gen(function* () {
        const { [role]: mine, [other]: theirs } = yield* two
        const closeFirst = yield* inScope(mine.discovery.register([users, orders]))
        const closeSecond = yield* inScope(mine.discovery.register([users]))
        yield* closeFirst
        assert.deepStrictEqual(yield* listed(theirs.discovery), [`${role} users ${users.baseUrl}`])
        yield* closeSecond
        assert.deepStrictEqual(yield* listed(theirs.discovery), [])
      })
    )

    it.scoped("keeps what was unregistered and registered anew when the first scope closes", () =>
      Effect.gen(function* () {
        const { [role]: mine, [other]: theirs } = yield* two
        const closeFirst = yield* inScope(mine.discovery.register([users]))
        yield* mine.discovery.unregister([users])
        yield* mine.discovery.register([users])
        yield* closeFirst
        assert.deepStrictEqual(yield* listed(theirs.discovery), [`${role} users ${users.baseUrl}`])
      })
    )

    it.scoped("unregisters only its own", () =>
      Effect.gen(function* () {
        const { [role]: mine, [other]: theirs } = yield* two
        yield* theirs.discovery.register([users])
        yield* mine.discovery.unregister([users])
        assert.deepStrictEqual(yield* listed(mine.discovery), [`${other} users ${users.baseUrl}`])
      })
    )

    it.scoped("tells every change, by whichever participant", () =>
      Effect.gen(function* () {
        const { [role]: mine, [other]: theirs } = yield* two
        const changes = yield* watch(mine.discovery)
        yield* mine.discovery.register([users])
        assert.strictEqual(yield* changes.take, `+${role} users ${users.baseUrl}`)
        const close = yield* inScope(theirs.discovery.register([users]))
        assert.strictEqual(yield* changes.take, `+${other} users ${users.baseUrl}`)
        yield* close
        assert.strictEqual(yield* changes.take, `-${other} users ${users.baseUrl}`)
        assert.deepStrictEqual(Array.from(yield* changes.takeAll), [])
      })
    )

    it.scoped("tells a consumer that is stuck no more than the latest 4,096 changes", () =>
      Effect.gen(function* () {
        const { [role]: mine } = yield* two
        const goOn = yield* Deferred.make<void>()
        const seen = yield* mine.discovery.changes.pipe(
          Stream.tap(() => Deferred.await(goOn)),
          Stream.map(({ _tag, route }) => `${_tag} ${route.api}`),
          Stream.takeUntil((change) => change === "Unregistered orders"),
          Stream.runCollect,
          Effect.fork
        )
        yield* settled
        yield* mine.discovery.register([orders])
        yield* settled
        const entries = Array.from({ length: 999 }, (_, i) => ({ ...users, api: `users-${i}` }))
        for (let i = 0; i < 3; i++) {
          yield* mine.discovery.register(entries)
          yield* mine.discovery.unregister(entries)
        }
        yield* mine.discovery.unregister([orders])
        yield* Deferred.succeed(goOn, undefined)
        const changes = Array.from(yield* Fiber.join(seen))
        assert.strictEqual(changes[0], "Registered orders")
        // Its stream holds one beside those in the queue.
        assert.isAtMost(changes.length, 4096 + 2)
        assert.deepStrictEqual(changes.slice(-2), ["Unregistered users-998", "Unregistered orders"])
      })
    )

    it.scoped("sets how the gateway chooses, also at the next leader", () =>
      Effect.gen(function* () {
        const { [role]: mine, [other]: theirs, port } = yield* two
        yield* mine.discovery.register([users, users2])
        const routed = () => [1, 2, 3].map(() => port.route("/users/7"))
        assert.deepStrictEqual(routed(), [users.baseUrl, users2.baseUrl, users.baseUrl])
        yield* mine.discovery.setStrategy("users", RoutingStrategy.last)
        assert.deepStrictEqual(routed(), [users2.baseUrl, users2.baseUrl, users2.baseUrl])
        assert.deepStrictEqual(
          (yield* theirs.discovery.instances("users")).map(({ strategy }) => strategy),
          ["last", "last"]
        )
        if (role === "leader") return
        yield* theirs.leave
        yield* mine.discovery.routes
        assert.deepStrictEqual(routed(), [users2.baseUrl, users2.baseUrl, users2.baseUrl])
      })
    )

    it.scoped("fails at once, once it has left", () =>
      Effect.gen(function* () {
        const { [role]: mine } = yield* two
        yield* mine.leave
        const error = yield* Effect.flip(mine.discovery.discover("users"))
        assert.deepInclude(error, { _tag: "ConnectionClosed", code: 1000, reason: "this participant has left" })
        yield* Stream.runDrain(mine.discovery.changes)
        assert.deepInclude(yield* Effect.flip(mine.discovery.awaitApi("users")), {
          _tag: "ServiceNotRegistered",
          hint: "This participant has left."
        })
      })
    )
  })
}

describe("When the leader goes", () => {
  it.scoped("every route of the survivors is there at once, and only the leader's own are gone", () =>
    Effect.gen(function* () {
      const port = MemoryPort.make()
      const leader = yield* port.participant({ runtimeId: "leader" })
      const survivors = yield* Effect.forEach(["a", "b", "c"], (runtimeId) => port.participant({ runtimeId }))
      yield* leader.discovery.register([users])
      yield* Effect.forEach(survivors, ({ discovery }, i) =>
        discovery.register([{ ...orders, baseUrl: `http://127.0.0.1:600${i}` }])
      )
      const changes = yield* Effect.forEach(survivors, ({ discovery }) => watch(discovery))
      yield* port.crash
      assert.strictEqual(port.route("/orders"), undefined)
      yield* settled
      assert.sameMembers(
        [1, 2, 3].map(() => port.route("/orders")),
        ["http://127.0.0.1:6000", "http://127.0.0.1:6001", "http://127.0.0.1:6002"]
      )
      yield* TestClock.adjust("50 millis")
      const expected = [
        "a orders http://127.0.0.1:6000",
        "b orders http://127.0.0.1:6001",
        "c orders http://127.0.0.1:6002"
      ]
      for (const { discovery } of survivors) assert.deepStrictEqual(yield* listed(discovery), expected)
      yield* TestClock.adjust("10 seconds")
      for (const { discovery } of survivors) assert.deepStrictEqual(yield* listed(discovery), expected)
      for (const each of changes) {
        assert.deepStrictEqual(Array.from(yield* each.takeAll), [`-leader users ${users.baseUrl}`])
      }
    })
  )

  it.scoped("what its successor inherits is dropped after five seconds where the owner doesn't come", () =>
    Effect.gen(function* () {
      const { follower, port } = yield* two
      const silent = yield* port.client("silent")
      yield* silent.request(Protocol.Register, [entry(users)])
      const anonymous = yield* port.client()
      yield* anonymous.request(Protocol.Register, [entry(orders)])
      yield* settled
      const changes = yield* watch(follower.discovery)
      yield* port.crash
      const before = yield* listed(follower.discovery)
      assert.lengthOf(before, 2)
      // A client of the new leader without a name inherits nothing.
      const newcomer = yield* port.client()
      yield* newcomer.request(Protocol.Unregister, [entry(users), entry(orders)])
      assert.deepStrictEqual(yield* listed(follower.discovery), before)
      yield* TestClock.adjust("4999 millis")
      assert.deepStrictEqual(yield* listed(follower.discovery), before)
      assert.deepStrictEqual(Array.from(yield* changes.takeAll), [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* listed(follower.discovery), [])
      assert.lengthOf(Array.from(yield* changes.takeAll), 2)
    })
  )

  it.scoped("what its successor inherits stays with an owner that comes, beside what it had of the same", () =>
    Effect.gen(function* () {
      const { follower, port } = yield* two
      const owner = yield* port.client("owner")
      yield* owner.request(Protocol.Register, [entry(users), entry(orders)])
      yield* settled
      yield* port.crash
      yield* follower.discovery.routes
      const back = yield* port.client("owner")
      yield* back.request(Protocol.Register, [entry(users)])
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* listed(follower.discovery), [`owner users ${users.baseUrl}`])
    })
  )

  it.scoped("who discovers meanwhile is answered by the next one, though the service comes only then", () =>
    Effect.gen(function* () {
      const { leader, port } = yield* two
      yield* port.crash
      yield* leader.leave
      // It wins the port, and knows nothing yet.
      const newcomer = yield* port.participant({ runtimeId: "newcomer" })
      const discovering = yield* Effect.fork(newcomer.discovery.discover("users"))
      yield* TestClock.adjust("400 millis")
      assert.deepStrictEqual(yield* Fiber.poll(discovering), Option.none())
      const service = yield* port.client("service")
      yield* service.request(Protocol.Register, [entry(users)])
      assert.strictEqual(yield* Fiber.join(discovering), "http://memory:1")
    })
  )

  it.scoped("a call waits for the next one within its own timeout", () =>
    Effect.gen(function* () {
      const port = MemoryPort.make()
      const bin = yield* port.standalone({ runtimeId: "bin" })
      const { discovery, election } = yield* port.participant({ runtimeId: "a" })
      yield* bin.leave
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* election.role, "electing")
      const inTime = yield* Effect.fork(discovery.register([users], { timeout: "1 minute" }))
      const late = yield* Effect.fork(told(discovery.discover("users", { timeout: "2 seconds" })))
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* Fiber.join(late), {
        tag: "RequestTimeout",
        message:
          'Request "discovery/discoverApi" to the leader was not sent within 2000 ms: the standalone gateway is gone, and no participant takes its place. Start it again.'
      })
      yield* port.standalone({ runtimeId: "bin" })
      yield* TestClock.adjust("500 millis")
      yield* Fiber.join(inTime)
      assert.strictEqual(yield* discovery.discover("users"), "http://memory:1")
    })
  )

  it.scoped("closing a registration doesn't wait, and the next leader never hears of it", () =>
    Effect.gen(function* () {
      const port = MemoryPort.make()
      const bin = yield* port.standalone({ runtimeId: "bin" })
      const { discovery } = yield* port.participant({ runtimeId: "a" })
      const close = yield* inScope(discovery.register([users]))
      yield* discovery.register([orders])
      yield* bin.leave
      yield* TestClock.adjust("1 second")
      yield* close
      const next = yield* port.standalone({ runtimeId: "bin" })
      const changes = yield* watch(next.discovery)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(Array.from(yield* changes.takeAll), [`+a orders ${orders.baseUrl}`])
    })
  )

  it.scoped("a register that fails or is interrupted meanwhile isn't done later", () =>
    Effect.gen(function* () {
      const port = MemoryPort.make()
      const bin = yield* port.standalone({ runtimeId: "bin" })
      const { discovery } = yield* port.participant({ runtimeId: "a" })
      yield* bin.leave
      yield* TestClock.adjust("1 second")
      const failing = yield* Effect.fork(Effect.flip(discovery.register([users], { timeout: "1 second" })))
      const interrupted = yield* Effect.fork(discovery.register([orders]))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(failing))._tag, "RequestTimeout")
      yield* Fiber.interrupt(interrupted)
      const next = yield* port.standalone({ runtimeId: "bin" })
      yield* TestClock.adjust("1 second")
      yield* discovery.setStrategy("users", RoutingStrategy.first)
      assert.deepStrictEqual(yield* next.discovery.routes, [])
    })
  )
})

describe("A leader that is stopped, but holds the port", () => {
  it.scoped("is noticed by the heartbeat; calls end with RequestTimeout, and all is well once it goes on", () =>
    Effect.gen(function* () {
      const { follower, leader, port } = yield* two
      yield* follower.discovery.register([users])
      yield* port.freeze
      const asked = yield* Effect.fork(told(follower.discovery.discover("users", { timeout: "1 second" })))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(asked)).tag, "RequestTimeout")
      assert.strictEqual(yield* follower.election.role, "follower")
      yield* TestClock.adjust("8 seconds")
      assert.strictEqual(yield* follower.election.role, "electing")
      const patient = yield* Effect.fork(follower.discovery.discover("users", { timeout: "1 minute" }))
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(yield* follower.election.role, "electing")
      yield* port.thaw
      yield* TestClock.adjust("6 seconds")
      assert.strictEqual(yield* Fiber.join(patient), "http://memory:1")
      assert.deepStrictEqual(yield* listed(leader.discovery), [`follower users ${users.baseUrl}`])
    })
  )
})

describe("Ownership", () => {
  it.scoped("is the connection's, whatever a payload says", () =>
    Effect.gen(function* () {
      const { leader, port } = yield* two
      const client = yield* port.client("client")
      const forged = { ...entry(users), owner: "leader", runtimeId: "leader" }
      yield* client.request(Protocol.Register, [forged])
      assert.deepStrictEqual(yield* listed(leader.discovery), [`client users ${users.baseUrl}`])
    })
  )

  it.scoped("ends with the connection, and takes exactly its own, though another has the very same", () =>
    Effect.gen(function* () {
      const { follower, leader, port } = yield* two
      const entries = [users, users2, orders]
      const [one, other] = [yield* port.client("one"), yield* port.client("other")]
      yield* one.request(Protocol.Register, entries.map(entry))
      yield* other.request(Protocol.Register, entries.map(entry))
      yield* follower.discovery.register(entries)
      const changes = yield* watch(leader.discovery)
      yield* port.sever("one")
      yield* settled
      assert.sameMembers(
        Array.from(yield* changes.takeAll),
        entries.map(({ api, baseUrl }) => `-one ${api} ${baseUrl}`)
      )
      assert.lengthOf(yield* leader.discovery.routes, 6)
    })
  )

  it.scoped("passes to a newer connection of that name, and the end of the older takes nothing", () =>
    Effect.gen(function* () {
      const { leader, port } = yield* two
      const older = yield* port.client("client")
      yield* older.request(Protocol.Register, [entry(users), entry(orders)])
      const newer = yield* port.client("client")
      yield* newer.request(Protocol.Register, [entry(users)])
      yield* older.closed
      yield* settled
      assert.deepStrictEqual(yield* listed(leader.discovery), [`client users ${users.baseUrl}`])
    })
  )

  it.scoped("of the leader's own isn't to be had by its name", () =>
    Effect.gen(function* () {
      const { leader, port } = yield* two
      yield* leader.discovery.register([users])
      const impostor = yield* port.client("leader")
      yield* impostor.request(Protocol.Unregister, [entry(users)])
      yield* impostor.request(Protocol.Register, [entry(orders)])
      const changes = yield* watch(leader.discovery)
      yield* port.sever("leader")
      assert.match(yield* changes.take, /^-client-\d+@\w+ orders/)
      assert.deepStrictEqual(yield* listed(leader.discovery), [`leader users ${users.baseUrl}`])
    })
  )
})

describe("A standalone gateway", () => {
  it.scoped("takes over from an embedded leader with every route, and is followed by it", () =>
    Effect.gen(function* () {
      const { follower, leader, port } = yield* two
      yield* leader.discovery.register([users])
      yield* follower.discovery.register([orders])
      const changes = yield* watch(follower.discovery)
      const taking = yield* Effect.fork(port.standalone({ runtimeId: "bin" }))
      yield* TestClock.adjust("1 second")
      const bin = yield* Fiber.join(taking)
      const expected = [`follower orders ${orders.baseUrl}`, `leader users ${users.baseUrl}`]
      assert.deepStrictEqual(yield* listed(bin.discovery), expected)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* listed(bin.discovery), expected)
      for (const each of [leader, follower]) assert.strictEqual(yield* each.election.role, "follower")
      assert.deepStrictEqual(Array.from(yield* changes.takeAll), [])
    })
  )

  it.scoped("doesn't take over from another", () =>
    Effect.gen(function* () {
      const port = MemoryPort.make()
      yield* port.standalone({ runtimeId: "bin-1" })
      const error = yield* Effect.flip(port.standalone({ runtimeId: "bin-2" }))
      assert.strictEqual(error._tag, "PortInUse")
    })
  )
})

function entry(input: typeof users) {
  const validated = validateEntry(input)
  if (validated._tag === "Left") throw validated.left
  return validated.right
}
