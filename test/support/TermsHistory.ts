/**
 * What one observer has seen of leaders' terms, a line of JSON an event, and what has to hold of it. The observer is the store
 * that leaders write to, too.
 */
import { readFileSync } from "node:fs"

/** Moments are of the machine's monotonic clock, which all its processes share, in milliseconds. */
export type Event = {
  /** When the observer knew of it. */
  readonly at: number
  readonly who: string
} & (
  | {
      readonly what: "begin" | "end"
      readonly token: number
      /** When the participant says that it was: before it told of it. */
      readonly was: number
    }
  | { readonly what: "write"; readonly token: number; readonly taken: boolean }
  /** What the observer does. */
  | { readonly what: "kill" | "cut" | "join" | "stop" | "resume" }
)

export interface Findings {
  /** Leaders that were killed, cut off and stopped. One whose term ended just before doesn't count. */
  readonly kills: number
  readonly cuts: number
  readonly stops: number
  /** How many terms have begun. */
  readonly terms: number
  readonly writes: number
  /** Writes of an older term after another's had begun, and how many of them the store refused. */
  readonly lateWrites: number
  readonly refused: number
  /** From the end of one term to the begin of the next, the shortest, in milliseconds. */
  readonly closest: number
  /** What doesn't hold. */
  readonly violations: ReadonlyArray<string>
}

export const line = (event: Event): string => `${JSON.stringify(event)}\n`

export const read = (file: string): ReadonlyArray<Event> =>
  readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((text) => JSON.parse(text))

interface Term {
  readonly who: string
  readonly token: number
  /** When it began and ended, as the participant says, and when the observer knew of it; not over yet without. */
  readonly begin: { readonly was: number; readonly at: number }
  end: { readonly was: number; readonly at: number } | undefined
}

/**
 * A term ends where its participant says so, is killed, or is stopped: what a stopped one does later, the store has to refuse.
 * One that is cut off leads on until it says that it ended.
 */
export const check = (events: ReadonlyArray<Event>): Findings => {
  const violations: Array<string> = []
  const counts = { kill: 0, cut: 0, stop: 0 }
  const terms: Array<Term> = []
  /** The term of each participant that leads, as far as is known. */
  const leading = new Map<string, Term>()
  /** How many terms had begun when a participant was stopped. */
  const stoppedAt = new Map<string, number>()
  let writes = 0
  let lateWrites = 0
  let refused = 0
  let taken = 0

  const endTerm = (who: string, end: Term["end"]): void => {
    const term = leading.get(who)
    if (term !== undefined) term.end = end
    leading.delete(who)
  }

  const act = ({ at, what, who }: Extract<Event, { readonly what: "kill" | "cut" | "join" | "stop" | "resume" }>) => {
    if (what === "resume" && terms.length === stoppedAt.get(who)) {
      violations.push(`${who} goes on before another's term began`)
    }
    if (what === "join" || what === "resume" || !leading.has(who)) return
    counts[what]++
    if (what === "cut") return
    endTerm(who, { was: at, at })
    if (what === "stop") stoppedAt.set(who, terms.length)
  }

  for (const event of events) {
    const { at, who } = event
    switch (event.what) {
      case "begin": {
        const { token, was } = event
        const highest = terms.reduce((most, term) => Math.max(most, term.token), 0)
        if (token <= highest) violations.push(`${who}'s term has token ${token}, after one with ${highest}`)
        const term: Term = { who, token, begin: { was, at }, end: undefined }
        terms.push(term)
        leading.set(who, term)
        break
      }
      case "end":
        // Of one that was stopped, the term has ended before.
        endTerm(who, { was: event.was, at })
        break
      case "write": {
        const { token } = event
        writes++
        if (terms.some((term) => term.token > token)) {
          lateWrites++
          if (event.taken)
            violations.push(`${who}'s write of term ${token} was taken at ${at}, after a later term had begun`)
          else refused++
        } else if (!event.taken)
          violations.push(`${who}'s write of term ${token} was refused at ${at}, though none is later`)
        if (event.taken && token < taken)
          violations.push(`the store took a write of term ${token} after one of ${taken}`)
        if (event.taken) taken = Math.max(taken, token)
        break
      }
      default:
        act(event)
    }
  }

  const closest = distances(terms, violations)
  if (counts.stop > 0 && lateWrites === 0) violations.push("no leader that was stopped has tried to write later")
  return {
    kills: counts.kill,
    cuts: counts.cut,
    stops: counts.stop,
    terms: terms.length,
    writes,
    lateWrites,
    refused,
    closest,
    violations
  }
}

/** Each term has to begin after all terms that began before it have ended, by both clocks' readings. */
const distances = (terms: ReadonlyArray<Term>, violations: Array<string>): number => {
  let closest = Number.POSITIVE_INFINITY
  for (const reading of ["was", "at"] as const) {
    const inOrder = [...terms].sort((left, right) => left.begin[reading] - right.begin[reading])
    let last: Term | undefined
    const endOf = (term: Term | undefined): number =>
      term === undefined ? Number.NEGATIVE_INFINITY : (term.end?.[reading] ?? Number.POSITIVE_INFINITY)
    for (const term of inOrder) {
      const distance = term.begin[reading] - endOf(last)
      if (distance <= 0) {
        violations.push(
          `${term.who}'s term ${term.token} began ${-distance} ms before ${last?.who}'s term ${last?.token} had ended (${reading})`
        )
      }
      closest = Math.min(closest, distance)
      if (endOf(term) > endOf(last)) last = term
    }
  }
  return Number(closest.toFixed(1))
}
