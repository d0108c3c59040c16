import { assert, describe, it } from "@effect/vitest"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as LeaseMember from "../../../src/lease/LeaseMember.js"
import { ownerKey } from "../../../src/lease/OwnerRoutes.js"
import { MemoryBucket, toBucket } from "../../support/MemoryBucket.js"

const users = { api: "users", baseUrl: "http://10.0.0.1:4001", pathPrefix: "/users" }
const orders = { api: "orders", baseUrl: "http://10.0.0.2:4002", pathPrefix: "/orders" }
const options = { lease: 3000, maxAge: 3_600_000 }

/** When a participant renews its record first, beside so many others, and how long after that again, in milliseconds. */
const renewalsBeside = (others: number) =>
  Effect.gen(function* () {
    const memory = new MemoryBucket(() => 0, options.maxAge)
    for (let index = 0; index < others; index++) {
      memory.write(ownerKey(`other-${index}`), JSON.stringify({ run: "x", every: 60_000 }), 0)
    }
    const clock = yield* Effect.clock
    const renewals: Array<number> = []
    memory.subscribe(({ key, value }) => {
      if (key === ownerKey("a") && value !== undefined) renewals.push(clock.unsafeCurrentTimeMillis())
    })
    yield* Effect.scoped(
      Effect.zipRight(
        Effect.forkScoped(LeaseMember.make(toBucket(memory), { ...options, runtimeId: "a" })),
        TestClock.adjust("4500 millis")
      )
    )
    return renewals.slice(1).map((at, index) => at - (renewals[index] ?? 0))
  })

describe("A participant over a bucket", () => {
  it.scoped("renews every third of the lease, and less often where a hundred renewals a second are many enough", () =>
    Effect.gen(function* () {
      const intervals = yield* Effect.forEach([99, 149, 399], renewalsBeside)
      assert.deepStrictEqual(intervals, [
        [1000, 1000, 1000, 1000],
        // Of its first interval, it doesn't count itself yet.
        [1490, 1500, 1500],
        [3990]
      ])
    })
  )

  it.scoped("leaves its name to another process that has it, waits without work, and has it again after that one", () =>
    Effect.gen(function* () {
      const memory = new MemoryBucket(() => 0, options.maxAge)
      const bucket = toBucket(memory)
      const clock = yield* Effect.clock
      let looks = 0
      const counting: Clock.Clock = Object.assign(Object.create(clock), {
        unsafeCurrentTimeNanos: () => {
          looks++
          return clock.unsafeCurrentTimeNanos()
        }
      })
      const warnings: Array<unknown> = []
      const logger = Logger.make(({ logLevel, message }) => {
        if (logLevel.label === "WARN") warnings.push(message)
      })
      const join = (scope: Scope.Scope) =>
        LeaseMember.make(bucket, { ...options, runtimeId: "worker" }).pipe(
          Scope.extend(scope),
          Effect.withClock(counting),
          Effect.fork
        )
      const firstScope = yield* Effect.scope
      const secondScope = yield* Scope.make()
      yield* Effect.gen(function* () {
        const joining = yield* join(firstScope)
        yield* TestClock.adjust("4 seconds")
        const first = yield* Fiber.join(joining)
        yield* first.discovery.register(users)
        const joiningToo = yield* join(secondScope)
        yield* TestClock.adjust("4 seconds")
        const second = yield* Fiber.join(joiningToo)
        const registering = yield* Effect.fork(Effect.flip(first.discovery.register(orders, { timeout: "5 seconds" })))
        yield* second.discovery.register(orders)
        looks = 0
        let writes = 0
        memory.subscribe(() => writes++)
        yield* TestClock.adjust("10 seconds")
        // Each renews one record every second: the first the leader's, the second its own.
        assert.isAtMost(writes, 2 * 10 + 2)
        assert.isBelow(looks, 1000)
        assert.deepStrictEqual(warnings.length, 1)
        assert.include((yield* Fiber.join(registering)).message, "another process takes part as worker")
        assert.deepStrictEqual(
          (yield* first.discovery.routes).map(({ api }) => api),
          ["orders"]
        )
        yield* Scope.close(secondScope, Exit.void)
        yield* TestClock.adjust("2 seconds")
        assert.deepStrictEqual(
          (yield* first.discovery.routes).map(({ api }) => api),
          ["users"]
        )
      }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
    })
  )
})
