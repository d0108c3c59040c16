/**
 * Time that setting the wall clock doesn't change, and limits that a stall of this process doesn't use up.
 *
 * @internal
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { onNextTurn } from "./NextTurn.js"

/** Milliseconds, with fractions; only differences mean anything. */
export const millisOf = (clock: Clock.Clock): number => Number(clock.unsafeCurrentTimeNanos()) / 1e6

/**
 * `Effect.timeoutFail` that judges nothing by time in which this process didn't run: what has arrived meanwhile is read
 * first. While the process is stalled again and again the limit is up to four times as long.
 */
export const timeoutFail =
  <E2>(options: { readonly duration: Duration.DurationInput; readonly onTimeout: () => E2 }) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | E2, R> =>
    Effect.raceFirst(
      Effect.interruptible(effect),
      Effect.interruptible(
        Effect.flatMap(sleepRunning(Duration.toMillis(options.duration)), () => Effect.fail(options.onTimeout()))
      )
    )

const sleepRunning = (millis: number): Effect.Effect<void> =>
  Effect.clockWith((clock) => {
    const sleep = (left: number): Effect.Effect<void> =>
      Effect.suspend(() => {
        if (left <= 0) return Effect.void
        const slice = Math.min(left, sliceMillis)
        const wakeAt = millisOf(clock) + slice
        return Effect.flatMap(clock.sleep(Duration.millis(slice)), () =>
          sleep(left - (millisOf(clock) - wakeAt > stalledMillis ? slice / 4 : slice))
        )
      })
    return sleep(millis)
  })

const sliceMillis = 250

/** A timer that is later than this, in milliseconds, tells that the process was stalled. */
export const stalledMillis = 20

/**
 * Calls back once what has arrived at this process has been read: timers run before input does, so after a stall a
 * deadline would otherwise be judged before the response that came in time. Twice, since one turn may only accept what
 * the next one reads.
 */
export const afterReading = (callback: () => void): void => {
  onNextTurn(() => onNextTurn(callback))
}
