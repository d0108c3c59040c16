/**
 * Streams for callers who don't use Effect.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { run } from "./Promises.js"

/**
 * Each loop runs the stream anew and ends it when the loop is left. Elements are pulled on demand, so that a later loop
 * finds what an earlier one left, where the stream keeps it.
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
