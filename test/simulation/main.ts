/**
 * Runs schedules drawn from seeds, and prints those that fail: `simulate --seeds N`.
 */
import { parseArgs } from "node:util"
import { run } from "./Run.js"
import { print, type Schedule } from "./Schedule.js"
import { groupOf, groups, scheduleOf } from "./Seeds.js"
import { shrink } from "./Shrink.js"

// Nothing reads the stacks of the errors that participants handle.
Error.stackTraceLimit = 0

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "100" },
    from: { type: "string", default: "1" },
    election: { type: "string", default: Object.keys(groups).join() },
    /** How many seeds may fail before it stops. */
    failures: { type: "string", default: "1" }
  }
})

let failures = 0
for (const name of values.election.split(",")) {
  const makeGroup = groupOf(name)
  const from = Number(values.from)
  const end = from + Number(values.seeds)
  const began = process.cpuUsage()
  let seed = from
  for (; seed < end && failures < Number(values.failures); seed++) {
    const schedule = scheduleOf(name, seed)
    const runIt = (tried: Schedule) => run(seed, tried, makeGroup)
    const violation = await runIt(schedule)
    if (violation === undefined) continue
    failures++
    const shortest = await shrink(schedule, violation.invariant, runIt)
    const detail = (await runIt(shortest))?.detail
    console.log(`Election by ${name}, seed ${seed}: ${violation.invariant}: ${violation.detail}`)
    console.log(`The shortest schedule found: ${detail}\n${print(shortest)}`)
  }
  const { system, user } = process.cpuUsage(began)
  const millis = (system + user) / 1000 / Math.max(seed - from, 1)
  console.log(
    `Election by ${name}: ${seed - from} seeds from ${from}, ${failures} failed; ${millis.toFixed(0)} ms of processor time each.`
  )
}
process.exit(failures === 0 ? 0 : 1)
