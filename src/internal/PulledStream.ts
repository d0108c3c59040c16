/**
 * Streams of what one effect gives again and again.
 *
 * @internal
 */
import * as Channel from "effect/Channel"
import type * as Chunk from "effect/Chunk"
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/**
 * The chunks of `pull`, until it fails with `None`.
 *
 * `Stream.repeatEffectChunkOption`, with fewer objects for each chunk. V8 comes to allocate some of those in its old generation,
 * and then marks its whole heap after every 8 MiB of bytes that a stream carries.
 */
export const make = <A, E, R>(pull: Effect.Effect<Chunk.Chunk<A>, Option.Option<E>, R>): Stream.Stream<A, E, R> => {
  type Loop = Channel.Channel<Chunk.Chunk<A>, unknown, Option.Option<E>, unknown, void, unknown, R>
  const write = (chunk: Chunk.Chunk<A>): Loop => Channel.flatMap(Channel.write(chunk), again)
  const loop: Loop = Channel.flatMap(Channel.fromEffect(pull), write)
  const again = () => loop
  return Stream.fromChannel(
    Channel.catchAll(loop, Option.match({ onNone: () => Channel.void, onSome: (error: E) => Channel.fail(error) }))
  )
}
