import { assert, describe, it } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import type { Bucket } from "../../../src/lease/Bucket.js"
import * as BucketView from "../../../src/lease/BucketView.js"

/** Nobody writes; each watch begins to list after a while. */
const slowBucket = (delay: Duration.DurationInput) => {
  let watches = 0
  const bucket: Bucket = {
    write: () => Effect.never,
    remove: () => Effect.never,
    watch: (listener) =>
      Effect.suspend(() => {
        const revision = ++watches
        return Effect.zipRight(
          Effect.sleep(delay),
          Effect.async<never>(() => {
            listener.onEntry({ key: "a", revision, value: String(revision) })
            listener.onCurrent()
          })
        )
      })
  }
  return { bucket, watches: () => watches }
}

describe("BucketView", () => {
  it.scoped("lets a watch that is slow to begin come to its end, however often news are missed meanwhile", () =>
    Effect.gen(function* () {
      const { bucket } = slowBucket("900 millis")
      const view = yield* BucketView.make(bucket, "5 seconds", () => {})
      const missOften = Effect.repeatN(Effect.zipRight(TestClock.adjust("100 millis"), Effect.sync(view.rewatch)), 8)
      yield* missOften
      assert.strictEqual(view.get("a")?.value, "1")
      // The last miss was after the list.
      yield* missOften
      assert.strictEqual(view.get("a")?.value, "2")
    })
  )

  it.scoped("begins a watch anew that doesn't list in time", () =>
    Effect.gen(function* () {
      const { bucket, watches } = slowBucket("3 seconds")
      yield* BucketView.make(bucket, "1 second", () => {})
      yield* TestClock.adjust("2500 millis")
      assert.strictEqual(watches(), 3)
    })
  )
})
