/**
 * A scope within another, which closes in its turn among that one's finalizers.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"

export const make: Effect.Effect<Scope.CloseableScope, never, Scope.Scope> = Effect.acquireRelease(
  Scope.make(),
  Scope.close
)
