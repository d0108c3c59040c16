/**
 * Effects that wait to be called back and need no fiber for it. A fiber runs one as it runs any other; who has none
 * begins it by hand ({@link Execution}), since a suspended fiber costs more than all the rest of a small request.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"

/**
 * What has begun and may be given up.
 *
 * @since 0.1.0
 * @category models
 */
export interface Waiting {
  /** Whoever waits is gone. Being called back all the same does no harm. */
  readonly abandon: () => void
}

/**
 * Called once, at once or later, with how it ended: an `Exit`, or an effect that takes it from there.
 *
 * @since 0.1.0
 * @category models
 */
export type OnEnd<A, E> = (result: Effect.Effect<A, E>) => void

/**
 * @since 0.1.0
 * @category models
 */
export class CallbackEffect<A, E = never> extends Effectable.Class<A, E> {
  constructor(
    /** Begins it; as an effect does, any number of times. What it throws is a defect. */
    readonly begin: (onEnd: OnEnd<A, E>) => Waiting | undefined
  ) {
    super()
  }

  /** `Effect.async` with a canceller, in half as many steps of the fiber. */
  override commit(): Effect.Effect<A, E> {
    return Effect.uninterruptibleMask((restore) => {
      let waiting: Waiting | undefined
      const ended = Effect.async<A, E>((resume) => {
        waiting = this.begin(resume)
      })
      return Effect.catchAllCause(restore(ended), (cause) => {
        waiting?.abandon()
        return Effect.failCause(cause)
      })
    })
  }
}

/**
 * Goes on with how it ended, still without a fiber. What `f` throws is a defect.
 *
 * @since 0.1.0
 * @category sequencing
 */
export const andThen = <A, E, B, E2>(
  effect: CallbackEffect<A, E>,
  f: (result: Effect.Effect<A, E>) => Effect.Effect<B, E2>
): CallbackEffect<B, E2> =>
  new CallbackEffect((onEnd) =>
    effect.begin((result) => {
      onEnd(total(() => f(result)))
    })
  )

/**
 * What it gives, or throws as a defect: for what would otherwise be thrown at whoever calls back.
 *
 * @since 0.1.0
 * @category constructors
 */
export const total = <A, E>(f: () => Effect.Effect<A, E>): Effect.Effect<A, E> => {
  try {
    return f()
  } catch (defect) {
    return Exit.die(defect)
  }
}
