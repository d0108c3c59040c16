/**
 * What strategies do wrong, or choose not to do, as log lines.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { logCause } from "../internal/DefectLog.js"
import * as RunFork from "../internal/RunFork.js"
import type * as RouteTable from "./RouteTable.js"

/**
 * A strategy runs for each request, so each kind of line is logged once for an api, until its strategy is set again.
 */
export interface StrategyLog extends Required<Pick<RouteTable.Options, "onFallback" | "onDeclined">> {
  /** The api's strategy was set. */
  readonly reset: (api: string) => void
}

export const make: Effect.Effect<StrategyLog> = Effect.map(RunFork.make(), (runFork) => {
  const fallbacks = new Set<string>()
  const declined = new Set<string>()

  const once = (logged: Set<string>, api: string, line: Effect.Effect<void>): void => {
    if (logged.has(api)) return
    logged.add(api)
    runFork(line)
  }

  return {
    onFallback: ({ api, cause, strategy }) =>
      once(
        fallbacks,
        api,
        logCause(
          `The strategy ${strategy} of ${api} failed; the first instance is taken instead`,
          Cause.die(cause),
          Effect.logWarning
        )
      ),
    onDeclined: ({ api, strategy }) =>
      once(
        declined,
        api,
        Effect.logWarning(`The strategy ${strategy} of ${api} chose no instance; the request is not routed.`)
      ),
    reset: (api) => {
      fallbacks.delete(api)
      declined.delete(api)
    }
  }
})
