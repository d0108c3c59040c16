/**
 * Tests on real sockets and the real clock, without log output.
 */
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type * as Scope from "effect/Scope"

export const live = <E>(name: string, test: () => Effect.Effect<unknown, E, Scope.Scope>, millis?: number) =>
  it.scopedLive(name, () => Effect.asVoid(test()).pipe(Logger.withMinimumLogLevel(LogLevel.None)), millis ?? 10_000)

/** What an error says, for whole comparisons. */
export const told = <A, E extends { readonly _tag: string; readonly message: string }, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<{ readonly tag: string; readonly message: string }, A, R> =>
  Effect.map(Effect.flip(effect), ({ _tag, message }) => ({ tag: _tag, message }))
