/**
 * A line on stderr when the watched gateway is lost, and when there is one again.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { InspectorState } from "../inspector/InspectorState.js"

/** Until the scope closes. A gateway that is there from the start isn't worth a line. */
export const start = (state: InspectorState): Effect.Effect<void, never, Scope.Scope> => {
  let shown: string | undefined
  const next = state.changed.until(() => (isKnown(state) && outcomeOf(state) !== shown ? Effect.void : undefined))
  const log = Effect.suspend(() => {
    const first = shown === undefined
    shown = outcomeOf(state)
    if (shown !== watched) return Effect.logWarning(`the gateway at ${state.gateway} isn't watched: ${state.problem}`)
    return first ? Effect.void : Effect.logInfo(`watching the gateway at ${state.gateway} again`)
  })
  return Effect.asVoid(Effect.forkScoped(Effect.forever(Effect.zipRight(next, log))))
}

const watched = "watched"

/** While disconnected, the problem doesn't count: each attempt may fail in another way, and would be logged. */
const outcomeOf = ({ connected, problem = watched }: InspectorState): string => (connected ? problem : "lost")

/** Whether there was an attempt to connect. */
const isKnown = ({ connected, leader, problem }: InspectorState): boolean =>
  connected || leader !== undefined || problem !== undefined
