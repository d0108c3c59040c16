/**
 * Fibers that outlive the effect that prepared for them.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import * as RuntimeFlags from "effect/RuntimeFlags"
import { withoutSpan } from "./Detached.js"

/**
 * Starts an effect in a fiber of its own, with the services and settings of the fiber that called `make`, but not within
 * its span, which may have ended.
 */
export type RunFork<R = never> = <A, E>(effect: Effect.Effect<A, E, R>) => Fiber.RuntimeFiber<A, E>

/**
 * The fibers can be interrupted, also where this is made in an uninterruptible region, for
 * example while a resource is acquired.
 */
export const make = <R = never>(): Effect.Effect<RunFork<R>, never, R> =>
  Effect.map(runtime<R>(), (runtime) => Runtime.runFork(Runtime.enableRuntimeFlag(runtime, RuntimeFlags.Interruption)))

/** `Effect.runtime` without the present span. */
export const runtime = <R>(): Effect.Effect<Runtime.Runtime<R>, never, R> =>
  Effect.map(Effect.runtime<R>(), Runtime.updateContext(withoutSpan<R>))
