/**
 * A clock that neither TestClock nor a test framework's fake timers change: for processes and sockets that a test started.
 *
 * @internal
 */
import { performance } from "node:perf_hooks"
import { clearTimeout, setTimeout } from "node:timers"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** Milliseconds since the process started. Fake timers replace globals and members; what is bound here stays. */
export const elapsedMillis: () => number = performance.now.bind(performance)

const origin = performance.timeOrigin

const unsafeCurrentTimeMillis = (): number => Math.round(origin + elapsedMillis())

const unsafeCurrentTimeNanos = (): bigint =>
  BigInt(Math.round(origin)) * 1_000_000n + BigInt(Math.round(elapsedMillis() * 1_000_000))

const schedule = (task: () => void, duration: Duration.Duration): (() => boolean) => {
  const millis = Duration.toMillis(duration)
  // A timer takes no more; what is longer is infinite, as for Effect's own clock.
  if (millis > MAX_MILLIS) return () => false
  let done = false
  const timer = setTimeout(() => {
    done = true
    task()
  }, millis)
  return () => {
    clearTimeout(timer)
    return !done
  }
}

/** The machine's time, which is monotonic from the start of the process. */
const realClock: Clock.Clock = {
  [Clock.ClockTypeId]: Clock.ClockTypeId,
  unsafeCurrentTimeMillis,
  unsafeCurrentTimeNanos,
  currentTimeMillis: Effect.sync(unsafeCurrentTimeMillis),
  currentTimeNanos: Effect.sync(unsafeCurrentTimeNanos),
  sleep: (duration) =>
    Effect.async<void>((resume) => {
      const cancel = schedule(() => resume(Effect.void), duration)
      return Effect.sync(cancel)
    })
}

/** Runs the effect on the real clock, whatever the test's. */
export const realTime = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withClock(effect, realClock)

const MAX_MILLIS = 2 ** 31 - 1
