/**
 * Effects run for programs without Effect: promises that may be left alone, since one that nobody awaits is no unhandled
 * rejection, which would end the process, and a log on stderr, since stdout is the program's own.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Execution from "../../src/internal/Execution.js"

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
      Execution.start(effect, Effect.runFork).observe((exit) =>
        Exit.isSuccess(exit) ? resolve(exit.value) : reject(Cause.squash(exit.cause))
      )
    })
  )

/**
 * Runs an effect in a fiber of its own. What it logs, and whatever it starts, goes to stderr.
 *
 * @since 0.1.0
 * @category running
 */
export const fork = <A, E>(effect: Effect.Effect<A, E>): Fiber.RuntimeFiber<A, E> =>
  Effect.runFork(Effect.provide(effect, logOnStderr))

const logOnStderr = Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.stringLogger))

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
