import * as Effect from "effect/Effect"

/** Once garbage has been collected, and what its finalizers release, too. Needs `--expose-gc`. */
export const collectGarbage: Effect.Effect<void> = Effect.suspend(() => Effect.repeatN(collectOnce, 2))

const collectOnce = Effect.async<void>((resume) => {
  finalizers.register({}, () => resume(Effect.void))
  // Not in this turn, which may still hold what is registered.
  setImmediate(globalThis.gc as () => void)
})

const finalizers = new FinalizationRegistry<() => void>((finalized) => finalized())
