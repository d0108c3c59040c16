/**
 * What lasts longer than the span under which it was prepared, and so isn't part of it.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"

/** The effect without a parent span. */
export const detached = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.mapInputContext(effect, (context: Context.Context<R>) => withoutSpan(context))

/** A context without its span. */
export const withoutSpan = <R>(context: Context.Context<R>): Context.Context<R> =>
  // A span is never among what an effect requires.
  Context.omit(Tracer.ParentSpan)(context) as Context.Context<R>
