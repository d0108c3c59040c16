/**
 * A clock on which sleeps of one length end when the test says so. Everything else is as on the real one, which sockets need.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

export const make = (length: Duration.DurationInput) =>
  Effect.gen(function* () {
    const real = Clock.make()
    const elapsed = yield* Effect.makeLatch()
    let waiting = 0
    const held = Effect.suspend(() => {
      waiting++
      return Effect.ensuring(
        elapsed.await,
        Effect.sync(() => {
          waiting--
        })
      )
    })
    const clock: Clock.Clock = {
      ...real,
      unsafeCurrentTimeMillis: () => real.unsafeCurrentTimeMillis(),
      unsafeCurrentTimeNanos: () => real.unsafeCurrentTimeNanos(),
      sleep: (duration) => (Duration.equals(duration, length) ? held : real.sleep(duration))
    }
    return {
      clock,
      /** How many sleep for that length now. */
      waiting: () => waiting,
      /** Ends their sleep. */
      elapse: elapsed.release
    }
  })
