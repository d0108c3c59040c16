/**
 * Effects that wait to be called back and need no fiber for it. A fiber runs one as it runs any other; code without a
 * fiber begins it by hand ({@link Execution}), since a suspended fiber costs more than all the rest of a small request.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as RuntimeFlags from "effect/RuntimeFlags"
import * as RuntimeFlagsPatch from "effect/RuntimeFlagsPatch"
import { YieldWrap } from "effect/Utils"
import * as FiberWait from "./FiberWait.js"
import { total } from "./Total.js"
import type { Begin } from "./Waiting.js"

/**
 * How a wait may be run.
 */
export interface Traits {
  /** False where an interruption changes nothing: the wait goes on, and ends as it would have ended. */
  readonly interruptible: boolean
  /** False where nothing is begun for the fiber that runs it, so that it needs none to belong to its trace. */
  readonly traced: boolean
}

export class CallbackEffect<A, E = never> extends Effectable.Class<A, E> {
  constructor(
    /** Begins it; as an effect does, any number of times. What it throws is a defect. */
    readonly begin: Begin<A, E>,
    readonly traits: Traits = usual
  ) {
    super()
  }

  override commit(): Effect.Effect<A, E> {
    if (!this.traits.interruptible) {
      return Effect.zipRight(
        uninterruptibleToTheEnd,
        Effect.async<A, E>((resume) => void this.begin(resume, undefined))
      )
    }
    return FiberWait.make(this.begin)
  }

  /**
   * As in every effect, but the fiber takes a step less, and the iterator is an instance of a class. If many objects of one
   * object literal live long, V8 allocates all later ones in the old space, where each keeps its request in memory until the
   * next full collection.
   */
  override [Symbol.iterator](): Effect.EffectGenerator<Effect.Effect<A, E>> {
    return new Once(this.commit())
  }
}

/** The iterator of `yield*`: it yields the effect, then returns the effect's result. */
class Once<A, E> implements Effect.EffectGenerator<Effect.Effect<A, E>> {
  private given = false

  constructor(private readonly effect: Effect.Effect<A, E>) {}

  next(result: A): IteratorResult<YieldWrap<Effect.Effect<A, E>>, A> {
    if (this.given) return new Step(result, true)
    this.given = true
    return new Step(new YieldWrap(this.effect), false)
  }
}

class Step<Value, Done extends boolean> {
  constructor(
    readonly value: Value,
    readonly done: Done
  ) {}
}

const usual: Traits = { interruptible: true, traced: true }

/** Unlike with Effect.uninterruptible, an interruption that arrives meanwhile isn't applied at the end. */
const uninterruptibleToTheEnd = Effect.patchRuntimeFlags(RuntimeFlagsPatch.disable(RuntimeFlags.Interruption))

/**
 * Goes on with how it ended, still without a fiber. What `f` throws is a defect.
 */
export const andThen = <A, E, B, E2>(
  effect: CallbackEffect<A, E>,
  f: (result: Effect.Effect<A, E>) => Effect.Effect<B, E2>
): CallbackEffect<B, E2> =>
  new CallbackEffect(
    (onEnd, caller) =>
      effect.begin((result) => {
        onEnd(total(() => f(result)))
      }, caller),
    effect.traits
  )
