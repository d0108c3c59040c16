/**
 * A log as a stream.
 *
 * @internal
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Page } from "./EventLog.js"

/** An `EventLog`, or what is read as one. */
export interface Log<A> {
  readonly end: number
  read(from: number, maxBytes: number): Page<A>
}

/**
 * What follows the position, by pages of about as many bytes, as fast as the consumer takes them, but no more than twenty pages a
 * second: under load the consumer would take the processor from what it watches. It doesn't end.
 */
export const pages = <A>(log: Log<A>, from: number, maxBytes: number): Stream.Stream<Page<A>> => {
  let next = from
  const pull: Effect.Effect<Chunk.Chunk<Page<A>>> = Effect.suspend(() => {
    const page = log.read(next, maxBytes)
    next = page.next
    return page.items.length > 0 ? Effect.succeed(Chunk.of(page)) : pullLater
  })
  const pullLater: Effect.Effect<Chunk.Chunk<Page<A>>> = Effect.zipRight(Effect.sleep(pause), pull)
  return Stream.repeatEffectChunk(pullLater)
}

const pause = "50 millis"
