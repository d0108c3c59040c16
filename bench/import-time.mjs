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

/** Milliseconds from the first import to the last, without Node's own start. */
const importMillis = (modules) => {
  const program = `
    const start = performance.now()
    for (const name of ${JSON.stringify(modules)}) await import(name)
    console.log(performance.now() - start)`
  return Number(execFileSync(process.execPath, ["--input-type=module", "--eval", program], { encoding: "utf8" }))
}

const quantile = (values, q) => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.round(q * (sorted.length - 1))]
}

// The first reading of each file comes from the disk.
for (const modules of [ours, base, ...others]) importMillis(modules)

// Interleaved: whatever else the machine does falls on all alike.
const measured = Array.from({ length: rounds }, () => ({
  ours: importMillis(ours),
  base: importMillis(base),
  others: others.map(importMillis)
}))

const row = (name, values, digits = 0) => {
  const [low, median, high] = [0.25, 0.5, 0.75].map((q) => quantile(values, q).toFixed(digits))
  console.log(`${name.padEnd(66)} ${median.padStart(6)}   (${low} to ${high})`)
}

console.log(`median of ${rounds} rounds, with the middle half of them\n`)
row(
  `ms  ${base.join(", ")}`,
  measured.map((round) => round.base)
)
row(
  `ms  ${ours.join(", ")}`,
  measured.map((round) => round.ours)
)
others.forEach((modules, i) => {
  row(
    `ms  ${modules.join(", ")}`,
    measured.map((round) => round.others[i])
  )
})
const ratios = measured.map((round) => round.ours / round.base)
row(`${ours} to those together`, ratios, 2)

const ratio = quantile(ratios, 0.5)
console.log(`\n${ratio <= limit ? "within" : "ABOVE"} the limit of ${limit}`)
process.exitCode = ratio <= limit ? 0 : 1
