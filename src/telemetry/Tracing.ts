/**
 * Whether anybody traces, and with what spans are made: those of Effect's Tracer. Nobody does where there is neither a
 * parent span nor a Tracer but the default one, which keeps nothing.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Tracer from "effect/Tracer"
import { hasStringTag } from "../internal/ErrorMessage.js"

/** What spans are made with. */
export interface Tracing {
  /** Whether spans are made without a parent span, too. */
  readonly isOn: boolean
  readonly tracer: Tracer.Tracer | undefined
  readonly clock: Clock.Clock
}

/** That of the fiber which runs it. */
export const current: Effect.Effect<Tracing> = Effect.withFiberRuntime((fiber) => Effect.succeed(ofFiber(fiber)))

/** A call under way that somebody traces. */
export interface TracedCall {
  /** The parent of what is done for the call: its own span, or the caller's where none is made for it. */
  readonly span: Tracer.AnySpan
  /** Ends its own span, with attributes that are known only now. */
  readonly end: (exit: Exit.Exit<unknown, unknown>, attributes?: Attributes) => void
}

export interface SpanOptions {
  readonly name: string
  readonly kind: Tracer.SpanKind
  readonly attributes: Attributes
}

/** Those that are undefined are left out. */
export type Attributes = Readonly<Record<string, string | number | undefined>>

/** Whether a fiber's calls are traced. */
export const isTraced = (fiber: AnyFiber | undefined): fiber is AnyFiber =>
  fiber !== undefined && (fiber.currentSpan !== undefined || fiber.currentTracer !== defaultTracer)

/** Begins a call that a traced fiber makes; undefined where that has turned its tracer off. */
export const begin = (fiber: AnyFiber, options: SpanOptions): TracedCall | undefined =>
  make(ofFiber(fiber), fiber.currentSpan, () => options)

/** Begins a call; undefined where nobody traces it. */
export const make = (
  { clock, isOn, tracer }: Tracing,
  parent: Tracer.AnySpan | undefined,
  options: () => SpanOptions,
  startTime = clock.unsafeCurrentTimeNanos()
): TracedCall | undefined => {
  if (tracer === undefined) return parent === undefined ? undefined : { span: parent, end: nothing }
  if (parent === undefined && !isOn) return undefined
  const { attributes, kind, name } = options()
  const span = tracer.span(name, Option.fromNullable(parent), Context.empty(), [], startTime, kind, {
    attributes,
    kind
  })
  annotate(span, attributes)
  let ended = false
  return {
    span,
    end: (exit, more = {}) => {
      if (ended) return
      ended = true
      annotate(span, more)
      if (Exit.isFailure(exit) && !Cause.isInterruptedOnly(exit.cause)) {
        span.attribute("error.type", errorType(exit.cause))
      }
      span.end(clock.unsafeCurrentTimeNanos(), exit)
    }
  }
}

/** Runs the rest of a call, and ends it. */
export const endWith = <A, E, R>(call: TracedCall, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.onExit(Effect.provideService(effect, Tracer.ParentSpan, call.span) as Effect.Effect<A, E, R>, (exit) =>
    Effect.sync(() => call.end(exit))
  )

/** Runs an effect as part of the call. */
export const runIn = <A, E>(call: TracedCall, effect: () => Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.withParentSpan(Effect.suspend(effect), call.span)

const annotate = (span: Tracer.Span, attributes: Attributes): void => {
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) span.attribute(key, value)
}

/** What names a failure: its tag, a code as Node's errors have it, or the class of what was thrown. */
const errorType = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  if (hasStringTag(error)) return error._tag
  if (Predicate.hasProperty(error, "code") && typeof error.code === "string") return error.code
  return error instanceof Error && error.name !== "" ? error.name : "_OTHER"
}

const ofFiber = (fiber: AnyFiber): Tracing => {
  const isEnabled = fiber.getFiberRef(FiberRef.currentTracerEnabled)
  const tracer = fiber.currentTracer
  return {
    isOn: isEnabled && tracer !== defaultTracer,
    tracer: isEnabled ? tracer : undefined,
    clock: Context.get(fiber.currentDefaultServices, Clock.Clock)
  }
}

const defaultTracer = Context.get(DefaultServices.liveServices, Tracer.Tracer)

const nothing = () => {}

export type AnyFiber = Fiber.RuntimeFiber<unknown, unknown>
