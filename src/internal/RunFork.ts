/**
 * Fibers that outlive the effect that prepared for them.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import * as Runtime from "effect/Runtime"
import * as RuntimeFlags from "effect/RuntimeFlags"
import type { AnySpan } from "effect/Tracer"
import { ParentSpan } from "effect/Tracer"
import { withoutSpan } from "./Detached.js"

/**
 * Starts an effect in a fiber of its own, with the services and settings of the fiber that called `make`, and within the
 * given span: that fiber's own may have ended.
 */
export type RunFork<R = never> = <A, E>(
  effect: Effect.Effect<A, E, R>,
  span?: AnySpan | undefined
) => Fiber.RuntimeFiber<A, E>

/**
 * The fibers can be interrupted, also where this is made in an uninterruptible region, for
 * example while a resource is acquired.
 */
export const make = <R = never>(): Effect.Effect<RunFork<R>, never, R> =>
  Effect.map(runtime<R>(), (detached) => {
    const interruptible = Runtime.enableRuntimeFlag(detached, RuntimeFlags.Interruption)
    const runFork = Runtime.runFork(interruptible)
    return (effect, span) =>
      span === undefined ? runFork(effect) : Runtime.runFork(within(interruptible, span), effect)
  })

/** `Effect.runtime` without the present span. */
export const runtime = <R>(): Effect.Effect<Runtime.Runtime<R>, never, R> =>
  Effect.map(Effect.runtime<R>(), ({ context, fiberRefs, runtimeFlags }) =>
    Runtime.make({ context: withoutSpan(context), runtimeFlags, fiberRefs: withoutRuntime(fiberRefs) })
  )

/** A fiber gets both from its runtime. Each setting that is left would be copied for each fiber. */
const withoutRuntime = (fiberRefs: FiberRefs.FiberRefs): FiberRefs.FiberRefs =>
  fiberRefs.pipe(FiberRefs.delete(FiberRef.currentContext), FiberRefs.delete(FiberRef.currentRuntimeFlags))

/** The runtime within a span. */
export const within = <R>(runtime: Runtime.Runtime<R>, span: AnySpan): Runtime.Runtime<R> =>
  Runtime.updateContext(runtime, Context.add(ParentSpan, span))
