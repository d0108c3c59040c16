/**
 * The shortest schedule found that still fails: steps are left out for as long as the same invariant is violated.
 */
import type { Violation } from "./Run.js"
import type { Schedule, Step } from "./Schedule.js"

/** How many runs the search may take. */
const maxRuns = 600

export const shrink = async (
  schedule: Schedule,
  invariant: Violation["invariant"],
  run: (schedule: Schedule) => Promise<Violation | undefined>
): Promise<Schedule> => {
  let steps: ReadonlyArray<Step> = schedule.steps
  let runs = 0
  const fails = async (tried: ReadonlyArray<Step>): Promise<boolean> =>
    runs++ < maxRuns && (await run({ ...schedule, steps: tried }))?.invariant === invariant

  for (let size = Math.ceil(steps.length / 2); size >= 1 && runs < maxRuns; size = Math.floor(size / 2)) {
    for (let at = 0; at < steps.length && runs < maxRuns; ) {
      const tried = without(steps, at, size)
      if (await fails(tried)) steps = tried
      else at += size
    }
  }
  return { ...schedule, steps }
}

/** The time that the steps took goes to the one that comes after them. */
const without = (steps: ReadonlyArray<Step>, at: number, size: number): ReadonlyArray<Step> => {
  const millis = steps.slice(at, at + size).reduce((sum, { after }) => sum + after, 0)
  const [next, ...later] = steps.slice(at + size)
  const before = steps.slice(0, at)
  return next === undefined ? before : [...before, { ...next, after: next.after + millis }, ...later]
}
