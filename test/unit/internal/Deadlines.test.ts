import type { AddressInfo, Server, Socket } from "node:net"
import { connect, createServer } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, FastCheck, Scope, TestClock } from "effect"
import * as Clock from "effect/Clock"
import type { Deadlines, Expiring } from "../../../src/internal/Deadlines.js"
import { make } from "../../../src/internal/Deadlines.js"

/** An expiring thing that notes its name and the time when it is called. */
const noting = (log: Array<string>, name: string, millis: number, now: () => number): Expiring => ({
  dueAt: 0,
  millis,
  onDeadline: () => {
    log.push(`${name} at ${now()}`)
  }
})

const setUp = Effect.gen(function* () {
  const clock = yield* Effect.clock
  const log: Array<string> = []
  const now = () => clock.unsafeCurrentTimeMillis()
  return { log, now, deadlines: yield* make, note: (name: string, millis: number) => noting(log, name, millis, now) }
})

/** The clock of the test, that counts the sleeps not yet over. */
const countingSleeps = Effect.map(Effect.clock, (clock) => {
  const counting = {
    sleeping: 0,
    clock: {
      ...clock,
      [Clock.ClockTypeId]: Clock.ClockTypeId,
      unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis(),
      unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
      sleep: (duration: Parameters<typeof clock.sleep>[0]) =>
        Effect.ensuring(
          Effect.suspend(() => {
            counting.sleeping++
            return clock.sleep(duration)
          }),
          Effect.sync(() => counting.sleeping--)
        )
    } as Clock.Clock
  }
  return counting
})

/** Two ends of a connection of this process. */
const pipe = Effect.acquireRelease(
  Effect.async<{ readonly near: Socket; readonly far: Socket; readonly server: Server }>((resume) => {
    const server = createServer((far) => {
      resume(Effect.succeed({ near, far, server }))
    })
    let near: Socket
    server.listen(0, "127.0.0.1", () => {
      near = connect((server.address() as AddressInfo).port, "127.0.0.1")
    })
  }),
  ({ far, near, server }) =>
    Effect.sync(() => {
      near.destroy()
      far.destroy()
      server.close()
    })
)

type Step =
  | { readonly do: "add"; readonly id: number; readonly millis: number }
  | { readonly do: "remove"; readonly id: number }
  | { readonly do: "pass"; readonly millis: number }

const steps = FastCheck.array(
  FastCheck.oneof(
    {
      weight: 4,
      arbitrary: FastCheck.record({
        do: FastCheck.constant("add" as const),
        id: FastCheck.nat(30),
        millis: FastCheck.nat(60)
      })
    },
    { weight: 2, arbitrary: FastCheck.record({ do: FastCheck.constant("remove" as const), id: FastCheck.nat(30) }) },
    { weight: 2, arbitrary: FastCheck.record({ do: FastCheck.constant("pass" as const), millis: FastCheck.nat(40) }) }
  ),
  { maxLength: 60, size: "max" }
)

/** What should be called and when, by the simplest means: every deadline is looked at in every millisecond. */
const model = (script: ReadonlyArray<Step>): ReadonlyArray<string> => {
  const waiting = new Map<number, number>()
  const log: Array<string> = []
  let now = 0
  const fire = () => {
    const due = [...waiting].filter(([, dueAt]) => dueAt <= now).map(([id]) => id)
    for (const id of due) {
      waiting.delete(id)
      log.push(`${id} at ${now}`)
    }
  }
  for (const step of script) {
    if (step.do === "add" && !waiting.has(step.id)) waiting.set(step.id, now + step.millis)
    if (step.do === "remove") waiting.delete(step.id)
    if (step.do === "pass") {
      fire()
      for (let i = 0; i < step.millis; i++) {
        now++
        fire()
      }
    }
  }
  return log.sort()
}

/** A clock whose time the property sets, and which wakes its sleepers in order; much quicker than a TestClock. */
class ManualClock {
  now = 0
  private sleepers: Array<{ readonly at: number; readonly wake: () => void }> = []
  get sleeping(): number {
    return this.sleepers.length
  }
  readonly clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => this.now,
    unsafeCurrentTimeNanos: () => BigInt(this.now) * 1_000_000n,
    currentTimeMillis: Effect.sync(() => this.now),
    currentTimeNanos: Effect.sync(() => BigInt(this.now) * 1_000_000n),
    sleep: (duration: { readonly value: unknown }) =>
      Effect.async<void>((resume) => {
        const { millis } = duration.value as { readonly millis: number }
        const sleeper = { at: this.now + millis, wake: () => resume(Effect.void) }
        this.sleepers.push(sleeper)
        return Effect.sync(() => {
          this.sleepers = this.sleepers.filter((other) => other !== sleeper)
        })
      })
  } as unknown as Clock.Clock

  async pass(millis: number): Promise<void> {
    const end = this.now + millis
    for (;;) {
      await idle()
      const next = this.sleepers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      this.now = Math.max(this.now, next.at)
      this.sleepers = this.sleepers.filter((sleeper) => sleeper !== next)
      next.wake()
    }
    this.now = end
  }
}

const idle = async () => {
  for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => setImmediate(resolve))
}

describe("Deadlines", () => {
  it.scoped("are kept exactly, whatever the order they came in", () =>
    Effect.gen(function* () {
      const { deadlines, log, note } = yield* setUp
      for (const millis of [500, 10, 300, 10, 299, 0, 1000]) deadlines.add(note(`${millis}`, millis))
      yield* TestClock.adjust(9)
      assert.deepStrictEqual(log, ["0 at 0"])
      yield* TestClock.adjust(1)
      yield* TestClock.adjust(289)
      yield* TestClock.adjust(1)
      yield* TestClock.adjust(10_000)
      assert.deepStrictEqual(log, [
        "0 at 0",
        "10 at 10",
        "10 at 10",
        "299 at 299",
        "300 at 300",
        "500 at 500",
        "1000 at 1000"
      ])
    })
  )

  it.scoped("wake by themselves, each at its time, while time passes in one go", () =>
    Effect.gen(function* () {
      const manual = new ManualClock()
      const log: Array<string> = []
      const deadlines = yield* Effect.withClock(make, manual.clock)
      for (const millis of [30, 10, 20, 10]) deadlines.add(noting(log, `${millis}`, millis, () => manual.now))
      yield* Effect.promise(() => manual.pass(100))
      assert.deepStrictEqual(log, ["10 at 10", "10 at 10", "20 at 20", "30 at 30"])
      assert.strictEqual(manual.sleeping, 0)
    })
  )

  it.scoped("an infinite one never comes", () =>
    Effect.gen(function* () {
      const { deadlines, log, note } = yield* setUp
      deadlines.add(note("never", Number.POSITIVE_INFINITY))
      yield* TestClock.adjust("10000 days")
      assert.deepStrictEqual(log, [])
    })
  )

  it.scoped("one that is removed doesn't come, and may be added again", () =>
    Effect.gen(function* () {
      const { deadlines, log, note } = yield* setUp
      const again = note("again", 10)
      deadlines.remove(again)
      deadlines.add(again)
      yield* TestClock.adjust(5)
      deadlines.remove(again)
      yield* TestClock.adjust(5)
      assert.deepStrictEqual(log, [])
      deadlines.add(again)
      yield* TestClock.adjust(9)
      assert.deepStrictEqual(log, [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(log, ["again at 20"])
    })
  )

  it.scoped("one that removes another due in the same moment keeps it from coming", () =>
    Effect.gen(function* () {
      const { deadlines, log, note } = yield* setUp
      const second = note("second", 10)
      deadlines.add({ dueAt: 0, millis: 10, onDeadline: () => deadlines.remove(second) })
      deadlines.add(second)
      yield* TestClock.adjust(10)
      assert.deepStrictEqual(log, [])
    })
  )

  it.scoped("one may add itself again, an earlier one, and one that is due at once", () =>
    Effect.gen(function* () {
      const { deadlines, log, note, now } = yield* setUp
      let beats = 0
      const beat: Expiring = {
        dueAt: 0,
        millis: 100,
        onDeadline: () => {
          log.push(`beat at ${now()}`)
          if (++beats < 3) deadlines.add(beat)
          deadlines.add(note("now", 0))
        }
      }
      deadlines.add(note("later", 1000))
      deadlines.add(beat)
      for (let i = 0; i < 4; i++) yield* TestClock.adjust(100)
      assert.deepStrictEqual(log, [
        "beat at 100",
        "now at 100",
        "beat at 200",
        "now at 200",
        "beat at 300",
        "now at 300"
      ])
    })
  )

  it.effect("nothing comes once the scope is closed, and nothing sleeps on", () =>
    Effect.gen(function* () {
      const counting = yield* countingSleeps
      const scope = yield* Scope.make()
      const log: Array<string> = []
      const deadlines = yield* make.pipe(Effect.withClock(counting.clock), Scope.extend(scope))
      const now = () => counting.clock.unsafeCurrentTimeMillis()
      for (const millis of [50, 20, 10, 30]) deadlines.add(noting(log, `${millis}`, millis, now))
      yield* TestClock.adjust(10)
      assert.deepStrictEqual([log, counting.sleeping], [["10 at 10"], 1])
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(counting.sleeping, 0)
      deadlines.add(noting(log, "late", 5, now))
      yield* TestClock.adjust(1000)
      assert.deepStrictEqual([log, counting.sleeping], [["10 at 10"], 0])
    })
  )

  it.effect("one that closes the scope is the last that comes", () =>
    Effect.gen(function* () {
      const counting = yield* countingSleeps
      const scope = yield* Scope.make()
      const log: Array<string> = []
      const deadlines = yield* make.pipe(Effect.withClock(counting.clock), Scope.extend(scope))
      const now = () => counting.clock.unsafeCurrentTimeMillis()
      deadlines.add({ dueAt: 0, millis: 10, onDeadline: () => Effect.runFork(Scope.close(scope, Exit.void)) })
      deadlines.add(noting(log, "same moment", 10, now))
      deadlines.add(noting(log, "later", 20, now))
      yield* TestClock.adjust(10)
      yield* TestClock.adjust(1000)
      assert.deepStrictEqual([log, counting.sleeping], [[], 0])
    })
  )

  it.effect("made where nothing can be interrupted, they end with their scope all the same", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const deadlines = yield* Effect.uninterruptible(Scope.extend(make, scope))
      deadlines.add({ dueAt: 0, millis: 1_000_000, onDeadline: () => {} })
      yield* Scope.close(scope, Exit.void)
    })
  )

  it.scoped("use one sleeper for ten thousand", () =>
    Effect.gen(function* () {
      const counting = yield* countingSleeps
      const deadlines = yield* Effect.withClock(make, counting.clock)
      let called = 0
      for (let i = 0; i < 10_000; i++) {
        deadlines.add({ dueAt: 0, millis: 1000 - (i % 100), onDeadline: () => called++ })
      }
      yield* TestClock.adjust(0)
      assert.strictEqual(counting.sleeping, 1)
      yield* TestClock.adjust(1000)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual([called, counting.sleeping], [10_000, 0])
    })
  )

  it("agree with the simplest model, whatever is added and removed, and when", async () => {
    await FastCheck.assert(
      FastCheck.asyncProperty(steps, async (script) => {
        const manual = new ManualClock()
        const scope = Effect.runSync(Scope.make())
        const deadlines: Deadlines = Effect.runSync(make.pipe(Effect.withClock(manual.clock), Scope.extend(scope)))
        const log: Array<string> = []
        const waiting = new Map<number, Expiring>()
        for (const step of script) {
          if (step.do === "add" && !waiting.has(step.id)) {
            const expiring: Expiring = {
              dueAt: 0,
              millis: step.millis,
              onDeadline: () => {
                waiting.delete(step.id)
                log.push(`${step.id} at ${manual.now}`)
              }
            }
            waiting.set(step.id, expiring)
            deadlines.add(expiring)
          }
          const expiring = step.do === "remove" ? waiting.get(step.id) : undefined
          if (expiring !== undefined && step.do === "remove") {
            waiting.delete(step.id)
            deadlines.remove(expiring)
          }
          if (step.do === "pass") await manual.pass(step.millis)
        }
        assert.deepStrictEqual(log.sort(), model(script))
        await Effect.runPromise(Scope.close(scope, Exit.void))
        assert.strictEqual(manual.sleeping, 0)
      }),
      { numRuns: 200 }
    )
  }, 20_000)

  it.effect("are kept whatever the wall clock does", () =>
    Effect.gen(function* () {
      const test = yield* Effect.clock
      let wall = 1_000_000
      const clock = {
        [Clock.ClockTypeId]: Clock.ClockTypeId,
        unsafeCurrentTimeMillis: () => wall,
        unsafeCurrentTimeNanos: () => test.unsafeCurrentTimeNanos(),
        sleep: (duration: Parameters<typeof test.sleep>[0]) => test.sleep(duration)
      } as Clock.Clock
      const log: Array<string> = []
      const now = () => test.unsafeCurrentTimeMillis()
      const deadlines = yield* make.pipe(Effect.withClock(clock))
      deadlines.add(noting(log, "before", 2000, now))
      wall -= 3_600_000
      deadlines.add(noting(log, "after", 1000, now))
      yield* TestClock.adjust(1000)
      wall += 7_200_000
      deadlines.add(noting(log, "ahead", 5000, now))
      yield* TestClock.adjust(5000)
      assert.deepStrictEqual(log, ["after at 1000", "before at 2000", "ahead at 6000"])
    }).pipe(Effect.scoped)
  )

  it.live("after a stall are judged once what has arrived is read, and are told how late they come", () =>
    Effect.gen(function* () {
      const deadlines = yield* make
      const { near, far } = yield* pipe
      const order: Array<string> = []
      yield* Effect.async<void>((resume) => {
        near.once("data", () => {
          order.push("read")
        })
        deadlines.add({
          dueAt: 0,
          millis: 20,
          onDeadline: (lateMillis) => {
            order.push(lateMillis > 100 ? "judged late" : `judged ${lateMillis} ms late`)
            resume(Effect.void)
          }
        })
        far.write("in time")
        const end = performance.now() + 200
        while (performance.now() < end);
      })
      assert.deepStrictEqual(order, ["read", "judged late"])
    }).pipe(Effect.scoped)
  )
})
