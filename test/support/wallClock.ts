import * as Effect from "effect/Effect"

/** Runs the effect with a wall clock that can be set back; monotonic time and sleeping are the test's. */
export const withWallClock = <A, E, R>(use: (setBack: (millis: number) => void) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(Effect.clock, (clock) => {
    let behind = 0
    const wallClock = Object.create(clock) as typeof clock
    wallClock.unsafeCurrentTimeNanos = () => clock.unsafeCurrentTimeNanos()
    wallClock.unsafeCurrentTimeMillis = () => clock.unsafeCurrentTimeMillis() - behind
    const currentTimeMillis = Effect.map(clock.currentTimeMillis, (millis) => millis - behind)
    Object.defineProperty(wallClock, "currentTimeMillis", { value: currentTimeMillis })
    const setBack = (millis: number) => {
      behind += millis
    }
    return Effect.withClock(use(setBack), wallClock)
  })
