/**
 * How an instance answers, by the exchanges that it had.
 *
 * @internal
 */
import type { HealthView } from "./Views.js"

interface Answer {
  readonly at: number
  readonly durationMillis: number
  readonly status: number
}

export class Health {
  readonly #latest: Array<Answer> = []
  readonly #open = new Set<number>()
  #next = 0
  #answers = 0
  #failures = 0

  /** An exchange that is under way. */
  begin(exchange: number): void {
    this.#open.add(exchange)
  }

  /** The exchange has ended, at a time in milliseconds since 1970, with a status or 0 for none. */
  end(exchange: number, answer: Answer): void {
    this.#open.delete(exchange)
    this.#answers++
    if (answer.status === 0 || answer.status >= 500) this.#failures++
    this.#latest[this.#next++ % maxAnswers] = answer
  }

  /** The exchange won't be reported again. */
  forget(exchange: number): void {
    this.#open.delete(exchange)
  }

  view(now: number): HealthView {
    const latest = [...this.#latest].sort((one, other) => one.at - other.at)
    const recent = latest.filter(({ at }) => at > now - minute)
    const durations = recent.map(({ durationMillis }) => durationMillis).sort((one, other) => one - other)
    return {
      answers: this.#answers,
      failures: this.#failures,
      inFlight: this.#open.size,
      ratePerSecond: rateOf(latest, now),
      p50: percentile(durations, 0.5),
      p99: percentile(durations, 0.99),
      last: latest.slice(-shownAnswers).map(({ status }) => status),
      lastAt: latest.at(-1)?.at
    }
  }
}

const rateOf = (latest: ReadonlyArray<Answer>, now: number): number => {
  const recent = latest.filter(({ at }) => at > now - window)
  const [first] = recent
  // Where all that are kept are recent, there were more.
  const span = recent.length === maxAnswers && first !== undefined ? Math.max(1, now - first.at) : window
  return (recent.length * 1000) / span
}

const percentile = (sorted: ReadonlyArray<number>, part: number): number | undefined =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]

const maxAnswers = 1024
const shownAnswers = 20
const minute = 60_000
const window = 10_000
