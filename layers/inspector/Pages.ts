/**
 * A log as a stream.
 *
 * @internal
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Page } from "./EventLog.js"

/** What `EventLog` and `FeedLog` have in common. */
export interface Log<A> {
  readonly end: number
  read(from: number, maxBytes: number): Page<A>
}

/**
 * The events from a position on, in pages of about `maxBytes`, as fast as the consumer takes them. There are at most twenty
 * pages a second, so that a consumer under load doesn't take the processor from the gateway that it watches. Never ends.
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
