/**
 * Who calls whom: over HTTP as far as traces tell, over IPC as the callers tell.
 *
 * @internal
 */
import type { ExchangeRecord } from "./InspectorProtocol.js"
import type { EdgeView } from "./Views.js"

/** The trace that a request belongs to (W3C Trace Context, section 3.2). */
export const traceOf = ({ requestHeaders }: Pick<ExchangeRecord, "requestHeaders">): string | undefined => {
  const value = requestHeaders.find(([name]) => name.toLowerCase() === "traceparent")?.[1]
  return value === undefined ? undefined : /^[\da-f]{2}-([\da-f]{32})-[\da-f]{16}-[\da-f]{2}/.exec(value)?.[1]
}

/** An exchange as the graph sees it. */
interface Step {
  readonly record: ExchangeRecord
  readonly to: string
}

/** The clients whose requests have no trace, or begin one. */
export const outside = "outside"

/** Edges by who calls, who is called, and over what. */
export class Edges {
  readonly #edges = new Map<
    string,
    { from: string; to: string; over: EdgeView["over"]; count: number; failures: number }
  >()

  add(from: string, to: string, over: EdgeView["over"], failed: boolean): void {
    const key = JSON.stringify([from, to, over])
    const edge = this.#edges.get(key) ?? { from, to, over, count: 0, failures: 0 }
    if (!this.#edges.has(key) && this.#edges.size >= maxEdges) return
    edge.count++
    if (failed) edge.failures++
    this.#edges.set(key, edge)
  }

  /** The most frequent first. */
  get view(): ReadonlyArray<EdgeView> {
    return [...this.#edges.values()].sort((one, other) => other.count - one.count)
  }
}

/**
 * Which api made each request: the one whose instance was answering a request of the same trace when it began, and of
 * several the one that was asked last.
 */
export const callersOf = (steps: ReadonlyArray<Step>): ReadonlyMap<ExchangeRecord, string> => {
  const byTrace = new Map<string, Array<Step>>()
  for (const step of steps) {
    const trace = traceOf(step.record)
    if (trace === undefined) continue
    const others = byTrace.get(trace)
    if (others === undefined) byTrace.set(trace, [step])
    else others.push(step)
  }
  const callers = new Map<ExchangeRecord, string>()
  for (const of of byTrace.values()) {
    const sorted = of.sort((one, other) => one.record.startedAt - other.record.startedAt).slice(-maxSteps)
    sorted.forEach(({ record }, at) => {
      for (let before = at - 1; before >= 0; before--) {
        const parent = sorted[before] as Step
        if (endOf(parent.record) < record.startedAt) continue
        callers.set(record, parent.to)
        break
      }
    })
  }
  return callers
}

const endOf = ({ durationMillis, startedAt }: ExchangeRecord): number =>
  startedAt + (durationMillis ?? Number.POSITIVE_INFINITY)

const maxEdges = 1000

/** Of one trace: looking for each one's caller takes as long as there are steps before it. */
const maxSteps = 200
