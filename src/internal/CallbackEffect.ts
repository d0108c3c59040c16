/**
 * Effects that wait to be called back and need no fiber for it. A fiber runs one as it runs any other; code without a
 * fiber begins it by hand ({@link Execution}), since a suspended fiber costs more than all the rest of a small request.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as RuntimeFlags from "effect/RuntimeFlags"
import * as RuntimeFlagsPatch from "effect/RuntimeFlagsPatch"
import { YieldWrap } from "effect/Utils"

/**
 * A wait that has begun and can be cancelled.
 */
export interface Waiting {
  /** Cancels; later callbacks are ignored. */
  readonly abandon: () => void
}

/**
 * Called once, at once or later, with how it ended: an `Exit`, or an effect that takes it from there.
 */
export type OnEnd<A, E> = (result: Effect.Effect<A, E>) => void

/**
 * What a fiber tells of itself to what is begun for it.
 */
export type Caller = Pick<
  Fiber.RuntimeFiber<unknown, unknown>,
  "currentSpan" | "currentTracer" | "currentDefaultServices" | "getFiberRef"
>

/**
 * `caller` is the fiber that runs it, or stands for one: what is done for it belongs to its trace.
 */
export type Begin<A, E> = (onEnd: OnEnd<A, E>, caller: Caller | undefined) => Waiting | undefined

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

  /** `Effect.async` with a canceller, in half as many steps of the fiber. */
  override commit(): Effect.Effect<A, E> {
    if (!this.traits.interruptible) {
      return Effect.zipRight(
        uninterruptibleToTheEnd,
        Effect.async<A, E>((resume) => void this.begin(resume, undefined))
      )
    }
    let waiting: Waiting | undefined
    const ended = Effect.async<A, E>((resume) => {
      waiting = this.begin(resume, Option.getOrUndefined(Fiber.getCurrentFiber()))
    })
    return Effect.withRuntimeFlagsPatch(
      Effect.catchAllCause(Effect.withRuntimeFlagsPatch(ended, asTheCaller), (cause) => {
        waiting?.abandon()
        return Effect.failCause(cause)
      }),
      evenIfInterrupted
    )
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

/**
 * In wind-down mode a fiber goes on although it has been interrupted, and its `Interruption` flag stays: where that mode ends,
 * the caller's own setting holds again, without a step of the fiber to look it up.
 */
const evenIfInterrupted = RuntimeFlagsPatch.enable(RuntimeFlags.WindDown)
const asTheCaller = RuntimeFlagsPatch.disable(RuntimeFlags.WindDown)

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

/**
 * The effect that `f` returns; what `f` throws becomes a defect instead of reaching the caller of the callback.
 */
export const total = <A, E>(f: () => Effect.Effect<A, E>): Effect.Effect<A, E> => {
  try {
    return f()
  } catch (defect) {
    return Exit.die(defect)
  }
}
