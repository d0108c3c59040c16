/**
 * Two hundred tests that use interceptors, in eight suites side by side, and two hundred in eight more whose tests all run at
 * the same time in sessions; each run in another random order. Says each run's seed: `--seed 7` repeats that run, and
 * `--seed 7 --runs 10` that and the nine after it.
 */
import { mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { build } from "esbuild"
import { createVitest } from "vitest/node"

const { values } = parseArgs({
  options: { runs: { type: "string" }, seed: { type: "string" } }
})
const first = Number(values.seed ?? Date.now() % 1_000_000)
const runs = Number(values.runs ?? (values.seed === undefined ? 10 : 1))
const root = fileURLToPath(new URL("..", import.meta.url))

// Bundled, since otherwise each run would load the library file by file, which takes longer than the tests.
const folder = realpathSync(mkdtempSync(join(tmpdir(), "effect-ipc-storm-")))
process.once("exit", () => rmSync(folder, { recursive: true, force: true }))
symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "junction")
await build({
  absWorkingDir: root,
  entryPoints: ["test/stress/interception/*.storm.ts"],
  outdir: folder,
  bundle: true,
  splitting: true,
  sourcemap: "inline",
  platform: "node",
  format: "esm",
  target: "node20",
  external: ["vitest", "find-my-way", "undici", "ws"],
  logLevel: "error"
})

const vitest = await createVitest("test", {
  root: folder,
  config: false,
  watch: false,
  include: ["*.storm.js"],
  server: { deps: { external: [/chunk-\w+\.js$/] } },
  // What is told is told below, a line a run.
  reporters: [{}],
  pool: "threads",
  // Each thread loads the library once; what a suite would leave in a module, the next one would stumble over.
  isolate: false,
  minWorkers: 2,
  maxWorkers: 2,
  testTimeout: 30_000,
  maxConcurrency: 25,
  sequence: { shuffle: true }
})

const start = performance.now()
let failed = 0
for (let run = 0; run < runs; run++) {
  const seed = first + run
  const began = performance.now()
  for (const { config } of [vitest, ...vitest.projects]) config.sequence.seed = seed
  const { testModules, unhandledErrors } = await vitest.runTestSpecifications(
    await vitest.globTestSpecifications(),
    true
  )
  const tests = testModules.flatMap((module) => [...module.children.allTests()])
  const passed = tests.filter((test) => test.result().state === "passed").length
  const whole = passed === tests.length && tests.length === 400 && unhandledErrors.length === 0
  if (!whole) failed++
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  for (const test of tests) {
    for (const { diff, message, stack } of test.result().errors ?? []) {
      console.log(`${test.fullName}\n${message}\n${diff ?? ""}\n${stack ?? ""}\n`)
    }
  }
  for (const error of unhandledErrors) console.log("Unhandled:", error)
  console.log(`seed ${seed}: ${passed} of ${tests.length} tests passed in ${seconds} s${whole ? "" : "  FAILED"}`)
}
await vitest.close()
console.log(
  `${runs - failed} of ${runs} runs without a failure, in ${((performance.now() - start) / 1000).toFixed(1)} s`
)
process.exitCode = failed === 0 ? 0 : 1
