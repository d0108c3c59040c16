import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Scope, Tracer } from "effect"
import { IPCServer } from "../../../src/IPCServer.js"
import { andThen, CallbackEffect } from "../../../src/internal/CallbackEffect.js"
import * as Execution from "../../../src/internal/Execution.js"
import * as InnerScope from "../../../src/internal/InnerScope.js"
import * as SyncEffect from "../../../src/internal/SyncEffect.js"
import type { OnEnd } from "../../../src/internal/Waiting.js"
import { makeEnds } from "../../support/pair.js"
import * as ScriptedWait from "../../support/scriptedWait.js"

/** An effect that ends when the test says so, and notes what is done with it. */
const scripted = () => ScriptedWait.scripted((begin) => new CallbackEffect(begin))

const atOnce = (result: Effect.Effect<number, string>) =>
  new CallbackEffect<number, string>((onEnd) => {
    onEnd(result)
    return undefined
  })

const throwing = new CallbackEffect<number, string>(() => {
  throw new Error("it can't begin")
})

const noFork = () => assert.fail("it took a fiber")

const ended = (running: Execution.Execution<number, string>): Effect.Effect<Exit.Exit<number, string>> =>
  Effect.async((resume) => running.observe((exit) => resume(Effect.succeed(exit))))

describe("in a fiber", () => {
  it.effect("ends as what it is called back with", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* atOnce(Exit.succeed(1)), 1)
      assert.strictEqual(yield* Effect.flip(atOnce(Exit.fail("no"))), "no")
      assert.strictEqual(yield* atOnce(Effect.as(Effect.yieldNow(), 1)), 1)
      assert.strictEqual(Cause.isDie(yield* Effect.cause(throwing)), true)
    })
  )

  it.effect("begins anew each time it is run", () => ScriptedWait.assertBeginsAnew(scripted()))

  for (const [how, run] of [
    ["by itself", (effect) => effect],
    [
      "in a generator",
      (effect) =>
        Effect.gen(function* () {
          return yield* effect
        })
    ]
  ] satisfies ReadonlyArray<[string, (effect: Effect.Effect<number, string>) => Effect.Effect<number, string>]>) {
    it.effect(`is abandoned, once, when it is interrupted, and then not heard: ${how}`, () =>
      Effect.gen(function* () {
        const { effect, end, log } = scripted()
        const fiber = yield* Effect.fork(run(effect))
        yield* Effect.yieldNow()
        const exit = yield* Fiber.interrupt(fiber)
        end(Exit.succeed(1))
        assert.isTrue(Exit.isInterrupted(exit))
        assert.deepStrictEqual(log, ["began", "abandoned"])
      })
    )

    it.effect(`isn't interrupted where its fiber can't be, but where a region of it can: ${how}`, () =>
      Effect.gen(function* () {
        const uninterruptible = scripted()
        const restored = scripted()
        const fiber = yield* Effect.fork(
          Effect.uninterruptibleMask((restore) =>
            Effect.zipRight(run(uninterruptible.effect), restore(run(restored.effect)))
          )
        )
        yield* Effect.yieldNow()
        yield* Fiber.interruptFork(fiber)
        yield* Effect.yieldNow()
        assert.deepStrictEqual([uninterruptible.log, restored.log], [["began"], []])
        uninterruptible.end(Exit.succeed(1))
        assert.isTrue(Exit.isInterrupted(yield* Fiber.await(fiber)))
        assert.deepStrictEqual([uninterruptible.log, restored.log], [["began"], []])

        const waiting = yield* Effect.fork(Effect.uninterruptibleMask((restore) => restore(run(restored.effect))))
        yield* Effect.yieldNow()
        assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(waiting)))
        assert.deepStrictEqual(restored.log, ["began", "abandoned"])
      })
    )
  }

  it.effect("interrupts what it was called back with", () =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(atOnce(Effect.zipRight(Deferred.succeed(started, undefined), Effect.never)))
      yield* Deferred.await(started)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
    })
  )
})

describe("Execution", () => {
  it("takes no fiber for what has ended, or waits to be called back", () => {
    const { effect, end } = scripted()
    const running = Execution.start(effect, noFork)
    const seen: Array<unknown> = []
    running.observe((exit) => seen.push(exit))
    assert.deepStrictEqual([running.exit, seen], [undefined, []])
    end(Exit.succeed(1))
    end(Exit.succeed(2))
    assert.deepStrictEqual([running.exit, seen], [Exit.succeed(1), [Exit.succeed(1)]])
    assert.deepStrictEqual(Execution.start(Exit.succeed(3), noFork).exit, Exit.succeed(3))
    assert.deepStrictEqual(Execution.start(atOnce(atOnce(Exit.fail("no"))), noFork).exit, Exit.fail("no"))
  })

  it("takes what can't begin, and what throws when it goes on, for a defect", () => {
    const unlucky = andThen<number, string, number, string>(atOnce(Exit.succeed(1)), () => {
      throw new Error("it can't go on")
    })
    for (const effect of [throwing, unlucky]) {
      const { exit } = Execution.start<number, string>(effect, noFork)
      assert.isTrue(exit !== undefined && Exit.isFailure(exit) && Cause.isDie(exit.cause))
    }
  })

  it.live("forks the rest of what goes on as an effect of another kind", () =>
    Effect.gen(function* () {
      const { effect, end } = scripted()
      const running = Execution.start(effect, (effect) => Effect.runFork(effect))
      end(Effect.delay(Effect.succeed(1), "1 millis"))
      assert.strictEqual(running.exit, undefined)
      assert.deepStrictEqual(yield* ended(running), Exit.succeed(1))
    })
  )

  it.live("interrupts the fiber it forked", () =>
    Effect.gen(function* () {
      const running = Execution.start<number, string>(Effect.never, (effect) => Effect.runFork(effect))
      running.interrupt()
      assert.isTrue(Exit.isInterrupted(yield* ended(running)))
    })
  )

  it("abandons what it interrupts without a fiber, and doesn't hear it any more", () => {
    const { effect, end, log } = scripted()
    const running = Execution.start(effect, noFork)
    running.interrupt()
    end(Exit.succeed(1))
    running.interrupt()
    assert.isTrue(running.exit !== undefined && Exit.isInterrupted(running.exit))
    assert.deepStrictEqual(log, ["began", "abandoned"])
  })
})

describe("Execution, called while an effect begins", () => {
  it("abandons the effect that it went on with at once", () => {
    const { effect, log } = scripted()
    const running = Execution.start(atOnce(effect), noFork)
    running.interrupt()
    assert.deepStrictEqual(log, ["began", "abandoned"])
  })

  it("abandons an effect that interrupts it as it begins", () => {
    const first = scripted()
    const log: Array<string> = []
    const running: Execution.Execution<number, string> = Execution.start(first.effect, noFork)
    first.end(
      new CallbackEffect<number, string>(() => {
        running.interrupt()
        return { abandon: () => log.push("abandoned") }
      })
    )
    assert.isTrue(running.exit !== undefined && Exit.isInterrupted(running.exit))
    assert.deepStrictEqual([first.log, log], [["began"], ["abandoned"]])
  })

  it.live("interrupts a fiber that interrupts it as it begins", () =>
    Effect.gen(function* () {
      const { effect, end } = scripted()
      const interrupted = yield* Deferred.make<void>()
      const running = Execution.start(effect, (effect) => Effect.runFork(effect))
      end(
        Effect.suspend(() => {
          running.interrupt()
          return Effect.never
        }).pipe(Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined)))
      )
      yield* Deferred.await(interrupted)
      assert.isTrue(Exit.isInterrupted(yield* ended(running)))
    })
  )
})

describe("a wait that can't be interrupted", () => {
  const promised = () => {
    const onEnds: Array<OnEnd<number, string>> = []
    const effect = new CallbackEffect<number, string>(
      (onEnd) => {
        onEnds.push(onEnd)
        return undefined
      },
      { interruptible: false, traced: false }
    )
    return { effect, end: (result: Effect.Effect<number, string>) => onEnds.at(-1)?.(result) }
  }

  it("goes on, and ends as it would have ended", () => {
    const { effect, end } = promised()
    const running = Execution.start(
      andThen(effect, (result) => result),
      noFork
    )
    running.interrupt()
    assert.strictEqual(running.exit, undefined)
    end(Exit.succeed(1))
    assert.deepStrictEqual(running.exit, Exit.succeed(1))
  })

  it.live("is interrupted in what comes after it", () =>
    Effect.gen(function* () {
      const { effect, end } = promised()
      const running = Execution.start(effect, (effect) => Effect.runFork(effect))
      end(Effect.never)
      running.interrupt()
      assert.isTrue(Exit.isInterrupted(yield* ended(running)))
    })
  )

  it.effect("is so in a fiber, too", () =>
    Effect.gen(function* () {
      const { effect, end } = promised()
      const fiber = yield* Effect.fork(effect)
      yield* Effect.yieldNow()
      yield* Fiber.interruptFork(fiber)
      yield* Effect.yieldNow()
      end(Exit.succeed(1))
      assert.deepStrictEqual(yield* Fiber.await(fiber), Exit.succeed(1))
    })
  )

  it("needs no fiber to belong to a trace", () => {
    const { effect, end } = promised()
    const span = Tracer.externalSpan({ traceId: "1".repeat(32), spanId: "1".repeat(16) })
    const running = Execution.start(effect, noFork, span)
    end(Exit.succeed(1))
    assert.deepStrictEqual(running.exit, Exit.succeed(1))
  })
})

describe("a handler that waits without a fiber", () => {
  const Ask = IPCServer.defineRequest<number, number>("ask")

  /** Two ends, one of whose handlers waits without a fiber, and has been asked. */
  const asked = Effect.gen(function* () {
    const { far, near } = yield* makeEnds()
    const { effect, end, log } = scripted()
    const began = yield* Deferred.make<void>()
    const scope = yield* InnerScope.make
    yield* Scope.extend(
      far.handle(Ask, () => {
        Deferred.unsafeDone(began, Exit.void)
        return effect
      }),
      scope
    )
    const request = yield* Effect.fork(near.socket.request(Ask, 1))
    yield* Deferred.await(began)
    return { far, near, end, log, request, unregister: Scope.close(scope, Exit.void) }
  })

  it.scoped("answers when it is called back", () =>
    Effect.gen(function* () {
      const { end, log, request } = yield* asked
      end(Exit.succeed(2))
      assert.strictEqual(yield* Fiber.join(request), 2)
      assert.deepStrictEqual(log, ["began"])
    })
  )

  it.scoped("is abandoned when the request is interrupted, and answers nothing", () =>
    Effect.gen(function* () {
      const { end, far, log, near, request } = yield* asked
      yield* Fiber.interrupt(request)
      yield* Effect.repeatN(Effect.yieldNow(), 10)
      end(Exit.succeed(2))
      yield* Effect.repeatN(Effect.yieldNow(), 10)
      assert.deepStrictEqual([log, far.socket.held.inFlight, near.socket.state], [["began", "abandoned"], 0, "open"])
    })
  )

  it.scoped("is abandoned when its scope closes, and says so", () =>
    Effect.gen(function* () {
      const { log, request, unregister } = yield* asked
      yield* unregister
      const error = yield* Effect.flip(Fiber.join(request))
      assert.deepStrictEqual(
        [error._tag, error.message.includes("the handler was interrupted")],
        ["RequestFailed", true]
      )
      assert.deepStrictEqual(log, ["began", "abandoned"])
    })
  )

  it.scoped("is abandoned when the connection ends", () =>
    Effect.gen(function* () {
      const { far, log, near, request } = yield* asked
      yield* near.socket.close({ code: 1000, reason: "done" })
      assert.strictEqual((yield* Effect.flip(Fiber.join(request)))._tag, "ConnectionClosed")
      yield* far.socket.closed
      assert.deepStrictEqual([log, far.socket.held.inFlight], [["began", "abandoned"], 0])
    })
  )

  it.scoped("passes a request on, and its cancellation too", () =>
    Effect.gen(function* () {
      const front = yield* makeEnds()
      const back = yield* makeEnds()
      const started = yield* Deferred.make<void>()
      const interrupted = yield* Deferred.make<void>()
      yield* front.far.handle(Ask, (value) => back.near.socket.request(Ask, value))
      yield* back.far.handle(Ask, (value) =>
        value === 1
          ? Effect.succeed(2)
          : Deferred.succeed(started, undefined).pipe(
              Effect.zipRight(Effect.never),
              Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
            )
      )
      assert.strictEqual(yield* front.near.socket.request(Ask, 1), 2)
      const request = yield* Effect.fork(front.near.socket.request(Ask, 3))
      yield* Deferred.await(started)
      yield* Fiber.interrupt(request)
      yield* Deferred.await(interrupted)
    })
  )
})

describe("SyncEffect", () => {
  const composed = (effect: Effect.Effect<number, string>) =>
    SyncEffect.flatMap(
      SyncEffect.catchAll(
        SyncEffect.mapError(effect, (error) => error.length),
        (length) => (length > 3 ? Exit.fail(length) : Exit.succeed(length))
      ),
      (value) => Exit.succeed(value * 10)
    )

  it.effect("composes what has ended, what waits without a fiber, and any other effect alike", () =>
    Effect.gen(function* () {
      for (const [result, expected] of [
        [Exit.succeed(7), Exit.succeed(70)],
        [Exit.fail("no"), Exit.succeed(20)],
        [Exit.fail("never"), Exit.fail(5)]
      ] as const) {
        for (const effect of [result, atOnce(result), Effect.suspend(() => result)]) {
          assert.deepStrictEqual(yield* Effect.exit(composed(effect)), expected)
        }
        assert.instanceOf(composed(atOnce(result)), CallbackEffect)
      }
    })
  )
})
