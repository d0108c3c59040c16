import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Fiber, FiberId, TestClock } from "effect"
import * as FiberWait from "../../../src/internal/FiberWait.js"
import * as ScriptedWait from "../../support/scriptedWait.js"

it("takes one step with the installed version of Effect", () => {
  assert.isTrue(FiberWait.probe())
})

for (const [how, make] of [
  ["direct", FiberWait.direct],
  ["composed", FiberWait.composed]
] as const) {
  const scripted = () => ScriptedWait.scripted(make<number, string>)

  describe(`a wait that is ${how}`, () => {
    it.effect("ends as what it is called back with, at once or later, each time it is run", () =>
      Effect.gen(function* () {
        const atOnce = (result: Effect.Effect<number, string>) =>
          make<number, string>((onEnd) => {
            onEnd(result)
            onEnd(Exit.die("heard twice"))
            return undefined
          })
        assert.strictEqual(yield* atOnce(Exit.succeed(1)), 1)
        assert.strictEqual(yield* Effect.flip(atOnce(Exit.fail("no"))), "no")
        assert.strictEqual(yield* atOnce(Effect.as(Effect.yieldNow(), 1)), 1)
        yield* ScriptedWait.assertBeginsAnew(scripted())
      })
    )

    it.effect("dies of what it throws as it begins, and ends where it throws as it is abandoned", () =>
      Effect.gen(function* () {
        const unlucky = make<number, string>(() => {
          throw new Error("it can't begin")
        })
        assert.isTrue(Cause.isDie(yield* Effect.cause(unlucky)))
        const stuck = make<number, string>(() => ({
          abandon: () => {
            throw new Error("it can't be abandoned")
          }
        }))
        const fiber = yield* Effect.fork(stuck)
        yield* Effect.yieldNow()
        const exit = yield* Fiber.interrupt(fiber)
        assert.isTrue(Exit.isFailure(exit))
      })
    )

    it.effect("is abandoned once, however often it is interrupted", () =>
      Effect.gen(function* () {
        const { effect, end, log } = scripted()
        const fiber = yield* Effect.fork(effect)
        yield* Effect.yieldNow()
        fiber.unsafeInterruptAsFork(FiberId.none)
        fiber.unsafeInterruptAsFork(FiberId.none)
        assert.isTrue(Exit.isInterrupted(yield* Fiber.await(fiber)))
        end(Exit.succeed(1))
        assert.deepStrictEqual(log, ["began", "abandoned"])
      })
    )

    for (const [order, tell] of [
      ["before", [0, 1]],
      ["after", [1, 0]]
    ] as const) {
      it.effect(`ends its fiber where an interruption comes just ${order} the result`, () =>
        Effect.gen(function* () {
          const { effect, end, log } = scripted()
          const fiber = yield* Effect.fork(Effect.forever(effect))
          yield* Effect.yieldNow()
          const events = [() => fiber.unsafeInterruptAsFork(FiberId.none), () => end(Exit.succeed(1))] as const
          for (const event of tell) events[event]()
          assert.isTrue(Exit.isInterrupted(yield* Fiber.await(fiber)))
          assert.deepStrictEqual(log.slice(0, 1), ["began"])
          assert.notInclude(log.slice(1), "began")
        })
      )
    }

    it.effect("is abandoned where an interruption comes before what goes on with it", () =>
      Effect.gen(function* () {
        const { effect, end, log } = scripted()
        const fiber = yield* Effect.fork(effect)
        yield* Effect.yieldNow()
        end(Effect.sync(() => log.push("went on")))
        fiber.unsafeInterruptAsFork(FiberId.none)
        assert.isTrue(Exit.isInterrupted(yield* Fiber.await(fiber)))
        assert.deepStrictEqual(log, ["began", "abandoned"])
      })
    )

    it.effect("isn't abandoned once what goes on with it has begun", () =>
      Effect.gen(function* () {
        const { effect, end, log } = scripted()
        const fiber = yield* Effect.fork(effect)
        yield* Effect.yieldNow()
        end(Effect.sync(() => log.push("went on")))
        assert.strictEqual(yield* Fiber.join(fiber), 2)
        assert.deepStrictEqual(log, ["began", "went on"])
      })
    )

    it.effect("isn't abandoned where its fiber can't be interrupted", () =>
      Effect.gen(function* () {
        const { effect, end, log } = scripted()
        const fiber = yield* Effect.fork(Effect.uninterruptible(effect))
        yield* Effect.yieldNow()
        yield* Fiber.interruptFork(fiber)
        yield* Effect.yieldNow()
        assert.deepStrictEqual(log, ["began"])
        end(Exit.succeed(1))
        yield* Fiber.await(fiber)
        assert.deepStrictEqual(log, ["began"])
      })
    )

    it.effect("is abandoned by a timeout", () =>
      Effect.gen(function* () {
        const { effect, log } = scripted()
        const fiber = yield* Effect.fork(Effect.timeoutOption(effect, Duration.seconds(1)))
        yield* TestClock.adjust(Duration.seconds(1))
        assert.strictEqual((yield* Fiber.join(fiber))._tag, "None")
        assert.deepStrictEqual(log, ["began", "abandoned"])
      })
    )
  })
}
