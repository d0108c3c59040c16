/**
 * Logs of what code of others threw.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { messageOf } from "./ErrorMessage.js"
import * as StackTraceLimit from "./StackTraceLimit.js"

/** Logs what was thrown. */
export const logDefect = (what: string, defect: unknown): Effect.Effect<void> => logCause(what, Cause.die(defect))

/** Logs why something failed. Effect and loggers look into what was thrown, which throws for some values: then its message alone. */
export const logCause = (
  what: string,
  cause: Cause.Cause<unknown>,
  log: typeof Effect.logError = Effect.logError
): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { stackTraceLimit } = Error
    return Effect.catchAllCause(log(what, cause), () => {
      // Effect lowers it while it looks, and doesn't come to put it back.
      StackTraceLimit.set(stackTraceLimit)
      return log(`${what}: ${messageOf(Cause.squash(cause))}`)
    })
  })
