/**
 * What begins and is called back, in a fiber or without one.
 *
 * @internal
 */
import type * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"

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
