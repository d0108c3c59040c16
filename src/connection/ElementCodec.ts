/**
 * Elements of streams, encoded and decoded a chunk at a time, without a step of a fiber for each where the Schema needs none.
 *
 * @internal
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as ParseResult from "effect/ParseResult"
import type { Codec } from "../IPCRequest.js"
import { total } from "../internal/CallbackEffect.js"
import * as SyncEffect from "../internal/SyncEffect.js"

/** Elements as the wire has them; or why one doesn't fit its Schema. */
export const encode = (
  codec: Codec<unknown> | undefined,
  elements: Chunk.Chunk<unknown>
): Effect.Effect<ReadonlyArray<unknown>, string> => {
  const values = Chunk.toReadonlyArray(elements)
  return codec === undefined ? Effect.succeed(values) : each(codec.encode, values)
}

/** Elements as the program has them; or why one doesn't fit its Schema. */
export const decode = (
  codec: Codec<unknown>,
  elements: Chunk.Chunk<unknown>
): Effect.Effect<Chunk.Chunk<unknown>, string> =>
  Effect.map(each(codec.decode, Chunk.toReadonlyArray(elements)), Chunk.unsafeFromArray)

const each = (
  convert: (value: unknown) => Effect.Effect<unknown, ParseResult.ParseIssue>,
  values: ReadonlyArray<unknown>
): Effect.Effect<ReadonlyArray<unknown>, string> =>
  // A Schema may throw.
  total((): Effect.Effect<ReadonlyArray<unknown>, string> => {
    const converted: Array<unknown> = []
    for (const value of values) {
      const effect = convert(value)
      const exit = SyncEffect.exitOf(effect)
      // A Schema that waits does so for every value alike.
      if (exit === undefined) return Effect.mapError(Effect.forEach(values, convert), issueOf)
      if (Exit.isFailure(exit)) return Exit.mapError(Exit.failCause(exit.cause), issueOf)
      converted.push(exit.value)
    }
    return Effect.succeed(converted)
  })

const issueOf = (issue: ParseResult.ParseIssue): string => ParseResult.TreeFormatter.formatIssueSync(issue)
