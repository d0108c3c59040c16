import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/TestClock"
import { type Bucket, BucketUnavailable } from "../../../src/lease/Bucket.js"
import * as BucketFailures from "../../../src/lease/BucketFailures.js"
import * as LeaseMember from "../../../src/lease/LeaseMember.js"
import { MemoryBucket, toBucket } from "../../support/MemoryBucket.js"

const options = { lease: 3000, maxAge: 3_600_000, runtimeId: "a" }
const users = { api: "users", baseUrl: "http://10.0.0.1:4001", pathPrefix: "/users" }

/** A bucket whose writes fail for as long as there is a reason. */
const failing = (reason: () => BucketUnavailable["reason"] | undefined): Bucket => {
  const bucket = toBucket(new MemoryBucket(() => 0, options.maxAge))
  const write: Bucket["write"] = (...args) =>
    Effect.suspend(() => {
      const now = reason()
      return now === undefined ? bucket.write(...args) : new BucketUnavailable({ reason: now, detail: "its cause" })
    })
  return { ...bucket, write }
}

describe("A participant over a bucket that fails", () => {
  it.scoped("doesn't begin where it is refused, nor where there is no answer for ten seconds and two leases", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(
        LeaseMember.make(
          failing(() => "Refused"),
          options
        )
      )
      assert.deepStrictEqual([refused.reason, refused.detail], ["Refused", "its cause"])
      const joining = yield* Effect.fork(
        Effect.flip(
          LeaseMember.make(
            failing(() => "NoAnswer"),
            options
          )
        )
      )
      yield* TestClock.adjust("15.9 seconds")
      assert.strictEqual((yield* Fiber.poll(joining))._tag, "None")
      yield* TestClock.adjust("100 millis")
      assert.strictEqual((yield* Fiber.join(joining)).reason, "NoAnswer")
    })
  )

  it.scoped("goes on once it has begun, and tells the reason with what isn't answered", () =>
    Effect.gen(function* () {
      let reason: BucketUnavailable["reason"] | undefined
      const joining = yield* Effect.fork(
        LeaseMember.make(
          failing(() => reason),
          options
        )
      )
      yield* TestClock.adjust("3 seconds")
      const { discovery } = yield* Fiber.join(joining)
      reason = "Unsuitable"
      const registering = yield* Effect.fork(Effect.flip(discovery.register(users, { timeout: "1 second" })))
      yield* TestClock.adjust("1 second")
      assert.include((yield* Fiber.join(registering)).message, "its cause")
      reason = undefined
      const again = yield* Effect.fork(discovery.register(users))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(again)
    })
  )

  it.effect("warns once a minute, and of what may pass only after two leases", () =>
    Effect.gen(function* () {
      const warnings: Array<number> = []
      const clock = yield* Effect.clock
      const logger = Logger.make(() => void warnings.push(clock.unsafeCurrentTimeMillis()))
      let reason: BucketUnavailable["reason"] = "NoAnswer"
      const { bucket } = yield* BucketFailures.make(
        failing(() => reason),
        options.lease
      )
      yield* Effect.gen(function* () {
        for (let second = 0; second < 200; second += 2) {
          if (second === 100) reason = "Refused"
          yield* Effect.ignore(bucket.write("key", "value", 0))
          yield* TestClock.adjust("2 seconds")
        }
      }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
      assert.deepStrictEqual(warnings, [6000, 66_000, 126_000, 186_000])
    })
  )
})
