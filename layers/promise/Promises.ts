/**
 * Promises that may be left alone: one that nobody awaits is no unhandled rejection, which would end the process.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Running from "../../src/Running.js"

/**
 * The same promise. Whoever awaits it sees its rejection; if nobody does, nothing happens.
 *
 * @since 0.1.0
 * @category combinators
 */
export const handled = <A>(promise: Promise<A>): Promise<A> => {
  promise.catch(ignore)
  return promise
}

/**
 * Runs an effect. The promise rejects with the failure itself.
 *
 * @since 0.1.0
 * @category running
 */
export const run = <A, E>(effect: Effect.Effect<A, E>): Promise<A> =>
  handled(
    new Promise((resolve, reject) => {
      Running.start(effect, Effect.runFork).observe((exit) =>
        Exit.isSuccess(exit) ? resolve(exit.value) : reject(Cause.squash(exit.cause))
      )
    })
  )

/**
 * Runs an effect that needs no waiting. Throws the failure itself.
 *
 * @since 0.1.0
 * @category running
 */
export const runSync = <A, E>(effect: Effect.Effect<A, E>): A => {
  const exit = Effect.runSyncExit(effect)
  if (Exit.isSuccess(exit)) return exit.value
  throw Cause.squash(exit.cause)
}

const ignore = () => {}
