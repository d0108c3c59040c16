/** Waits that end when a test says so. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { Begin, OnEnd } from "../../src/internal/Waiting.js"

/** A wait made by `make`, which notes what is done with it. */
export const scripted = <Wait extends Effect.Effect<number, string>>(make: (begin: Begin<number, string>) => Wait) => {
  const log: Array<string> = []
  const onEnds: Array<OnEnd<number, string>> = []
  const effect = make((onEnd) => {
    log.push("began")
    onEnds.push(onEnd)
    return { abandon: () => log.push("abandoned") }
  })
  return { effect, log, end: (result: Effect.Effect<number, string>) => onEnds.at(-1)?.(result) }
}

/** That it begins each time it is run, and ends as it is called back. */
export const assertBeginsAnew = ({ effect, end, log }: ReturnType<typeof scripted>): Effect.Effect<void, string> =>
  Effect.gen(function* () {
    for (const value of [1, 2]) {
      const fiber = yield* Effect.fork(effect)
      yield* Effect.yieldNow()
      end(Exit.succeed(value))
      assert.strictEqual(yield* Fiber.join(fiber), value)
    }
    assert.deepStrictEqual(log, ["began", "began"])
  })
