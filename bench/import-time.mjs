/**
 * Import time of `effect-ipc/node` as a ratio to what it can't do without, each in a fresh process. Run after a build:
 * `npm run bench:import [rounds]`. Exits 1 above the limit.
 */
import { execFileSync } from "node:child_process"

const limit = 1.5
const rounds = Number(process.argv[2] ?? 15)

const ours = ["effect-ipc/node"]
const base = ["effect/Effect", "effect/Layer", "effect/Schema", "ws", "find-my-way", "http-proxy"]
const others = [["effect-ipc"], ["effect-ipc/promise"]]

/** Milliseconds from the first import to the last, without Node's own start: by the clock, and of the processor. */
const importTimes = (modules) => {
  const program = `
    const start = performance.now()
    const before = process.cpuUsage()
    for (const name of ${JSON.stringify(modules)}) await import(name)
    const { user, system } = process.cpuUsage(before)
    console.log(JSON.stringify({ clock: performance.now() - start, processor: (user + system) / 1000 }))`
  return JSON.parse(execFileSync(process.execPath, ["--input-type=module", "--eval", program], { encoding: "utf8" }))
}

const quantile = (values, q) => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.round(q * (sorted.length - 1))]
}

// The first reading of each file comes from the disk.
for (const modules of [ours, base, ...others]) importTimes(modules)

// Interleaved: whatever else the machine does falls on all alike.
const measured = Array.from({ length: rounds }, () => ({
  ours: importTimes(ours),
  base: importTimes(base),
  others: others.map(importTimes)
}))

const row = (name, values, digits = 0) => {
  const [low, median, high] = [0.25, 0.5, 0.75].map((q) => quantile(values, q).toFixed(digits))
  console.log(`${name.padEnd(78)} ${median.padStart(6)}   (${low} to ${high})`)
}

console.log(`median of ${rounds} rounds, with the middle half of them\n`)
const clockRow = (modules, of) =>
  row(
    `ms  ${modules.join(", ")}`,
    measured.map((round) => of(round).clock)
  )
clockRow(base, (round) => round.base)
clockRow(ours, (round) => round.ours)
others.forEach((modules, i) => {
  clockRow(modules, (round) => round.others[i])
})
const ratiosBy = (time) => measured.map((round) => round.ours[time] / round.base[time])
const ratios = ratiosBy("clock")
row(`${ours} to the first line's together`, ratios, 2)
row("the same in processor time, which a busy machine distorts less", ratiosBy("processor"), 2)

const ratio = quantile(ratios, 0.5)
console.log(`\n${ratio <= limit ? "within" : "ABOVE"} the limit of ${limit}`)
process.exitCode = ratio <= limit ? 0 : 1
