/**
 * Many deadlines, one sleeping fiber: a deadline costs a place in a linked list, not a timer and a fiber of its own. Time
 * is the Clock of the fiber that makes it, so a TestClock drives every deadline; and it is monotonic.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type * as Scope from "effect/Scope"
import type { Linked } from "./LinkedList.js"
import * as LinkedList from "./LinkedList.js"
import * as MonotonicTime from "./MonotonicTime.js"
import * as RunFork from "./RunFork.js"

/**
 * What waits for a deadline, listed among those that wait equally long. It is its own handle: the same object is given to
 * `add` and to `remove`.
 */
export interface Expiring extends Linked {
  /** When it is due, in monotonic milliseconds; infinite once removed. Set by `add` and `remove`. */
  dueAt: number
  /** How long it waits, in milliseconds. */
  readonly millis: number
  /**
   * Called once when the deadline passes, with how many milliseconds too late: this process was stalled then. Must not
   * throw.
   */
  readonly onDeadline: (lateMillis: number) => void
}

export interface Deadlines {
  readonly add: (expiring: Expiring) => void
  readonly remove: (expiring: Expiring) => void
}

/** Deadlines that end with the scope: what still waits then is never called. */
export const make: Effect.Effect<Deadlines, never, Scope.Scope> = Effect.gen(function* () {
  const clock = yield* Effect.clock
  const runFork = yield* RunFork.make()

  // Those that wait equally long are due in the order they came, so each duration's list is sorted by itself.
  const byDuration = new Map<number, LinkedList.LinkedList<Expiring>>()
  let sleeper: Fiber.RuntimeFiber<void> | undefined
  let wakeAt = Number.POSITIVE_INFINITY
  let closed = false

  const sleepUntil = (time: number, now: number) => {
    if (sleeper !== undefined) sleeper.unsafeInterruptAsFork(FiberId.none)
    wakeAt = time
    sleeper = runFork(
      Effect.flatMap(clock.sleep(Duration.millis(Math.max(Math.ceil(time - now), 0))), () => Effect.sync(onWake))
    )
  }

  const onWake = () => {
    const late = MonotonicTime.millisOf(clock) - wakeAt
    sleeper = undefined
    wakeAt = Number.POSITIVE_INFINITY
    if (late > MonotonicTime.stalledMillis) MonotonicTime.afterReading(sweep)
    else sweep()
  }

  const sweep = () => {
    if (closed) return
    const now = MonotonicTime.millisOf(clock)
    const due: Array<Expiring> = []
    let next = Number.POSITIVE_INFINITY
    for (const [millis, list] of byDuration) {
      let { first } = list
      for (; first !== undefined && first.dueAt <= now; first = list.first) {
        LinkedList.remove(first)
        due.push(first)
      }
      if (first === undefined) byDuration.delete(millis)
      else next = Math.min(next, first.dueAt)
    }
    if (next < Number.POSITIVE_INFINITY) sleepUntil(next, now)
    for (const expiring of due) {
      // One that came before may have removed it, or closed the scope.
      if (expiring.dueAt <= now && !closed) expiring.onDeadline(now - expiring.dueAt)
    }
  }

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      closed = true
      byDuration.clear()
      return sleeper === undefined ? Effect.void : Fiber.interrupt(sleeper)
    })
  )

  return {
    add: (expiring) => {
      if (closed || expiring.millis === Number.POSITIVE_INFINITY) return
      const now = MonotonicTime.millisOf(clock)
      expiring.dueAt = now + expiring.millis
      let list = byDuration.get(expiring.millis)
      if (list === undefined) {
        list = new LinkedList.LinkedList()
        byDuration.set(expiring.millis, list)
      }
      list.add(expiring)
      if (expiring.dueAt < wakeAt) sleepUntil(expiring.dueAt, now)
    },
    remove: (expiring) => {
      LinkedList.remove(expiring)
      expiring.dueAt = Number.POSITIVE_INFINITY
    }
  }
})
