/**
 * Streams for callers who don't use Effect.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { run } from "./Promises.js"

/**
 * Each loop over it runs the stream anew, and ends it where the loop is left. Takes no element before it is asked for, so
 * that what one loop leaves a later one finds, where the stream has it still.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toAsyncIterable = <A>(stream: Stream.Stream<A>): AsyncIterable<A> => ({
  async *[Symbol.asyncIterator]() {
    const scope = Effect.runSync(Scope.make())
    try {
      const pull = await run(Scope.extend(Stream.toPull(stream), scope))
      for (;;) {
        const chunk = await run(Effect.option(pull))
        if (Option.isNone(chunk)) return
        yield* chunk.value
      }
    } finally {
      await run(Scope.close(scope, Exit.void))
    }
  }
})
