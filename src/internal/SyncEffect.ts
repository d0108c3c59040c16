/**
 * Composition that needs no fiber where an effect has already ended (an `Exit`, or the `Either` of a synchronous Schema)
 * or waits without one ({@link CallbackEffect}). Any other composes as usual.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import { andThen, CallbackEffect } from "./CallbackEffect.js"
import { isExit } from "./Exits.js"

/**
 * The effect's exit, if it has already ended.
 */
export const exitOf = <A, E, R>(effect: Effect.Effect<A, E, R>): Exit.Exit<A, E> | undefined => {
  if (isExit(effect)) return effect
  if (!(effect instanceof CallbackEffect) && Either.isEither(effect)) {
    const either = effect as Either.Either<A, E>
    return Either.isRight(either) ? Exit.succeed(either.right) : Exit.fail(either.left)
  }
  return undefined
}

/**
 * `Effect.flatMap`.
 */
export const flatMap = <A, E, B, E2>(
  effect: Effect.Effect<A, E>,
  f: (value: A) => Effect.Effect<B, E2>
): Effect.Effect<B, E | E2> => {
  const exit = exitOf(effect)
  if (exit !== undefined) return Exit.isSuccess(exit) ? f(exit.value) : Exit.failCause(exit.cause)
  if (effect instanceof CallbackEffect) return andThen(effect as CallbackEffect<A, E>, (ended) => flatMap(ended, f))
  return Effect.flatMap(effect, f)
}

/**
 * `Effect.mapError`.
 */
export const mapError = <A, E, E2>(effect: Effect.Effect<A, E>, f: (error: E) => E2): Effect.Effect<A, E2> => {
  const exit = exitOf(effect)
  // A success has no error whose type could change.
  if (exit !== undefined) return Exit.isSuccess(exit) ? (exit as Exit.Exit<A>) : Exit.mapError(exit, f)
  if (effect instanceof CallbackEffect) return andThen(effect as CallbackEffect<A, E>, (ended) => mapError(ended, f))
  return Effect.mapError(effect, f)
}

/**
 * `Effect.catchAll`.
 */
export const catchAll = <A, E, B, E2>(
  effect: Effect.Effect<A, E>,
  f: (error: E) => Effect.Effect<B, E2>
): Effect.Effect<A | B, E2> => {
  const exit = exitOf(effect)
  if (exit !== undefined) return Exit.isSuccess(exit) ? (exit as Exit.Exit<A>) : Effect.catchAll(effect, f)
  if (effect instanceof CallbackEffect) return andThen(effect as CallbackEffect<A, E>, (ended) => catchAll(ended, f))
  return Effect.catchAll(effect, f)
}
