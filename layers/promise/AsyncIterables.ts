/**
 * Streams that callers who don't use Effect may read again and again.
 *
 * @internal
 */
import type * as Stream from "effect/Stream"
import * as ElementStream from "./ElementStream.js"

/**
 * Each loop runs the stream anew and ends it when the loop is left. Elements are pulled on demand, so that a later loop
 * finds what an earlier one left, where the stream keeps it.
 */
export const toAsyncIterable = <A>(stream: Stream.Stream<A>): AsyncIterable<A> => ({
  [Symbol.asyncIterator]: () => ElementStream.make(stream)
})
