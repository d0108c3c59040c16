import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/TestClock"
import type { Bucket } from "../../../src/lease/Bucket.js"
import * as BucketView from "../../../src/lease/BucketView.js"
import * as LeaseElection from "../../../src/lease/LeaseElection.js"
import { MemoryBucket, toBucket } from "../../support/MemoryBucket.js"

const lease = 1000

const elect = (bucket: Bucket, runtimeId: string, ownLease = lease) =>
  Effect.flatMap(
    BucketView.make(bucket, "5 seconds", () => {}),
    (view) => LeaseElection.make(bucket, view, { runtimeId, run: runtimeId, lease: ownLease })
  )

/** How often the participant has led until so many milliseconds have passed, if each write is answered after a while. */
const termsUntil = (millis: number, answerDelay: number) =>
  Effect.gen(function* () {
    const bucket = toBucket(new MemoryBucket(() => 0, 3_600_000))
    const slow: Bucket = { ...bucket, write: (...args) => Effect.tap(bucket.write(...args), Effect.sleep(answerDelay)) }
    const election = yield* elect(slow, "a")
    let terms = 0
    const leading = yield* Effect.fork(
      election.whileLeader(
        Effect.zipRight(
          Effect.sync(() => terms++),
          Effect.never
        )
      )
    )
    yield* TestClock.adjust(millis)
    yield* Fiber.interrupt(leading)
    return terms
  })

describe("A participant of an election by lease", () => {
  it.scoped("doesn't lead at all where its bid was answered after the time for which it would lead", () =>
    Effect.gen(function* () {
      assert.isAbove(yield* termsUntil(3 * lease, 0.7 * lease), 0)
      assert.strictEqual(yield* termsUntil(3 * lease, 0.8 * lease), 0)
    })
  )

  it.scoped("waits for the end of another's lease where that one is longer than its own, and warns of it once", () =>
    Effect.gen(function* () {
      const bucket = toBucket(new MemoryBucket(() => 0, 3_600_000))
      let isCut = false
      const cut: Bucket = { ...bucket, write: (...args) => (isCut ? Effect.never : bucket.write(...args)) }
      const warnings: Array<unknown> = []
      const logger = Logger.make(({ message }) => warnings.push(message))
      yield* Effect.gen(function* () {
        const long = yield* elect(cut, "long", 8 * lease)
        yield* TestClock.adjust(9 * lease)
        assert.strictEqual(yield* long.role, "leader")
        const short = yield* elect(bucket, "short")
        isCut = true
        const roles: Array<string> = []
        for (let passed = 0; passed < 9; passed++) {
          yield* TestClock.adjust(lease)
          roles.push(`${yield* long.role} ${yield* short.role}`)
        }
        assert.deepStrictEqual(
          roles.filter((role, index) => role !== roles[index - 1]),
          ["leader follower", "electing follower", "electing leader"]
        )
        assert.strictEqual(warnings.length, 1)
      }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
    })
  )
})
