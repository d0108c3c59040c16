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
    return Effect.uninterruptibleMask((restore) => {
      let waiting: Waiting | undefined
      const ended = Effect.async<A, E>((resume) => {
        waiting = this.begin(resume, Option.getOrUndefined(Fiber.getCurrentFiber()))
      })
      return Effect.catchAllCause(restore(ended), (cause) => {
        waiting?.abandon()
        return Effect.failCause(cause)
      })
    })
  }
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
