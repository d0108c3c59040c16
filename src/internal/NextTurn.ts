/**
 * The next turn of the event loop, when it has looked for input. Timers wouldn't do: one that falls due while others run
 * is run in the same turn.
 *
 * @internal
 */
import * as Effect from "effect/Effect"

type Schedule = (callback: () => void) => unknown

/** As it is when this is loaded: a test may replace the global timers by its own. */
export const onNextTurn: Schedule =
  (globalThis as { readonly setImmediate?: Schedule }).setImmediate ?? ((callback) => setTimeout(callback, 0))

/** Lets the event loop do its other work. */
export const nextTurn: Effect.Effect<void> = Effect.async((resume) => void onNextTurn(() => resume(Effect.void)))
