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

/** Resumes fibers that go on together. */
const together = (resume: () => void) => {
  ResumedFibers.begin()
  resume()
  ResumedFibers.end()
}

describe("fibers that are resumed together", () => {
  it.effect("go on in the order in which they were resumed, before those that are woken later", () =>
    Effect.gen(function* () {
      const log: Array<unknown> = []
      const { fiber, waits } = yield* waiting(log, 4)
      queueMicrotask(() => log.push("earlier"))
      together(() => {
        for (const index of [2, 0]) waits[index]?.end(Exit.succeed(index))
        queueMicrotask(() => log.push("meanwhile"))
        waits[1]?.end(Exit.succeed(1))
      })
      queueMicrotask(() => log.push("later"))
      together(() => waits[3]?.end(Exit.succeed(3)))
      log.push("at once")
      yield* fiber
      assert.deepStrictEqual(log, ["at once", "earlier", 2, 0, 1, "meanwhile", "later", 3])
    })
  )

  it.effect("go on in the asynchronous context in which they were resumed", () =>
    Effect.gen(function* () {
      const storage = new AsyncLocalStorage<string>()
      const log: Array<unknown> = []
      const { fiber, waits } = yield* waiting(log, 4, (value) => `${value} ${storage.getStore()}`)
      for (const [context, first] of [
        ["a", 0],
        ["b", 2]
      ] as const) {
        storage.run(context, () =>
          together(() => {
            for (const index of [first, first + 1]) waits[index]?.end(Exit.succeed(index))
          })
        )
      }
      yield* fiber
      assert.deepStrictEqual(log, ["0 a", "1 a", "2 b", "3 b"])
    })
  )

  it.effect("go on where what resumes them throws, and those that are resumed after it", () =>
    Effect.gen(function* () {
      const log: Array<unknown> = []
      const { fiber, waits } = yield* waiting(log, 3)
      assert.throws(() =>
        together(() => {
          waits[0]?.end(Exit.succeed(0))
          throw new Error("it can't be read")
        })
      )
      waits[1]?.end(Exit.succeed(1))
      yield* Effect.promise(() => Promise.resolve())
      waits[2]?.end(Exit.succeed(2))
      yield* fiber
      assert.deepStrictEqual(log, [0, 1, 2])
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
      together(() => end(Exit.succeed(1)))
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
      together(() => end(Exit.succeed(1)))
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
      together(() => {
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
