/**
 * When the calls of an end's connections began and how long they took. The clock is read for what arrives at once, not for
 * each call: it costs a notable part of one.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Exit from "effect/Exit"
import { millisOf } from "../internal/MonotonicTime.js"
import type { MethodDurations } from "./Metrics.js"
import { errorType } from "./Tracing.js"

export class CallTimer {
  private arrivedAt = Number.NaN
  /** What was answered at once. */
  private answered: Array<MethodDurations> | undefined
  private errorTypes: Array<string | undefined> | undefined

  constructor(private readonly clock: Clock.Clock) {}

  /** What comes next has arrived just now. */
  begin(): void {
    this.arrivedAt = Number.NaN
  }

  /** When what is being read has arrived, in monotonic milliseconds. */
  get arrival(): number {
    if (Number.isNaN(this.arrivedAt)) this.arrivedAt = millisOf(this.clock)
    return this.arrivedAt
  }

  /** A call that has just arrived is answered. */
  onAnswered(durations: MethodDurations, exit: Exit.Exit<unknown, unknown>): void {
    this.answered ??= []
    this.answered.push(durations)
    this.errorTypes ??= []
    this.errorTypes.push(outcomeOf(exit))
  }

  /** All that arrived at once was read. */
  end(): void {
    const { answered, errorTypes } = this
    if (answered === undefined || errorTypes === undefined) return
    this.answered = undefined
    this.errorTypes = undefined
    const seconds = (millisOf(this.clock) - this.arrival) / 1000
    for (let i = 0; i < answered.length; i++) answered[i]?.record(seconds, errorTypes[i])
  }

  /** A call that began then has ended. */
  onEnded(durations: MethodDurations, startedAt: number, exit: Exit.Exit<unknown, unknown>): void {
    durations.record((millisOf(this.clock) - startedAt) / 1000, outcomeOf(exit))
  }
}

/** What metrics call a failure; undefined for success. */
export const outcomeOf = (exit: Exit.Exit<unknown, unknown>): string | undefined => {
  if (Exit.isSuccess(exit)) return undefined
  return Cause.isInterruptedOnly(exit.cause) ? "interrupted" : errorType(exit.cause)
}
