import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import * as LeaseMember from "../../../src/lease/LeaseMember.js"
import { ownerKey } from "../../../src/lease/OwnerRoutes.js"
import { MemoryBucket, toBucket } from "../../support/MemoryBucket.js"

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
})
