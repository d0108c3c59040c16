/**
 * Functions that give an effect, whatever happens.
 *
 * @internal
 */
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** The effect that `f` returns; what `f` throws becomes a defect instead of reaching the caller. */
export const total = <A, E>(f: () => Effect.Effect<A, E>): Effect.Effect<A, E> => {
  try {
    return f()
  } catch (defect) {
    return Exit.die(defect)
  }
}
