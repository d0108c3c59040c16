/**
 * Waiting by turns of the event loop, in each of which this process's sockets are looked at.
 */
import * as Effect from "effect/Effect"

const turn = Effect.async<void>((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})

/** Waits until it is so. */
export const untilSo = (isSo: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (isSo() ? Effect.void : Effect.zipRight(turn, untilSo(isSo))))

/** Waits until the number has stayed the same for a hundred turns: what changes it is blocked. */
export const untilConstant = (look: () => number): Effect.Effect<void> => {
  const from = (before: number, turns: number): Effect.Effect<void> =>
    Effect.flatMap(turn, () => {
      const now = look()
      if (now !== before) return from(now, 0)
      return turns === 100 ? Effect.void : from(now, turns + 1)
    })
  return Effect.suspend(() => from(look(), 0))
}
