/**
 * Trace context in HTTP headers: W3C's `traceparent`, `tracestate` and `baggage`, and b3, which is read where there is no
 * `traceparent`.
 *
 * @internal
 */
import type * as Tracer from "effect/Tracer"
import * as TraceContext from "./TraceContext.js"

/** By names in lower case. */
export type Headers = Readonly<Record<string, Value>>

type Value = string | ReadonlyArray<string> | undefined

/** The sender's span. */
export const fromHeaders = (headers: Headers): Tracer.ExternalSpan | undefined => {
  const { baggage, traceparent = fromB3(headers), tracestate } = headers
  if (typeof traceparent !== "string") return undefined
  return TraceContext.toSpan({ traceparent, tracestate: joined(tracestate), baggage: joined(baggage) })
}

/** The headers that name a span; none where its ids aren't W3C's. */
export const toHeaders = (span: Tracer.AnySpan): Record<string, string> => {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(TraceContext.ofSpan(span) ?? {})) {
    if (value !== undefined) headers[name] = value
  }
  return headers
}

/** Both forms that b3 has: one header (`traceId-spanId-sampled`) and three. As a `traceparent`. */
const fromB3 = (headers: Headers): string | undefined => {
  const { b3 } = headers
  const [traceId, spanId, sampled] =
    typeof b3 === "string"
      ? b3.split("-")
      : [headers["x-b3-traceid"], headers["x-b3-spanid"], headers["x-b3-sampled"] ?? headers["x-b3-flags"]]
  if (typeof traceId !== "string" || typeof spanId !== "string") return undefined
  const flags = sampled === "0" || sampled === "false" ? "00" : "01"
  return `00-${traceId.toLowerCase().padStart(32, "0")}-${spanId.toLowerCase()}-${flags}`
}

const joined = (value: Value): string | undefined =>
  typeof value === "string" || value === undefined ? value : value.join(",")
