/**
 * What a bucket has to do, whichever it is: the one in memory is held to a real server's by these tests.
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { Bucket, Entry } from "../../src/lease/Bucket.js"
import { live } from "./live.js"

/** What the watch tells from the start: entries, and `current` where those of before have been told. */
const watched = (bucket: Bucket) =>
  Effect.gen(function* () {
    const told = yield* Queue.unbounded<Entry | "current">()
    yield* Effect.forkScoped(
      bucket.watch({
        onEntry: (entry) => void told.unsafeOffer(entry),
        onCurrent: () => void told.unsafeOffer("current"),
        onReplaced: () => {}
      })
    )
    return told
  })

export const holdsTheContract = <E>(make: Effect.Effect<Bucket, E, Scope.Scope>): void => {
  live("writes where the key's last revision is the expected one, and nowhere else", () =>
    Effect.gen(function* () {
      const bucket = yield* make
      const first = yield* bucket.write("a", "1", 0)
      assert.strictEqual((yield* Effect.flip(bucket.write("a", "2", 0)))._tag, "RevisionMismatch")
      assert.strictEqual((yield* Effect.flip(bucket.write("a", "2", first + 7)))._tag, "RevisionMismatch")
      const second = yield* bucket.write("a", "2", first)
      assert.isAbove(second, first)
      assert.strictEqual((yield* Effect.flip(bucket.write("b", "1", second)))._tag, "RevisionMismatch")
      assert.isAbove(yield* bucket.write("b", "1", 0), second)
    })
  )

  live("removes as it writes: a removal is the key's last write, of which a later one has to know", () =>
    Effect.gen(function* () {
      const bucket = yield* make
      const first = yield* bucket.write("a", "1", 0)
      assert.strictEqual((yield* Effect.flip(bucket.remove("a", first + 1)))._tag, "RevisionMismatch")
      const removed = yield* bucket.remove("a", first)
      assert.strictEqual((yield* Effect.flip(bucket.write("a", "2", 0)))._tag, "RevisionMismatch")
      assert.isAbove(yield* bucket.write("a", "2", removed), removed)
      assert.isAbove(yield* bucket.remove("never", 0), removed)
    })
  )

  live("tells a watcher each key's last write, that these are all, and then every later one", () =>
    Effect.gen(function* () {
      const bucket = yield* make
      const a1 = yield* bucket.write("a", "1", 0)
      const b1 = yield* bucket.write("b", "1", 0)
      const a2 = yield* bucket.write("a", "2", a1)
      const b2 = yield* bucket.remove("b", b1)
      const told = yield* watched(bucket)
      assert.deepStrictEqual(yield* Queue.takeN(told, 3).pipe(Effect.map((all) => [...all])), [
        { key: "a", revision: a2, value: "2" },
        { key: "b", revision: b2, value: undefined },
        "current"
      ])
      const c1 = yield* bucket.write("c", "1", 0)
      const a3 = yield* bucket.remove("a", a2)
      assert.deepStrictEqual(yield* Queue.takeN(told, 2).pipe(Effect.map((all) => [...all])), [
        { key: "c", revision: c1, value: "1" },
        { key: "a", revision: a3, value: undefined }
      ])
    })
  )

  live("tells the watcher of an empty one that it is current", () =>
    Effect.gen(function* () {
      const told = yield* watched(yield* make)
      assert.strictEqual(yield* told.take, "current")
    })
  )

  live("of a hundred that write one revision at once, has one", () =>
    Effect.gen(function* () {
      const bucket = yield* make
      const first = yield* bucket.write("a", "0", 0)
      const exits = yield* Effect.forEach(
        Array.from({ length: 100 }, (_, index) => String(index)),
        (value) => Effect.exit(bucket.write("a", value, first)),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(exits.filter((exit) => exit._tag === "Success").length, 1)
    })
  )
}
