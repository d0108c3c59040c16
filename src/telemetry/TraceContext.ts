/**
 * Trace context between processes: W3C Trace Context's `traceparent` and `tracestate`, and W3C Baggage. A span of another
 * process is an `ExternalSpan` here; what came with it is passed on unchanged.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Tracer from "effect/Tracer"

/** As headers have it. */
export interface TraceContext {
  readonly traceparent: string
  readonly tracestate?: string | undefined
  readonly baggage?: string | undefined
}

/** What came with a span of another process, found in that span's context. */
class Received extends Context.Tag("effect-ipc/TraceContext/Received")<
  Received,
  { readonly tracestate: string | undefined; readonly baggage: string | undefined }
>() {}

/** The span that a `traceparent` names (W3C Trace Context section 3.2), where it is valid. */
export const toSpan = ({ baggage, traceparent, tracestate }: TraceContext): Tracer.ExternalSpan | undefined => {
  const [, version, traceId, spanId, flags, rest] = pattern.exec(traceparent) ?? []
  if (version === undefined || traceId === undefined || spanId === undefined || flags === undefined) return undefined
  // A later version may say more behind the flags.
  if (version === "ff" || (version === "00" && rest !== undefined)) return undefined
  if (traceId === invalidTraceId || spanId === invalidSpanId) return undefined
  const sampled = (Number.parseInt(flags, 16) & 1) === 1
  if (tracestate === undefined && baggage === undefined) return Tracer.externalSpan({ traceId, spanId, sampled })
  const context = Context.make(Received, { tracestate, baggage })
  return Tracer.externalSpan({ traceId, spanId, sampled, context })
}

/** A span as other processes are told of it; undefined where its tracer's ids aren't W3C's. */
export const ofSpan = (span: Tracer.AnySpan): TraceContext | undefined => {
  const { sampled, spanId, traceId } = span
  if (!traceIdPattern.test(traceId) || !spanIdPattern.test(spanId)) return undefined
  const traceparent = `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`
  const received = receivedOf(span)
  return received === undefined ? { traceparent } : { traceparent, ...received }
}

/** What came with the first of its ancestors that is another process's. */
const receivedOf = (span: Tracer.AnySpan): Context.Tag.Service<Received> | undefined => {
  let ancestor = span
  while (ancestor._tag === "Span") {
    if (ancestor.parent._tag === "None") return undefined
    ancestor = ancestor.parent.value
  }
  return ancestor.context.unsafeMap.get(Received.key)
}

/** What stands behind the id of a frame, with the semicolon before it: `;<traceparent>;<tracestate>;<baggage>`. */
export const print = (span: Tracer.AnySpan): string => {
  const context = ofSpan(span)
  if (context === undefined) return ""
  const { baggage = "", traceparent, tracestate = "" } = context
  const text = `;${traceparent};${encoded(tracestate)};${encoded(baggage)}`
  return text.length > maxLength ? `;${traceparent};;` : text
}

/** The span that a frame named behind the semicolon, where that is trace context. */
export const parse = (text: string): Tracer.ExternalSpan | undefined => {
  if (text.length > maxLength) return undefined
  // Nothing but a `traceparent`, most often.
  if (text.length === lengthOfTraceparent + 2 && text.endsWith(";;")) {
    return toSpan({ traceparent: text.slice(0, lengthOfTraceparent) })
  }
  const [traceparent = "", tracestate = "", baggage = ""] = text.split(";")
  return toSpan({ traceparent, tracestate: decoded(tracestate), baggage: decoded(baggage) })
}

/** Longer context is ignored: the recommendations ask for 512 and 8,192 characters. */
const maxLength = 16 * 1024

const lengthOfTraceparent = 55

const pattern = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
const traceIdPattern = /^[0-9a-f]{32}$/
const spanIdPattern = /^[0-9a-f]{16}$/
const invalidTraceId = "0".repeat(32)
const invalidSpanId = "0".repeat(16)

const encoded = (text: string): string => {
  if (text === "") return text
  // encodeURIComponent tells of a lone surrogate only by throwing.
  try {
    return encodeURIComponent(text)
  } catch {
    return ""
  }
}

const decoded = (text: string): string | undefined => {
  if (text === "") return undefined
  // decodeURIComponent tells of bad escapes only by throwing.
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
