import { isDeepStrictEqual } from "node:util"
import { Cause, Console, Duration, Effect, Schema } from "effect"

export class StepFailed extends Schema.TaggedError<StepFailed>()("StepFailed", {
  step: Schema.String,
  why: Schema.String
}) {
  override get message() {
    return `${this.step}: ${this.why}`
  }
}

/** One step of the story: its title, its output, how long it took. */
export const step = <A, E, R>(title: string, run: Effect.Effect<A, E, R>): Effect.Effect<A, StepFailed, R> =>
  Effect.gen(function* () {
    yield* Console.log(`\n▸ ${title}`)
    const [duration, result] = yield* Effect.timed(run)
    yield* Console.log(`  ✓ ${Math.round(Duration.toMillis(duration))} ms`)
    return result
  }).pipe(
    Effect.catchAllCause((cause) =>
      Cause.isInterruptedOnly(cause)
        ? Effect.interrupt
        : Effect.fail(new StepFailed({ step: title, why: Cause.pretty(cause) }))
    )
  )

export const say = (text: string): Effect.Effect<void> => Console.log(`    ${text}`)

/** What a step claims; a claim that doesn't hold ends the story. */
export const expect = <A>(what: string, actual: A, expected: A): Effect.Effect<void, Unexpected> =>
  isDeepStrictEqual(actual, expected)
    ? Effect.void
    : Effect.fail(new Unexpected({ what, actual: JSON.stringify(actual), expected: JSON.stringify(expected) }))

export class Unexpected extends Schema.TaggedError<Unexpected>()("Unexpected", {
  what: Schema.String,
  actual: Schema.String,
  expected: Schema.String
}) {
  override get message() {
    return `${this.what} should be ${this.expected}, but is ${this.actual}`
  }
}
