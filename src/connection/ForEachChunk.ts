/**
 * Consumes a stream a chunk at a time.
 *
 * @internal
 */
import * as Channel from "effect/Channel"
import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import * as ChannelWarmUp from "../internal/ChannelWarmUp.js"

/**
 * `Stream.runForEachChunk`, without a sink: in half of its time where a chunk is one element. What `f` fails with becomes a
 * failure of the stream.
 */
export const forEachChunk = <A, E, R, E2>(
  stream: Stream.Stream<A, E, R>,
  f: (chunk: Chunk.Chunk<A>) => Effect.Effect<void, E2>,
  toError: (error: E2) => E
): Effect.Effect<void, E, R> =>
  Effect.scoped(
    // Not `Stream.toPull`, which adds two steps to each pull.
    Effect.flatMap(Channel.toPull(Stream.toChannel(stream)), (pull) => {
      ChannelWarmUp.ensure()
      const each = (pulled: Either.Either<Chunk.Chunk<A>, unknown>): Effect.Effect<void, E, R> => {
        if (Either.isLeft(pulled)) return Effect.void
        const done = f(pulled.right)
        return done === Effect.void ? loop : Effect.flatMap(Effect.mapError(done, toError), () => loop)
      }
      const loop: Effect.Effect<void, E, R> = Effect.flatMap(pull, each)
      return loop
    })
  )
