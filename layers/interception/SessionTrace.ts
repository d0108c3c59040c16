/**
 * Which requests belong to which test: by the trace context that they carry.
 *
 * @internal
 */
import { randomBytes } from "node:crypto"
import type { IncomingHttpHeaders } from "node:http"
import * as Effect from "effect/Effect"
import type * as Tracer from "effect/Tracer"
import * as HttpTraceContext from "../../src/telemetry/HttpTraceContext.js"
import { type Difference, TRACE_CONTEXT } from "./Difference.js"

/** The trace of one session. */
export class SessionTrace {
  readonly traceId = randomBytes(16).toString("hex")
  /** What a request has that belongs to the session: W3C Trace Context, and W3C Baggage for services that begin a trace anew. */
  readonly headers: Readonly<Record<"traceparent" | "baggage", string>> = {
    traceparent: `00-${this.traceId}-${randomBytes(8).toString("hex")}-01`,
    baggage: `${BAGGAGE_KEY}=${this.traceId}`
  }

  /** What the session's requests have as their parent; it has the baggage, too. */
  readonly span = HttpTraceContext.fromHeaders(this.headers) as Tracer.ExternalSpan

  /** Has a fiber's requests belong to the session. */
  readonly run = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>> =>
    Effect.withParentSpan(effect, this.span)

  owns(headers: IncomingHttpHeaders): boolean {
    return traceIdOf(headers) === this.traceId || baggageOf(headers) === this.traceId
  }
}

/** The sessions of a gateway. */
export class SessionTraces {
  readonly #open = new Map<string, SessionTrace>()
  /** What a session has started may go on after it. Oldest first. */
  readonly #closed = new Set<string>()

  open(): SessionTrace {
    const trace = new SessionTrace()
    this.#open.set(trace.traceId, trace)
    return trace
  }

  close({ traceId }: SessionTrace): void {
    this.#open.delete(traceId)
    this.#closed.add(traceId)
    if (this.#closed.size > MAX_CLOSED) this.#closed.delete(this.#closed.values().next().value as string)
  }

  /** Whether the request belongs to a session, or did. */
  isOwned(headers: IncomingHttpHeaders): boolean {
    if (this.#open.size === 0 && this.#closed.size === 0) return false
    const traceId = traceIdOf(headers)
    return (
      (traceId !== undefined && (this.#open.has(traceId) || this.#closed.has(traceId))) ||
      baggageOf(headers) !== undefined
    )
  }
}

/** What keeps the interceptors of a session from a request. */
export const missing = (headers: IncomingHttpHeaders): Difference => ({
  part: TRACE_CONTEXT,
  expected: "that of its session",
  received: described(headers)
})

/** What trace context a request carries, in words. */
export const described = (headers: IncomingHttpHeaders): string | undefined => {
  const traceId = traceIdOf(headers)
  return traceId === undefined ? undefined : `that of another trace, ${traceId}`
}

const baggageOf = ({ baggage }: IncomingHttpHeaders): string | undefined =>
  typeof baggage === "string" ? BAGGAGE.exec(baggage)?.[1] : undefined

const BAGGAGE_KEY = "effect-ipc-session"

const BAGGAGE = new RegExp(`(?:^|,)\\s*${BAGGAGE_KEY}\\s*=\\s*([0-9a-f]{32})\\s*(?:[;,]|$)`)

const MAX_CLOSED = 10_000

const traceIdOf = (headers: IncomingHttpHeaders): string | undefined => HttpTraceContext.fromHeaders(headers)?.traceId
