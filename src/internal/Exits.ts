/**
 * Whether an effect is an `Exit`, asked for each message.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"

/**
 * `Exit.isExit`, in a third of the time where it is none: the tag is read, which V8 caches, before its prototypes are searched
 * for the type, which V8 doesn't. An error that can be yielded is no exit, although it may be tagged as one.
 */
export const isExit = <A, E, R>(effect: Effect.Effect<A, E, R>): effect is Exit.Exit<A, E> => {
  // A handler that no compiler has checked may return anything.
  const tag = (effect as { readonly _tag?: unknown } | null | undefined)?._tag
  return (tag === "Success" || tag === "Failure") && Effect.isEffect(effect) && !(effect instanceof Error)
}
