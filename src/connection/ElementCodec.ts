/**
 * Elements of streams, encoded and decoded a chunk at a time, without a step of a fiber for each where the Schema needs none.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import type { Codec } from "../IPCRequest.js"
import * as SyncEffect from "../internal/SyncEffect.js"
import { total } from "../internal/Total.js"

/** Elements up to the first that doesn't fit its Schema, and why it doesn't. */
export interface Converted {
  readonly values: ReadonlyArray<unknown>
  readonly issue: string | undefined
}

/** Elements as the wire has them. */
export const encode = (codec: Codec<unknown> | undefined, elements: Chunk.Chunk<unknown>): Effect.Effect<Converted> => {
  const values = Chunk.toReadonlyArray(elements)
  return codec === undefined ? Effect.succeed({ values, issue: undefined }) : each(codec.encode, values)
}

/** Elements that are pulled, as the program has them. One that doesn't fit is refused after those before it were taken. */
export const decodePull = <E>(
  codec: Codec<unknown> | undefined,
  pull: Effect.Effect<Chunk.Chunk<unknown>, Option.Option<E>>,
  refuse: (issue: string) => Effect.Effect<never, Option.Option<E>>
): Effect.Effect<Chunk.Chunk<unknown>, Option.Option<E>> => {
  if (codec === undefined) return pull
  let found: string | undefined
  const pullDecoded = Effect.flatMap(pull, (elements) =>
    Effect.flatMap(each(codec.decode, Chunk.toReadonlyArray(elements)), ({ issue, values }) => {
      if (issue !== undefined && values.length === 0) return refuse(issue)
      found = issue
      return Effect.succeed(Chunk.unsafeFromArray(values))
    })
  )
  return Effect.suspend(() => (found === undefined ? pullDecoded : refuse(found)))
}

type Convert = (value: unknown) => Effect.Effect<unknown, ParseResult.ParseIssue>

const each = (convert: Convert, values: ReadonlyArray<unknown>): Effect.Effect<Converted> =>
  // A Schema may throw.
  total((): Effect.Effect<Converted> => {
    const converted: Array<unknown> = []
    for (const value of values) {
      const effect = convert(value)
      const exit = SyncEffect.exitOf(effect)
      // A Schema that waits does so for every value alike.
      if (exit === undefined) return eachWaiting(convert, values)
      if (Exit.isFailure(exit)) return refused(converted, exit.cause)
      converted.push(exit.value)
    }
    return Effect.succeed({ values: converted, issue: undefined })
  })

const eachWaiting = Effect.fnUntraced(function* (convert: Convert, values: ReadonlyArray<unknown>) {
  const converted: Array<unknown> = []
  for (const value of values) {
    const exit = yield* Effect.exit(convert(value))
    if (Exit.isFailure(exit)) return yield* refused(converted, exit.cause)
    converted.push(exit.value)
  }
  return { values: converted, issue: undefined }
})

/** A defect of a Schema is no element's fault. */
const refused = (
  values: ReadonlyArray<unknown>,
  cause: Cause.Cause<ParseResult.ParseIssue>
): Effect.Effect<Converted> =>
  Either.match(Cause.failureOrCause(cause), {
    onLeft: (issue) => Effect.succeed({ values, issue: ParseResult.TreeFormatter.formatIssueSync(issue) }),
    onRight: Effect.failCause
  })
