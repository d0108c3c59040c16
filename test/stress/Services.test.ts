import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { Discovery } from "../../src/Discovery.js"
import * as InnerScope from "../../src/internal/InnerScope.js"
import * as ServiceClient from "../../src/ServiceClient.js"
import * as Child from "../support/Child.js"
import * as Live from "../support/discovery.js"
import { live } from "../support/live.js"
import * as Users from "../support/users.js"

/** `SERVICE_KILLS=20` is what the documentation claims; a few show the same. */
const kills = Number(process.env.SERVICE_KILLS ?? 3)

const askers = 50
const requestsEach = 40

interface Outcome {
  readonly idempotent: boolean
  readonly startedAt: number
  readonly endedAt: number
  readonly failure: string | undefined
}

/** Askers that make 2,000 requests a second together, every other one idempotent; each outcome as it comes. */
const load = (users: ServiceClient.Service, outcomes: Array<Outcome>) => {
  const ask = (idempotent: boolean) =>
    Effect.gen(function* () {
      const startedAt = performance.now()
      const asked = yield* Effect.either(users.request(Users.Work, undefined, { idempotent }))
      const failure = asked._tag === "Left" ? asked.left._tag : undefined
      outcomes.push({ idempotent, startedAt, endedAt: performance.now(), failure })
    })
  const asker = (index: number) =>
    Effect.delay(
      Effect.repeat(ask(index % 2 === 0), Schedule.fixed(1000 / requestsEach)),
      (index * 1000) / requestsEach / askers
    )
  return Effect.forEach(
    Array.from({ length: askers }, (_, index) => index),
    (index) => Effect.forkScoped(asker(index))
  )
}

const client = (port: number) =>
  Effect.gen(function* () {
    const { discovery } = yield* Live.participant({ port, runtimeId: "askers" })
    return yield* Effect.provideService(ServiceClient.make("users"), Discovery, discovery)
  })

/** A process that ends with the returned effect, at the latest with the test. */
const start = (port: number, options: object, serves = false) =>
  Effect.gen(function* () {
    const scope = yield* InnerScope.make
    const child = yield* Scope.extend(Child.start("service-instance.ts"), scope)
    yield* child.line("ready")
    yield* child.ask(`join ${port} ${JSON.stringify(options)}`, "joined")
    if (serves) yield* child.ask("serve", "serving")
    const kill = Effect.gen(function* () {
      const at = performance.now()
      yield* Live.signal(child, "SIGKILL")
      yield* Scope.close(scope, Exit.void)
      return at
    })
    return { child, kill }
  })

const failed = (outcomes: ReadonlyArray<Outcome>) => outcomes.filter(({ failure }) => failure !== undefined)

describe("Services under load", () => {
  live(
    "lose no idempotent request while instances are killed, and of the others what is in flight there, at once",
    () =>
      Effect.gen(function* () {
        const port = yield* Live.freePort
        // So that no instance leads.
        yield* Live.standalone({ port })
        let started = 0
        const alive = yield* Queue.unbounded<Effect.Effect.Success<ReturnType<typeof start>>>()
        const instance = Effect.suspend(() => start(port, { runtimeId: `users-${++started}` }, true)).pipe(
          Effect.flatMap((one) => Queue.offer(alive, one))
        )
        yield* Effect.all([instance, instance, instance], { concurrency: 3 })
        const outcomes: Array<Outcome> = []
        const asking = yield* load(yield* client(port), outcomes)
        // On a machine too busy to start one a second, one is left at least.
        const absences = yield* Effect.makeSemaphore(2)
        const absent: Array<{ readonly from: number; until: number }> = []
        const killOldest = Effect.gen(function* () {
          yield* absences.take(1)
          const oldest = yield* Queue.take(alive)
          const absence = { from: yield* oldest.kill, until: Number.POSITIVE_INFINITY }
          absent.push(absence)
          const back = Effect.sync(() => {
            absence.until = performance.now()
          })
          return yield* Effect.forkScoped(Effect.all([instance, back, absences.release(1)]))
        })
        const beganAt = performance.now()
        const everySecond = Schedule.fixed("1 second").pipe(Schedule.intersect(Schedule.recurs(kills - 1)))
        yield* Effect.repeat(killOldest, everySecond)
        yield* absences.take(2)
        const seconds = (performance.now() - beganAt) / 1000
        yield* Fiber.interruptAll(asking)
        const lost = failed(outcomes)
        assert.deepStrictEqual(
          lost.filter(({ failure, idempotent }) => idempotent || failure !== "ConnectionClosed"),
          []
        )
        // What one connection has in flight fails when its end is seen: once for each kill, at most one request an asker.
        assert.isAtMost(lost.length, (absent.length * askers) / 2)
        // And at once: while no other instance could be started.
        assert.deepStrictEqual(
          lost.filter(({ endedAt }) => !absent.some(({ from, until }) => endedAt >= from && endedAt < until)),
          []
        )
        assert.isAbove(outcomes.length, askers * kills)
        if (process.env.SERVICE_KILLS !== undefined) {
          const rate = Math.round(outcomes.length / seconds)
          console.log(`${rate} requests a second, ${absent.length} kills, ${lost.length} in flight at a kill`)
        }
      }),
    60_000 + kills * 5000
  )

  live(
    "notice nothing of leaders that are killed",
    () =>
      Effect.gen(function* () {
        const port = yield* Live.freePort
        // Nobody bids against a standalone gateway, so that each leader is one of these.
        let leader = yield* start(port, { runtimeId: "gateway", standalone: true })
        yield* Effect.all(
          [1, 2, 3].map((number) => start(port, { runtimeId: `users-${number}` }, true)),
          { concurrency: 3 }
        )
        const outcomes: Array<Outcome> = []
        const asking = yield* load(yield* client(port), outcomes)
        const beganAt = performance.now()
        for (let i = 0; i < kills; i++) {
          yield* Effect.sleep("200 millis")
          yield* leader.kill
          leader = yield* start(port, { runtimeId: "gateway", standalone: true })
        }
        yield* Effect.sleep("200 millis")
        yield* Fiber.interruptAll(asking)
        assert.deepStrictEqual(failed(outcomes), [])
        assert.isAbove(outcomes.length, askers * kills)
        if (process.env.SERVICE_KILLS !== undefined) {
          const rate = Math.round((1000 * outcomes.length) / (performance.now() - beganAt))
          console.log(`${rate} requests a second, ${kills} leaders killed`)
        }
      }),
    60_000 + kills * 5000
  )
})
