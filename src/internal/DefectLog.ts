/**
 * Logs of what code of others threw.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { messageOf } from "./ErrorMessage.js"

/** Logs what was thrown. Effect and loggers look into it, which throws for some values: then its message alone. */
export const logDefect = (what: string, defect: unknown): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { stackTraceLimit } = Error
    return Effect.catchAllCause(Effect.logError(what, Cause.die(defect)), () => {
      // Effect lowers it while it looks, and doesn't come to put it back.
      Error.stackTraceLimit = stackTraceLimit
      return Effect.logError(`${what}: ${messageOf(defect)}`)
    })
  })
