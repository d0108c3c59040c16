/**
 * A fiber's wait to be called back, which can be interrupted.
 *
 * Composed of Effect's public functions it takes a fiber ten steps, seven of them only to learn of an interruption, and a small
 * request a sixth to a third of its time. Effect's runtime needs one step, but doesn't publish it. So what is used of that runtime
 * is tried once, and where it isn't as expected, the wait is composed.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as RuntimeFlags from "effect/RuntimeFlags"
import * as RuntimeFlagsPatch from "effect/RuntimeFlagsPatch"
import { isExit } from "./Exits.js"
import * as ResumedFibers from "./ResumedFibers.js"
import { total } from "./Total.js"
import type { Begin, OnEnd, Waiting } from "./Waiting.js"

/** Waits for what is begun, and abandons it where the fiber is interrupted. */
export const make = <A, E>(begin: Begin<A, E>): Effect.Effect<A, E> => {
  isKnown ??= probe()
  return isKnown ? direct(begin) : composed(begin)
}

let isKnown: boolean | undefined

/** By one step of the fiber. */
export const direct = <A, E>(begin: Begin<A, E>): Effect.Effect<A, E> =>
  step((resume) => {
    const fiber = currentFiber()
    let waiting: Waiting | undefined
    const onEnd: OnEnd<A, E> = (result) => {
      if (fiber === undefined) return resume(result)
      const ended = isExit(result) || waiting === undefined ? result : orAbandon(fiber, result, waiting)
      ResumedFibers.resume(fiber, resume, ended)
    }
    waiting = begin(onEnd, fiber)
    if (waiting === undefined || fiber?._asyncInterruptor !== resume) return
    // V8 would allocate a function that is assigned at once in its old generation.
    const onInterrupt = (interruption: Exit.Exit<never>): void =>
      resume(
        total(() => {
          waiting?.abandon()
          return interruption
        })
      )
    fiber._asyncInterruptor = onInterrupt
  })

/**
 * A fiber that is resumed and then interrupted never begins what it is resumed with. What that was to end, such as a span, is
 * abandoned with the fiber's end.
 */
const orAbandon = <A, E>(
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  result: Effect.Effect<A, E>,
  waiting: Waiting
): Effect.Effect<A, E> => {
  const abandon = () => waiting.abandon()
  fiber.addObserver(abandon)
  return Effect.suspend(() => {
    fiber.removeObserver(abandon)
    return result
  })
}

/** `Effect.async` with a canceller, in half as many steps of the fiber. */
export const composed = <A, E>(begin: Begin<A, E>): Effect.Effect<A, E> => {
  let waiting: Waiting | undefined
  const ended = Effect.async<A, E>((resume) => {
    waiting = begin(resume, currentFiber())
  })
  return Effect.withRuntimeFlagsPatch(
    Effect.catchAllCause(Effect.withRuntimeFlagsPatch(ended, asTheCaller), (cause) => {
      waiting?.abandon()
      return Effect.failCause(cause)
    }),
    evenIfInterrupted
  )
}

/**
 * In wind-down mode a fiber goes on although it has been interrupted, and its `Interruption` flag stays: where that mode ends,
 * the caller's own setting holds again, without a step of the fiber to look it up.
 */
const evenIfInterrupted = RuntimeFlagsPatch.enable(RuntimeFlags.WindDown)
const asTheCaller = RuntimeFlagsPatch.disable(RuntimeFlags.WindDown)

/** What a fiber that waits is interrupted by; null where it can't be interrupted. */
interface Interruptible {
  _asyncInterruptor: ((interruption: Exit.Exit<never>) => void) | null
}

const currentFiber = () => Option.getOrUndefined(Fiber.getCurrentFiber()) as CurrentFiber | undefined

type CurrentFiber = Omit<Fiber.RuntimeFiber<unknown, unknown>, keyof ResumedFibers.Scheduled> &
  ResumedFibers.Scheduled &
  Interruptible

type Register<A, E> = (resume: OnEnd<A, E>) => void

/** The instruction of Effect's runtime by which a fiber waits. */
class Step<A, E> {
  constructor(readonly effect_instruction_i0: Register<A, E>) {}
}
Object.setPrototypeOf(
  Step.prototype,
  Object.assign(Object.create(Effectable.EffectPrototype), { _op: "Async", effect_instruction_i1: FiberId.none })
)

const step = <A, E>(register: Register<A, E>) => new Step(register) as unknown as Effect.Effect<A, E>

/** Whether a fiber runs the step as one, is interrupted by what the step is given to resume it, and can be scheduled. */
export const probe = (): boolean => {
  let isAsExpected = false
  const exit = Effect.runSyncExit(
    step<void, never>((resume) => {
      const fiber = currentFiber()
      isAsExpected = fiber?._asyncInterruptor === resume && ResumedFibers.canSchedule(fiber)
      resume(Exit.void)
    })
  )
  return isAsExpected && Exit.isSuccess(exit)
}
