/** Fibers that yield at a given step, so that a test says what happens meanwhile. */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Scheduler from "effect/Scheduler"

/** Runs the effect, which yields before its n-th step; `happens` is called then. Its exit, null where it still waits. */
export const yieldingAt = <A, E>(
  step: number,
  effect: Effect.Effect<A, E>,
  happens: () => void
): Exit.Exit<A, E> | null => {
  const tasks: Array<() => void> = []
  let steps = 0
  const scheduler: Scheduler.Scheduler = {
    shouldYield: () => (++steps === step ? 0 : false),
    scheduleTask: (task) => void tasks.push(task)
  }
  const fiber = Effect.runFork(effect, { scheduler })
  while (steps < step && tasks.length > 0) tasks.shift()?.()
  happens()
  while (tasks.length > 0) tasks.shift()?.()
  return fiber.unsafePoll()
}
