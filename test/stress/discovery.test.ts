/** What happens to everybody else when a process is killed or stopped. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as Live from "../support/discovery.js"
import { live, told } from "../support/live.js"
import { clockWithoutWaiting } from "../support/processor.js"

/** In milliseconds, but for what waited for a processor; what waits for a timeout or a heartbeat takes longer. */
const promptly = 5000

describe("SIGKILL", () => {
  live(
    "of a process with three entries, beside a replica with the very same: exactly the dead one's are gone at once",
    () =>
      Effect.gen(function* () {
        const port = yield* Live.freePort
        const { discovery } = yield* Live.participant({ port, runtimeId: "leader" })
        const same = { apis: ["users", "orders", "stock"], baseUrl: yield* Live.service("shared") }
        const [dying] = yield* Effect.all(
          ["dying", "replica"].map((runtimeId) => Live.participantProcess(port, { runtimeId, ...same })),
          { concurrency: "unbounded" }
        )
        const before = yield* discovery.routes
        assert.lengthOf(before, 6)
        const gone = yield* Effect.fork(Stream.runCollect(Stream.take(discovery.changes, 3)))
        yield* Effect.yieldNow()
        const now = clockWithoutWaiting()
        const since = now()
        yield* Live.signal(dying as NonNullable<typeof dying>, "SIGKILL")
        const changes = Array.from(yield* Fiber.join(gone))
        assert.isBelow(now() - since, promptly)
        assert.deepStrictEqual(
          changes.map(({ _tag, route }) => [_tag, route.owner, route.api]),
          same.apis.map((api) => ["Unregistered", "dying", api])
        )
        assert.deepStrictEqual(
          yield* discovery.routes,
          before.filter(({ owner }) => owner === "replica")
        )
        assert.strictEqual(yield* Live.get(port, "/users"), "200 shared /users")
      }),
    40_000
  )

  live(
    "of the leader under 200 requests a second: a few fail promptly, discover never does, then all is as before",
    () =>
      Effect.gen(function* () {
        const port = yield* Live.freePort
        const leader = yield* Live.participantProcess(port, { runtimeId: "leader", apis: ["leading"] })
        const { discovery, election } = yield* Live.participant({ port, runtimeId: "follower" })
        const calling = yield* Live.participant({ port, runtimeId: "calling" })
        yield* discovery.register([{ api: "users", baseUrl: yield* Live.service("users"), pathPrefix: "/users" }])
        const discovered: Array<string> = []
        yield* Effect.forkScoped(
          Effect.repeat(
            Effect.map(Effect.merge(calling.discovery.discover("users")), (found) => discovered.push(String(found))),
            Schedule.spaced("1 millis")
          )
        )
        const outcomes: Array<Live.Outcome> = []
        const good = "200 users /users"
        yield* Effect.forkScoped(Live.load(port, "/users", outcomes))
        yield* Live.until(
          Effect.sync(() => outcomes.length),
          (count) => count > 50
        )
        const killedAt = Live.now()
        yield* Live.signal(leader, "SIGKILL")
        yield* Live.until(
          Effect.sync(() => outcomes.filter(({ startedAt, said }) => startedAt > killedAt && said === good).length),
          (count) => count > 100
        )

        const failed = outcomes.filter(({ said }) => said !== good)
        assert.isBelow(Math.max(0, ...failed.map(({ millis }) => millis)), promptly)
        assert.isBelow(Math.max(0, ...failed.map(({ startedAt }) => startedAt - killedAt)), promptly)
        assert.deepStrictEqual(
          failed.filter(({ said }) => !/^E(CONNREFUSED|CONNRESET|PIPE)/.test(said)),
          []
        )
        assert.deepStrictEqual(Array.from(new Set(discovered)), [`http://127.0.0.1:${port}`])
        assert.sameMembers([yield* election.role, yield* calling.election.role], ["leader", "follower"])
        assert.deepStrictEqual(
          (yield* calling.discovery.routes).map(({ api }) => api),
          ["users"]
        )
      }),
    40_000
  )

  live(
    "of one of three replicas under 200 requests a second loses none",
    () =>
      Effect.gen(function* () {
        const port = yield* Live.freePort
        yield* Live.participant({ port, runtimeId: "leader" })
        const names = ["one", "two", "three"]
        const replicas = yield* Effect.all(
          names.map((runtimeId) => Live.participantProcess(port, { runtimeId, apis: ["users"] })),
          { concurrency: "unbounded" }
        )
        const outcomes: Array<Live.Outcome> = []
        yield* Effect.forkScoped(Live.load(port, "/users", outcomes))
        yield* Live.until(
          Effect.sync(() => outcomes.length),
          (count) => count > 100
        )
        const killedAt = outcomes.length
        yield* Live.signal(replicas[1] as NonNullable<(typeof replicas)[1]>, "SIGKILL")
        yield* Live.until(
          Effect.sync(() => outcomes.length),
          (count) => count > killedAt + 200
        )
        const said = outcomes.map((outcome) => outcome.said)
        assert.sameMembers(
          Array.from(new Set(said)),
          names.map((name) => `200 ${name}`)
        )
        assert.notInclude(said.slice(-100), "200 two")
      }),
    40_000
  )

  live(
    "of the leader, three times in a row among eight processes: one leads, and every survivor is reached",
    () =>
      Effect.gen(function* () {
        const port = yield* Live.freePort
        const names = Array.from({ length: 8 }, (_, i) => `p${i}`)
        let alive = yield* Effect.all(
          names.map((name) =>
            Effect.map(Live.participantProcess(port, { runtimeId: name, apis: [name] }), (child) => ({ name, child }))
          ),
          { concurrency: 4 }
        )
        for (let kill = 0; kill < 3; kill++) {
          const leaders = yield* Effect.filter(alive, ({ child }) =>
            Effect.map(child.ask("role", "is"), (role) => role === "leader")
          )
          assert.lengthOf(leaders, 1)
          const leader = leaders[0] as (typeof alive)[number]
          alive = alive.filter((one) => one !== leader)
          const now = clockWithoutWaiting(...alive.map(({ child }) => child.pid))
          const since = now()
          yield* Live.signal(leader.child, "SIGKILL")
          yield* Effect.forEach(
            alive,
            ({ name }) => Live.until(Live.get(port, `/${name}`), (said) => said === `200 ${name}`),
            { concurrency: 2 }
          )
          assert.isBelow(now() - since, promptly)
          const roles = yield* Effect.forEach(alive, ({ child }) => child.ask("settled", "is"))
          assert.lengthOf(
            roles.filter((role) => role === "leader"),
            1
          )
          assert.lengthOf(
            roles.filter((role) => role === "follower"),
            alive.length - 1
          )
        }
        for (const { child } of alive) assert.strictEqual(child.stderr(), "")
      }),
    60_000
  )
})

describe("SIGSTOP", () => {
  live(
    "of the leader ends calls with typed errors within their timeouts, is noticed, and is over with SIGCONT",
    () =>
      Effect.gen(function* () {
        const port = yield* Live.freePort
        const leader = yield* Live.participantProcess(port, { runtimeId: "leader", apis: ["leading"] })
        const { discovery, election } = yield* Live.participant({
          port,
          runtimeId: "follower",
          heartbeat: "500 millis",
          connectTimeout: "500 millis"
        })
        yield* discovery.register([{ api: "users", baseUrl: yield* Live.service("users"), pathPrefix: "/users" }])
        yield* Live.signal(leader, "SIGSTOP")
        yield* Effect.addFinalizer(() => Effect.ignore(Live.signal(leader, "SIGCONT")))
        const whileFollowing = yield* told(discovery.discover("users", { timeout: "100 millis" }))
        assert.strictEqual(whileFollowing.tag, "RequestTimeout")
        yield* Live.becomes(election, "electing")
        const now = clockWithoutWaiting()
        const since = now()
        const whileElecting = yield* told(discovery.discover("users", { timeout: "800 millis" }))
        assert.strictEqual(whileElecting.tag, "RequestTimeout")
        assert.isBelow(now() - since, promptly)
        assert.strictEqual(yield* election.role, "electing")

        const patient = yield* Effect.fork(discovery.discover("users", { timeout: "1 minute" }))
        yield* Live.signal(leader, "SIGCONT")
        assert.strictEqual(yield* Fiber.join(patient), `http://127.0.0.1:${port}`)
        yield* Live.becomes(election, "follower")
        assert.strictEqual(yield* Live.get(port, "/users"), "200 users /users")
        assert.sameMembers(
          (yield* discovery.routes).map(({ owner }) => owner),
          ["leader", "follower"]
        )
      }),
    40_000
  )
})
