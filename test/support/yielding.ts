/** Fibers that yield at a given step, so that a test says what happens meanwhile. */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Scheduler from "effect/Scheduler"

/** A scheduler whose fiber yields before its n-th step, or never. What it has scheduled runs when the test says so. */
export const steppedBy = (step?: number) => {
  const tasks: Array<() => void> = []
  let steps = 0
  const scheduler: Scheduler.Scheduler = {
    shouldYield: () => (++steps === step ? 0 : false),
    scheduleTask: (task) => void tasks.push(task)
  }
  const runWhile = (goesOn: () => boolean) => {
    while (tasks.length > 0 && goesOn()) tasks.shift()?.()
  }
  return {
    scheduler,
    runToStep: () => runWhile(() => step === undefined || steps < step),
    flush: () => runWhile(() => true)
  }
}

/** Runs the effect, which yields before its n-th step; `happens` is called then. Its exit, null where it still waits. */
export const yieldingAt = <A, E>(
  step: number,
  effect: Effect.Effect<A, E>,
  happens: () => void
): Exit.Exit<A, E> | null => {
  const { flush, runToStep, scheduler } = steppedBy(step)
  const fiber = Effect.runFork(effect, { scheduler })
  runToStep()
  happens()
  flush()
  return fiber.unsafePoll()
}
