import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as PulledStream from "../../../src/internal/PulledStream.js"

/** Gives these chunks in turn, then ends so. */
const pullOf = (chunks: ReadonlyArray<ReadonlyArray<number>>, end: Effect.Effect<never, Option.Option<string>>) => {
  const left = [...chunks]
  return Effect.suspend(() => {
    const next = left.shift()
    return next === undefined ? end : Effect.succeed(Chunk.fromIterable(next))
  })
}

const ends = {
  end: Effect.fail(Option.none()),
  failure: Effect.fail(Option.some("failed")),
  defect: Effect.die("a defect"),
  interruption: Effect.failCause(Cause.interrupt(FiberId.none))
}

describe("PulledStream", () => {
  for (const [what, end] of Object.entries(ends)) {
    it.effect(`gives what Stream.repeatEffectChunkOption gives, up to the ${what} of its effect`, () =>
      Effect.gen(function* () {
        for (const chunks of [[], [[1]], [[1, 2], [], [3]]]) {
          const taken = (stream: Stream.Stream<number, string>) => {
            const seen: Array<ReadonlyArray<number>> = []
            const keep = (chunk: Chunk.Chunk<number>) => Effect.sync(() => void seen.push([...chunk]))
            return Effect.map(Effect.exit(Stream.runForEachChunk(stream, keep)), (exit) => ({ exit, seen }))
          }
          const ours = yield* taken(PulledStream.make(pullOf(chunks, end)))
          assert.deepStrictEqual(ours, yield* taken(Stream.repeatEffectChunkOption(pullOf(chunks, end))))
        }
      })
    )
  }

  it.effect("pulls no more than is taken, and again for each run", () =>
    Effect.gen(function* () {
      let pulls = 0
      const stream = PulledStream.make(Effect.sync(() => Chunk.of(++pulls)))
      assert.deepStrictEqual([...(yield* Stream.runCollect(Stream.take(stream, 3)))], [1, 2, 3])
      assert.deepStrictEqual([...(yield* Stream.runCollect(Stream.take(stream, 2)))], [4, 5])
      assert.strictEqual(pulls, 5)
    })
  )

  it.effect("is interrupted while it waits for its effect", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(Stream.runDrain(PulledStream.make(Effect.never)))
      yield* Effect.yieldNow()
      const exit = yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.isInterrupted(exit))
    })
  )
})
