/**
 * Has V8 optimize a function of Effect before many elements of a stream go through it.
 *
 * A function that is assigned to a property is allocated in V8's old generation, as a method would be, until the code that
 * does so has been optimized. `Channel.fromEffect` assigns one for each element of a stream of effects. Once the element has
 * gone, that function keeps what was made for it until the next full collection. From this V8 concludes that such objects
 * live long, and allocates them in the old generation, too, for as long as the process lives: a stream has four fifths of
 * its speed then.
 *
 * @internal
 */
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"

let isDone = false

/** Takes a millisecond, the first time. */
export const ensure = (): void => {
  if (isDone) return
  isDone = true
  for (let i = 0; i < enoughCalls; i++) Channel.fromEffect(Effect.void)
}

/** V8 optimizes so small a function after about 1,200. */
const enoughCalls = 2000
