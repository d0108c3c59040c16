/**
 * Releases that wait for others, for a bounded time.
 *
 * @internal
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** In a fiber of its own, since a release can't be interrupted, and so can't time out. */
export const boundedRelease = (release: Effect.Effect<unknown>, timeout: Duration.DurationInput): Effect.Effect<void> =>
  Effect.flatMap(Effect.forkDaemon(Effect.interruptible(Effect.timeoutOption(release, timeout))), (fiber) =>
    Effect.asVoid(Fiber.await(fiber))
  )
