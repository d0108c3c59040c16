import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { CurrentValue, Events, maxEventsBehind } from "../../../src/internal/Events.js"
import { settled } from "../../support/pair.js"

describe("Events", () => {
  it.effect("reach every consumer from its subscription on, until they are shut down", () =>
    Effect.gen(function* () {
      const events = new Events<number>()
      events.publish(0)
      const first = yield* Effect.fork(Stream.runCollect(events.stream))
      yield* settled
      events.publish(1)
      const second = yield* Effect.fork(Stream.runCollect(events.stream))
      yield* settled
      events.publish(2)
      yield* settled
      yield* events.shutdown
      events.publish(3)
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Fiber.join(first)), [1, 2])
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Fiber.join(second)), [2])
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Stream.runCollect(events.stream)), [])
    })
  )

  it.effect("are kept for a consumer that is stuck up to the bound, the latest ones", () =>
    Effect.gen(function* () {
      const events = new Events<number>()
      const take = yield* Effect.fork(Stream.runCollect(Stream.take(events.stream, maxEventsBehind)))
      yield* settled
      for (let i = 0; i < maxEventsBehind + 100; i++) events.publish(i)
      const seen = Chunk.toReadonlyArray(yield* Fiber.join(take))
      assert.lengthOf(seen, maxEventsBehind)
      assert.isAtMost(seen[1] ?? 0, 101)
      assert.isAtLeast(seen.at(-1) ?? 0, maxEventsBehind + 98)
    })
  )
})

describe("A current value", () => {
  it.effect("is told to each consumer first, and then every later one, once", () =>
    Effect.gen(function* () {
      const value = new CurrentValue("a")
      value.set("b")
      const seen = yield* Effect.fork(Stream.runCollect(Stream.take(value.changes, 3)))
      yield* settled
      value.set("c")
      value.set("d")
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Fiber.join(seen)), ["b", "c", "d"])
      assert.strictEqual(value.get(), "d")
    })
  )
})
