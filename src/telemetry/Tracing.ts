/**
 * Whether calls are traced, and the spans that are made then, by Effect's Tracer. They are not where there is neither a
 * parent span nor a Tracer other than the default one, which keeps nothing.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Tracer from "effect/Tracer"
import { hasStringTag } from "../internal/ErrorMessage.js"
import type { Caller } from "../internal/Waiting.js"

/** What spans are made with. */
export interface Tracing {
  /** Whether spans are made without a parent span, too. */
  readonly isOn: boolean
  /** None where the tracer is turned off: then what a caller says of its trace is passed on unchanged. */
  readonly tracer: Tracer.Tracer | undefined
  readonly clock: Clock.Clock
}

/** A fiber, or what stands for one. */
export type AnyFiber = Caller

/** Of the fiber that runs it. */
export const current: Effect.Effect<Tracing> = Effect.withFiberRuntime((fiber) => Effect.succeed(ofFiber(fiber)))

export const ofFiber = (fiber: AnyFiber): Tracing => {
  const isEnabled = fiber.getFiberRef(FiberRef.currentTracerEnabled)
  const tracer = fiber.currentTracer
  return {
    isOn: isEnabled && tracer !== defaultTracer,
    tracer: isEnabled ? tracer : undefined,
    clock: Context.get(fiber.currentDefaultServices, Clock.Clock)
  }
}

/** Whether what a fiber does is traced. */
export const isTraced = (fiber: AnyFiber | undefined): fiber is AnyFiber =>
  fiber !== undefined && (fiber.currentSpan !== undefined || fiber.currentTracer !== defaultTracer)

/** A traced call under way. What the tracer throws costs the call its span, or part of it, and nothing else. */
export class TracedCall {
  private isOver = false

  constructor(
    /** The parent of what is done for the call: its own span, or its caller's where none is made. */
    readonly span: Tracer.AnySpan,
    /** Its own span, and the clock that tells its time. */
    private readonly own: Tracer.Span | undefined,
    private readonly clock: Clock.Clock
  ) {}

  /** Adds to its own span; what is undefined is left out. */
  attribute(key: string, value: string | number | undefined): void {
    if (value === undefined || this.own === undefined) return
    try {
      this.own.attribute(key, value)
    } catch {}
  }

  /** Ends its own span, once. */
  end(exit: Exit.Exit<unknown, unknown>): void {
    if (this.isOver || this.own === undefined) return
    this.isOver = true
    if (Exit.isFailure(exit) && !Cause.isInterruptedOnly(exit.cause)) {
      this.attribute("error.type", errorType(exit.cause))
    }
    try {
      this.own.end(this.clock.unsafeCurrentTimeNanos(), exit)
    } catch {}
  }
}

/** Begins a call; undefined where it isn't traced. */
export const begin = (
  { clock, isOn, tracer }: Tracing,
  parent: Tracer.AnySpan | undefined,
  name: string,
  kind: Tracer.SpanKind,
  startTime?: bigint
): TracedCall | undefined => {
  if (parent === undefined) {
    if (!isOn || tracer === undefined) return undefined
  } else if (tracer === undefined) return new TracedCall(parent, undefined, clock)
  try {
    const span = tracer.span(
      name,
      parent === undefined ? Option.none() : Option.some(parent),
      noContext,
      [],
      startTime ?? clock.unsafeCurrentTimeNanos(),
      kind,
      optionsOf[kind]
    )
    return new TracedCall(span, span, clock)
  } catch {
    return parent === undefined ? undefined : new TracedCall(parent, undefined, clock)
  }
}

/** Runs the rest of a call within its span, and ends it. */
export const endWith = <A, E, R>(call: TracedCall, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.onExit(Effect.provideService(effect, Tracer.ParentSpan, call.span) as Effect.Effect<A, E, R>, (exit) =>
    Effect.sync(() => call.end(exit))
  )

/**
 * What names a failure: its tag, a code as Node's errors have it, or the class of what was thrown; of a handler's failure as
 * the wire has it, the same of what was encoded. Never throws.
 */
export const errorType = (cause: Cause.Cause<unknown>): string => {
  // Getters and proxies may throw.
  try {
    return typeOf(Cause.squash(cause))
  } catch {
    return "_OTHER"
  }
}

const typeOf = (error: unknown): string => {
  if (hasStringTag(error)) return error._tag
  if (isWireFailure(error)) return wireType(error)
  if (Predicate.hasProperty(error, "code") && typeof error.code === "string") return error.code
  return error instanceof Error && error.name !== "" ? error.name : "_OTHER"
}

/** A handler's failure as the wire has it. */
export interface WireFailure {
  readonly success: false
  readonly error: string
  readonly reason?: string
  readonly tag?: string
}

/** What names it. */
export const wireType = ({ reason, tag }: WireFailure): string => reason ?? tag ?? "_OTHER"

const isWireFailure = (error: unknown): error is WireFailure =>
  Predicate.hasProperty(error, "success") && error.success === false

/** What spans and metrics call the protocol. */
export const rpcSystem = "effect-ipc"

const defaultTracer = Context.get(DefaultServices.liveServices, Tracer.Tracer)

const noContext = Context.empty()

const optionsOf: Record<Tracer.SpanKind, Tracer.SpanOptions> = {
  internal: { kind: "internal" },
  server: { kind: "server" },
  client: { kind: "client" },
  producer: { kind: "producer" },
  consumer: { kind: "consumer" }
}
