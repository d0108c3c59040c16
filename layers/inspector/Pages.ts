/**
 * A log as a stream.
 *
 * @internal
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { EventLog, Page } from "./EventLog.js"

/** What follows the position, by pages of about as many bytes, as fast as the consumer takes them. It doesn't end. */
export const pages = <A>(log: EventLog<A>, from: number, maxBytes: number): Stream.Stream<Page<A>> => {
  let next = from
  const pull: Effect.Effect<Chunk.Chunk<Page<A>>> = Effect.suspend(() => {
    const page = log.read(next, maxBytes)
    next = page.next
    return page.items.length > 0 ? Effect.succeed(Chunk.of(page)) : pullLater
  })
  // Few large pages cost less than many small ones.
  const pullLater: Effect.Effect<Chunk.Chunk<Page<A>>> = Effect.zipRight(Effect.sleep(pause), pull)
  return Stream.repeatEffectChunk(Effect.suspend(() => (next < log.end ? pull : pullLater)))
}

/** Between two looks at a log that was read to its end. */
const pause = "50 millis"
