/**
 * Values that are in a list until their scopes close.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/**
 * @internal
 */
export interface ScopedList<A> {
  /** In the order they were added. Replaced, never changed. */
  readonly values: ReadonlyArray<A>
  readonly add: (value: A) => Effect.Effect<void, never, Scope.Scope>
}

/**
 * An empty list.
 *
 * @internal
 */
export const make = <A>(): ScopedList<A> => {
  const list = {
    values: [] as ReadonlyArray<A>,
    add: (value: A) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          list.values = [...list.values, value]
        }),
        () =>
          Effect.sync(() => {
            const at = list.values.indexOf(value)
            list.values = list.values.filter((_, index) => index !== at)
          })
      )
  }
  return list
}
