/**
 * Composition that needs no fiber where an effect has already ended: an `Exit`, or the `Either` of a synchronous Schema.
 * What hasn't ended composes as usual.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"

/**
 * The effect's exit, if it has already ended.
 *
 * @since 0.1.0
 * @category getters
 */
export const exitOf = <A, E, R>(effect: Effect.Effect<A, E, R>): Exit.Exit<A, E> | undefined => {
  // An error that can be yielded is an effect too, and may be tagged as an Exit is.
  if (Exit.isExit(effect) && !(effect instanceof Error)) return effect as Exit.Exit<A, E>
  if (Either.isEither(effect)) {
    const either = effect as Either.Either<A, E>
    return Either.isRight(either) ? Exit.succeed(either.right) : Exit.fail(either.left)
  }
  return undefined
}

/**
 * `Effect.flatMap`, at once where the effect has already succeeded.
 *
 * @since 0.1.0
 * @category sequencing
 */
export const flatMap = <A, E, R, B, E2, R2>(
  effect: Effect.Effect<A, E, R>,
  f: (value: A) => Effect.Effect<B, E2, R2>
): Effect.Effect<B, E | E2, R | R2> => {
  const exit = exitOf(effect)
  if (exit === undefined) return Effect.flatMap(effect, f)
  return Exit.isSuccess(exit) ? f(exit.value) : Exit.failCause(exit.cause)
}

/**
 * `Effect.mapError`, at once where the effect has already succeeded.
 *
 * @since 0.1.0
 * @category errors
 */
export const mapError = <A, E, R, E2>(effect: Effect.Effect<A, E, R>, f: (error: E) => E2): Effect.Effect<A, E2, R> => {
  const exit = exitOf(effect)
  if (exit === undefined) return Effect.mapError(effect, f)
  // A success has no error whose type could change.
  return Exit.isSuccess(exit) ? (exit as Exit.Exit<A>) : Exit.mapError(exit, f)
}

/**
 * `Effect.catchAll`, at once where the effect has already succeeded.
 *
 * @since 0.1.0
 * @category errors
 */
export const catchAll = <A, E, R, B, E2, R2>(
  effect: Effect.Effect<A, E, R>,
  f: (error: E) => Effect.Effect<B, E2, R2>
): Effect.Effect<A | B, E2, R | R2> => {
  const exit = exitOf(effect)
  return exit !== undefined && Exit.isSuccess(exit) ? (exit as Exit.Exit<A>) : Effect.catchAll(effect, f)
}
