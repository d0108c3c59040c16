/**
 * Trace context as a frame carries it behind its id: `7;<traceparent>;<tracestate>;<baggage>` (W3C Trace Context, W3C
 * Baggage), the last two URL-encoded; either may be empty.
 *
 * @internal
 */
export interface TraceContext {
  readonly traceparent: string
  readonly tracestate?: string | undefined
  readonly baggage?: string | undefined
}

/** What stands behind the id, with the semicolon before it. */
export const print = ({ baggage = "", traceparent, tracestate = "" }: TraceContext): string =>
  `;${traceparent};${encodeURIComponent(tracestate)};${encodeURIComponent(baggage)}`

/** What a frame carried behind the semicolon, where it is trace context. */
export const parse = (text: string): TraceContext | undefined => {
  const [traceparent = "", tracestate = "", baggage = ""] = text.split(";")
  if (text.length > maxLength || !/^[0-9a-f]{2}(-[0-9a-f]+){3,}$/.test(traceparent)) return undefined
  return { traceparent, tracestate: decoded(tracestate), baggage: decoded(baggage) }
}

/** Longer context is ignored: the recommendations ask for 512 and 8,192 characters. */
const maxLength = 16 * 1024

const decoded = (text: string): string | undefined => {
  if (text === "") return undefined
  // decodeURIComponent tells of bad escapes only by throwing.
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
