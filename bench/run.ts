/**
 * All benchmarks, side by side with the peers: `npm run bench [-- --quick] [--only requests,gateway,…] [--json FILE]`.
 *
 * Server and client are separate processes; contenders take turns within each round, so that whatever else the machine does
 * falls on all alike; ratios are taken within a round, and printed as the median with the 25th and 75th percentile.
 */
import { execFile, execFileSync } from "node:child_process"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { cpus } from "node:os"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import * as Gateway from "./gateway.js"
import * as Memory from "./memory.js"
import { markdown, pooled, printSpread, type Report, ratioOf, tableOf } from "./report.js"
import * as Requests from "./requests.js"
import * as Startup from "./startup.js"
import type { Spread } from "./statistics.js"
import * as Streams from "./streams.js"

const suites = ["requests", "streams", "gateway", "memory", "startup", "import", "routes"] as const
type Suite = (typeof suites)[number]

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", default: suites.join(",") },
    json: { type: "string" }
  }
})
const quick = options.quick
const chosen = options.only.split(",")
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** In milliseconds. */
const turn = quick ? 100 : 300

/** Where few requests pass in a turn, it is long enough for a contender to be what it is once it runs. */
const turnOf = (payload: "small" | "big", inFlight: number): number => {
  if (quick) return turn
  if (payload === "big") return inFlight === 4 ? 500 : turn
  return inFlight === 1 ? 750 : turn
}

const toServer = (payload: "small" | "big", inFlight: number): Requests.Workload => ({
  payload,
  inFlight,
  direction: "to server",
  millis: turnOf(payload, inFlight)
})
const toClient = (payload: "small" | "big", inFlight: number): Requests.Workload => ({
  payload,
  inFlight,
  direction: "to client",
  millis: turn
})

const requestsPlan: Requests.RequestsPlan = quick
  ? {
      rounds: 2,
      warmUpMillis: 200,
      workloads: [
        toServer("small", 1),
        toServer("small", 64),
        toServer("small", 512),
        toServer("big", 4),
        toClient("small", 64)
      ]
    }
  : {
      rounds: 3,
      warmUpMillis: 1200,
      workloads: [
        toServer("small", 1),
        toServer("small", 64),
        toServer("small", 512),
        toServer("big", 1),
        toServer("big", 4),
        toClient("small", 64),
        toClient("small", 512)
      ]
    }

/** What must hold, and where to aim: a contender's ratio to another. */
interface Target {
  readonly what: string
  readonly report: string
  readonly workload: string
  readonly contender: string
  /** What the ratio is to, where not to the report's base. */
  readonly base?: string
  /** In place of `atLeast`, where less is better. */
  readonly atMost?: number
  readonly atLeast?: number
  readonly aim: number
}

/** The reports of each run, by their name. */
const reports = new Map<string, ReadonlyArray<Report>>()
const small = (inFlight: number) => Requests.labelOf(toServer("small", inFlight))
const big = (inFlight: number) => Requests.labelOf(toServer("big", inFlight))
const requestTarget = (what: string, workload: string, contender: string, atLeast: number, aim: number): Target => ({
  what,
  report: "requests rates",
  workload,
  contender: `effect-ipc, ${contender}`,
  atLeast,
  aim
})
const routeTarget = (what: string, contender: string, atLeast: number, aim: number): Target => ({
  what,
  report: "gateway answered",
  workload: "JSON route",
  contender,
  atLeast,
  aim
})

const streamTarget = (
  what: string,
  name: keyof typeof Streams.workloads,
  atLeast: number,
  aim: number,
  { base, contender = Streams.branded }: { readonly base?: string; readonly contender?: string } = {}
): Target => ({
  what,
  report: `streams ${name}`,
  workload: Streams.workloads[name],
  contender,
  ...(base === undefined ? {} : { base }),
  atLeast,
  aim
})

const targets: ReadonlyArray<Target> = [
  requestTarget("branded, x64", small(64), "branded", 2, 3),
  requestTarget("branded, x512", small(512), "branded", 2.5, 3.5),
  requestTarget("branded, generator handlers, x64", small(64), "branded, generator handlers", 1.2, 1.8),
  requestTarget("Schemas at both ends, x64", small(64), "Schemas", 1.2, 1.8),
  requestTarget("a runPromise for each, x64", small(64), "branded, a runPromise for each", 1, 1.5),
  requestTarget("promise facade, x64", small(64), "promise facade", 1.9, 3),
  requestTarget("server to client, x64", Requests.labelOf(toClient("small", 64)), "branded", 2, 3),
  requestTarget("branded, one in flight", small(1), "branded", 1.05, 1.3),
  requestTarget("branded, 300 kB x1", big(1), "branded", 1, 1.2),
  requestTarget("branded, 300 kB x4", big(4), "branded", 1.2, 1.4),
  requestTarget("branded by TCP, x64", small(64), "branded, by TCP", 1.8, 2.2),
  requestTarget("branded by TCP, one in flight", small(1), "branded, by TCP", 0.92, 1),
  ...[1, 4].flatMap((inFlight) =>
    ["@effect/rpc, MessagePack", "@effect/rpc, MessagePack without records"].map((base) => ({
      ...requestTarget(`300 kB x${inFlight} with MessagePack, to ${base}`, big(inFlight), "MessagePack", 1, 1.2),
      base
    }))
  ),
  streamTarget("elements, 256 at a time", "elements", 2, 4),
  streamTarget("elements, one at a time", "events", 2, 4),
  streamTarget("elements, one at a time, to @effect/rpc's", "events", 10, 10, { base: "@effect/rpc, JSON" }),
  streamTarget("bytes, 64 KiB, to a bare net pipe", "bytes", 0.4, 0.6),
  streamTarget("the same, after elements", "bytes", 0.4, 0.6, { contender: Streams.brandedAfterElements }),
  routeTarget("JSON route", "ours", 0.9, 1),
  routeTarget("JSON route, as a generator", "ours, generator", 0.7, 0.85),
  routeTarget("JSON route, by the facade", "ours, facade", 0.7, 0.85),
  {
    what: "proxied small answer, to undici behind node:http",
    report: "gateway proxied",
    workload: "small answer",
    contender: "ours",
    base: "undici behind node:http",
    atLeast: 0.9,
    aim: 1.05
  },
  ...Gateway.nodeProxies.map((base) => ({
    what: `proxied 1 MiB, to ${base}`,
    report: "gateway proxied",
    workload: "1 MiB",
    contender: "ours",
    base,
    atLeast: 1,
    aim: 1.2
  })),
  {
    what: "memory of an idle connection",
    report: "memory idle",
    workload: "resident",
    contender: "effect-ipc",
    atMost: 1.5,
    aim: 1.2
  },
  {
    what: "a process's start to its first answer",
    report: "startup first",
    workload: "time",
    contender: "effect-ipc, branded",
    atMost: 3.5,
    aim: 2.5
  }
]

prepare()
const start = performance.now()
const run = async (suite: Suite, measure: () => Promise<void>) => {
  if (!chosen.includes(suite)) return
  console.log(`${suite} …`)
  const began = performance.now()
  // One suite that can't be measured keeps no table from being printed.
  await measure().catch((error: unknown) => {
    console.log(`  FAILED: ${error instanceof Error ? error.message : error}`)
    process.exitCode = 1
  })
  console.log(`  ${((performance.now() - began) / 1000).toFixed(0)} s`)
}
const texts: Array<string> = []
/** Measures several times, each with processes of its own: one that runs the same program may be twice as fast as the next. */
const runSeveral = (suite: Suite, measure: () => Promise<Readonly<Record<string, Report>>>) =>
  run(suite, async () => {
    const all: Array<Readonly<Record<string, Report>>> = []
    for (let i = 0; i < (quick ? 1 : 3); i++) all.push(await measure())
    for (const name of Object.keys(all[0] ?? {})) {
      const ofRuns = all.flatMap((one) => one[name] ?? [])
      reports.set(`${suite} ${name}`, ofRuns)
      texts.push(tableOf(pooled(ofRuns)))
    }
  })

await runSeveral("requests", () => Requests.run(requestsPlan))
await runSeveral("streams", () =>
  Streams.run(quick ? { rounds: 2, warmUpMillis: 200, millis: 100 } : { rounds: 3, warmUpMillis: 2500, millis: 400 })
)
await runSeveral("gateway", () => Gateway.run(quick ? { rounds: 2, seconds: 0.3 } : { rounds: 3, seconds: 1 }))
await runSeveral("memory", () => Memory.run(quick ? 2000 : 8000))
await runSeveral("startup", () => Startup.run(quick ? 1 : 5))
const imports = () => run("import", () => other("import-time.mjs", [quick ? "1" : "5"]))
const routes = () => run("routes", () => other("routes.ts", ["--rounds", quick ? "1" : "7"]))
if (quick) await Promise.all([imports(), routes()])
else {
  await imports()
  await routes()
}

const summary = targets.flatMap((target) => {
  const ofRuns = reports.get(target.report)
  if (ofRuns === undefined) return []
  const ratioIn = (report: Report) => ratioOf(report, target.workload, target.contender, target.base)
  const ratio = ratioIn(pooled(ofRuns))
  if (ratio !== undefined)
    return [
      verdict(
        target,
        ratio,
        ofRuns.flatMap((report) => ratioIn(report) ?? [])
      )
    ]
  // A quick run leaves some workloads out. A suite that has failed says so itself.
  return quick ? [] : [[target.what, "not measured", "", "", "", "NO"]]
})

const machine = `${cpus().length} cores, Node ${process.versions.node.split(".")[0]}`
const date = new Date().toISOString()
console.log(
  [
    `\n${date.slice(0, 10)}, ${machine}, ${quick ? "quick run" : "full run"} of ${((performance.now() - start) / 1000).toFixed(0)} s. Ratios: median (p25–p75) of the rounds of all runs.`,
    ...texts,
    ...(summary.length === 0
      ? []
      : [`### What must hold\n${markdown(["what", "measured", "in each run", "must be", "aim", "holds"], summary)}`])
  ].join("\n\n")
)
writeJson()
// Programs of a suite that failed may still run, and end with this one.
process.exit()

/** A fresh clone has neither a build nor the peers. */
function prepare() {
  execFileSync("npm", ["run", "--silent", "build"], { cwd: here(".."), stdio: "inherit" })
  if (!existsSync(here("./node_modules/.package-lock.json"))) {
    console.log("installing the peers …")
    execFileSync("npm", ["ci", "--ignore-scripts", "--loglevel=error"], { cwd: here("."), stdio: "inherit" })
  }
}

/** A benchmark that stands by itself: its own table is printed, its own JSON kept. */
async function other(file: string, args: ReadonlyArray<string>): Promise<void> {
  if (!existsSync(here(file))) return console.log(`  skipped: there is no bench/${file}`)
  const command = file.endsWith(".ts") ? [here("../node_modules/.bin/tsx"), here(file)] : [process.execPath, here(file)]
  const [program, ...rest] = command as [string, ...Array<string>]
  const output = await new Promise<string>((resolve, reject) => {
    execFile(program, [...rest, ...args], { cwd: here("..") }, (error, stdout, stderr) => {
      // One that also checks a limit ends with 1 above it; its table says so.
      if (error === null || stdout !== "") resolve(stdout)
      else reject(new Error(`${file}: ${stderr}`))
    })
  })
  texts.push(`### ${file}\n\`\`\`\n${output.trim()}\n\`\`\``)
}

function verdict(
  { aim, atLeast, atMost, what }: Target,
  ratio: Spread,
  inRuns: ReadonlyArray<Spread>
): ReadonlyArray<string> {
  const holds = ratio.median >= (atLeast ?? 0) && ratio.median <= (atMost ?? Number.POSITIVE_INFINITY)
  const bound = atMost === undefined ? `at least ${atLeast}` : `at most ${atMost}`
  const medians = inRuns.map(({ median }) => median.toFixed(2)).join(", ")
  return [what, printSpread(ratio), medians, bound, String(aim), holds ? "yes" : "NO"]
}

function writeJson() {
  const file = options.json ?? here(`./results/${date.replace(/[:.]/g, "-")}.json`)
  if (options.json === undefined) mkdirSync(here("./results"), { recursive: true })
  const content = { date, machine, quick, runs: Object.fromEntries(reports), texts }
  writeFileSync(file, `${JSON.stringify(content, undefined, 2)}\n`)
  console.log(`\nKept in ${file}`)
}
