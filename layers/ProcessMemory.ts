/**
 * The memory budget of a Node process where none is given.
 *
 * @internal
 */
import { getHeapStatistics } from "node:v8"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { Budget, defaultMaxBytes, MemoryBudget } from "../src/MemoryBudget.js"

let ofProcess: Budget | undefined

const budgetOfProcess = (): Budget => {
  ofProcess ??= new Budget(Math.min(defaultMaxBytes, getHeapStatistics().heap_size_limit / 4))
  return ofProcess
}

/** The budget that was given, else the one that all of this process share. */
export const current: Effect.Effect<Budget> = Effect.contextWith((context: Context.Context<never>) =>
  context.unsafeMap.has(MemoryBudget.key) ? Context.get(context, MemoryBudget) : budgetOfProcess()
)

/** Runs the effect with that budget. */
export const provide = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(current, (budget) => Effect.provideService(effect, MemoryBudget, budget))
