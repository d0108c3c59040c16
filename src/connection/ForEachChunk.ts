/**
 * Consumes a stream a chunk at a time.
 *
 * @internal
 */
import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/**
 * `Stream.runForEachChunk`, without a sink: in two thirds of its time where a chunk is one element. What `f` fails with becomes
 * a failure of the stream.
 */
export const forEachChunk = <A, E, R, E2>(
  stream: Stream.Stream<A, E, R>,
  f: (chunk: Chunk.Chunk<A>) => Effect.Effect<void, E2>,
  toError: (error: E2) => E
): Effect.Effect<void, E, R> =>
  Effect.scoped(
    Effect.flatMap(Stream.toPull(stream), (pull) => {
      const toOption = (error: E2) => Option.some(toError(error))
      const each = (chunk: Chunk.Chunk<A>): typeof loop => {
        const done = f(chunk)
        return done === Effect.void ? loop : Effect.flatMap(Effect.mapError(done, toOption), () => loop)
      }
      const loop: Effect.Effect<never, Option.Option<E>, R> = Effect.flatMap(pull, each)
      return Effect.catchAll(loop, Option.match({ onNone: () => Effect.void, onSome: Effect.fail }))
    })
  )
