/**
 * Runs effects for programs without Effect. A rejection that isn't awaited is no unhandled rejection, which would end the
 * process; the log goes to stderr, since stdout is the program's own.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import * as HashSet from "effect/HashSet"
import * as Logger from "effect/Logger"
import * as Runtime from "effect/Runtime"
import type { AnySpan } from "effect/Tracer"
import * as Execution from "../../src/internal/Execution.js"
import * as RunFork from "../../src/internal/RunFork.js"
import type { Caller } from "../../src/internal/Waiting.js"
import * as AmbientSpan from "./AmbientSpan.js"

/** The same promise, whose rejection counts as handled. */
export const handled = <A>(promise: Promise<A>): Promise<A> => {
  promise.catch(ignore)
  return promise
}

/** Runs an effect, as part of the trace under way. The promise rejects with the failure itself. */
export const run = <A, E>(effect: Effect.Effect<A, E>): Promise<A> =>
  handled(
    new Promise((resolve, reject) => {
      start(effect).observe((exit) => (Exit.isSuccess(exit) ? resolve(exit.value) : reject(Cause.squash(exit.cause))))
    })
  )

/** Runs an effect in a fiber of its own. It and the fibers it forks log to stderr. */
export const fork = <A, E>(effect: Effect.Effect<A, E>): Fiber.RuntimeFiber<A, E> => runForkLogging(effect)

/** How a fiber ends. */
export const exitOf = <A, E>(fiber: Fiber.RuntimeFiber<A, E>): Promise<Exit.Exit<A, E>> =>
  new Promise((resolve) => fiber.addObserver(resolve))

/** These programs export no traces: they pass on what their callers say of theirs, unchanged. */
const runtime = Effect.runSync(Effect.withTracerEnabled(Effect.runtime<never>(), false))

const runFork: RunFork.RunFork = (effect, span) =>
  Runtime.runFork(span === undefined ? runtime : RunFork.within(runtime, span), effect)

/** In a fiber only where it needs one. */
const start = <A, E>(effect: Effect.Effect<A, E>): Execution.Execution<A, E> => {
  const span = AmbientSpan.current()
  return span === undefined
    ? Execution.start(effect, runFork)
    : Execution.start(effect, runFork, span, new CallerWithin(span))
}

const { currentDefaultServices, currentTracer } = runFork(Effect.void)

/** What a fiber of this runtime would be within a span. */
class CallerWithin implements Caller {
  readonly currentTracer = currentTracer
  readonly currentDefaultServices = currentDefaultServices

  constructor(readonly currentSpan: AnySpan) {}

  getFiberRef<A>(ref: FiberRef.FiberRef<A>): A {
    return FiberRefs.getOrDefault(runtime.fiberRefs, ref)
  }
}

/** Set once: to provide a Layer takes longer than most of what is forked. */
const runForkLogging = Runtime.runFork(
  Runtime.setFiberRef(
    runtime,
    FiberRef.currentLoggers,
    FiberRefs.getOrDefault(runtime.fiberRefs, FiberRef.currentLoggers).pipe(
      HashSet.remove<Logger.Logger<unknown, unknown>>(Logger.defaultLogger),
      HashSet.add(Logger.withConsoleError(Logger.stringLogger))
    )
  )
)

/** Runs a synchronous effect. Throws the failure itself. */
export const runSync = <A, E>(effect: Effect.Effect<A, E>): A => {
  const exit = Effect.runSyncExit(Effect.withTracerEnabled(effect, false))
  if (Exit.isSuccess(exit)) return exit.value
  throw Cause.squash(exit.cause)
}

const ignore = () => {}
