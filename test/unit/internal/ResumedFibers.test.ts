import { AsyncLocalStorage } from "node:async_hooks"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scheduler } from "effect"
import * as FiberWait from "../../../src/internal/FiberWait.js"
import * as ResumedFibers from "../../../src/internal/ResumedFibers.js"
import * as ScriptedWait from "../../support/scriptedWait.js"

const scripted = () => ScriptedWait.scripted(FiberWait.direct<number, string>)

/** Fibers that wait, each of which logs what it is given. */
const waiting = (log: Array<unknown>, count: number, note = (value: number): unknown => value) =>
  Effect.gen(function* () {
    const waits = Array.from({ length: count }, scripted)
    const fibers = yield* Effect.forEach(waits, ({ effect }) =>
      Effect.fork(Effect.map(effect, (value) => log.push(note(value))))
    )
    yield* Effect.yieldNow()
    return { waits, fiber: Fiber.joinAll(fibers) }
  })

describe("fibers that one read resumes", () => {
  it.effect("go on after it, in the order in which they were resumed", () =>
    Effect.gen(function* () {
      const log: Array<unknown> = []
      const { fiber, waits } = yield* waiting(log, 3)
      ResumedFibers.during(() => {
        for (const index of [2, 0, 1]) waits[index]?.end(Exit.succeed(index))
        log.push("read")
      })
      yield* fiber
      assert.deepStrictEqual(log, ["read", 2, 0, 1])
    })
  )

  it.effect("go on in the asynchronous context of the read, each of its own", () =>
    Effect.gen(function* () {
      const storage = new AsyncLocalStorage<string>()
      const log: Array<unknown> = []
      const { fiber, waits } = yield* waiting(log, 4, (value) => `${value} ${storage.getStore()}`)
      for (const [context, first] of [
        ["a", 0],
        ["b", 2]
      ] as const) {
        storage.run(context, () =>
          ResumedFibers.during(() => {
            for (const index of [first, first + 1]) waits[index]?.end(Exit.succeed(index))
          })
        )
      }
      yield* fiber
      assert.deepStrictEqual(log, ["0 a", "1 a", "2 b", "3 b"])
    })
  )

  it.effect("go on where a read within the read resumes others, or the read throws", () =>
    Effect.gen(function* () {
      const log: Array<unknown> = []
      const { fiber, waits } = yield* waiting(log, 3)
      assert.throws(() =>
        ResumedFibers.during(() => {
          waits[0]?.end(Exit.succeed(0))
          ResumedFibers.during(() => waits[1]?.end(Exit.succeed(1)))
          waits[2]?.end(Exit.succeed(2))
          throw new Error("it can't be read")
        })
      )
      yield* fiber
      assert.deepStrictEqual(log, [1, 0, 2])
    })
  )

  it.effect("keep a scheduler of their own", () =>
    Effect.gen(function* () {
      const scheduled: Array<number> = []
      const own: Scheduler.Scheduler = {
        shouldYield: () => false,
        scheduleTask: (task, priority, fiber) => {
          scheduled.push(priority)
          Scheduler.defaultScheduler.scheduleTask(task, priority, fiber)
        }
      }
      const { effect, end } = scripted()
      const fiber = yield* Effect.fork(Effect.withScheduler(effect, own))
      yield* Effect.yieldNow()
      ResumedFibers.during(() => end(Exit.succeed(1)))
      assert.strictEqual(yield* Fiber.join(fiber), 1)
      assert.deepStrictEqual(scheduled, [0])
    })
  )

  it.effect("have Effect's scheduler again once they go on", () =>
    Effect.gen(function* () {
      const { effect, end } = scripted()
      const schedulerOf = Effect.withFiberRuntime<Scheduler.Scheduler>((fiber) =>
        Effect.succeed(fiber.currentScheduler)
      )
      const fiber = yield* Effect.fork(Effect.zipRight(effect, schedulerOf))
      yield* Effect.yieldNow()
      ResumedFibers.during(() => end(Exit.succeed(1)))
      assert.strictEqual(yield* Fiber.join(fiber), Scheduler.defaultScheduler)
    })
  )

  it.scoped("go on where one of them throws, which is reported", () =>
    Effect.gen(function* () {
      const log: Array<unknown> = []
      const { fiber, waits } = yield* waiting(log, 2)
      const broken = scripted()
      const throwing = Effect.runFork(broken.effect)
      yield* Effect.yieldNow()
      throwing.addObserver(() => {
        throw new Error("an observer threw")
      })
      const reported = yield* rejection
      ResumedFibers.during(() => {
        waits[0]?.end(Exit.succeed(0))
        broken.end(Exit.succeed(1))
        waits[1]?.end(Exit.succeed(2))
      })
      yield* fiber
      assert.deepStrictEqual(log, [0, 2])
      assert.include(String(yield* Effect.promise(() => reported)), "an observer threw")
    })
  )
})

/** The next rejection that nobody handles, which would otherwise end the process. */
const rejection = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => {
      const listeners = process.listeners("unhandledRejection")
      process.removeAllListeners("unhandledRejection")
      const reported = new Promise<unknown>((resolve) => process.once("unhandledRejection", resolve))
      return { listeners, reported }
    }),
    ({ listeners }) =>
      Effect.sync(() => {
        process.removeAllListeners("unhandledRejection")
        for (const listener of listeners) process.on("unhandledRejection", listener)
      })
  ),
  ({ reported }) => reported
)
