/**
 * This checkout against another one of the library, such as the last release's: `npx tsx bench/compare.ts CHECKOUT
 * [--starts 3] [--rounds 5] [--only requests,gateway] [--rows "branded, x512;JSON route"]`. Both have to be built, with
 * their dependencies installed.
 *
 * The two take turns, so that whatever else the machine does falls on both. How V8 has optimized a process stays for its
 * life, and differs from one to the next by more than many a change of the code; so the processes are started several times.
 * Printed is this one's figure to the other's, the median of all rounds with the 25th and 75th percentile.
 */
import { resolve } from "node:path"
import { parseArgs } from "node:util"
import { Program, programsOf, root } from "./Program.js"
import { markdown, printSpread } from "./report.js"
import * as Requests from "./requests.js"
import { ratiosOf, spreadOf } from "./statistics.js"

const { positionals, values: options } = parseArgs({
  allowPositionals: true,
  options: {
    starts: { type: "string", default: "3" },
    rounds: { type: "string", default: "5" },
    only: { type: "string", default: "requests,gateway" },
    rows: { type: "string" }
  }
})
const [other] = positionals
if (other === undefined) throw new Error("Name the other checkout: npx tsx bench/compare.ts CHECKOUT")
const starts = Number(options.starts)
const rounds = Number(options.rounds)
const wanted = options.rows?.split(";")
const isWanted = (row: string): boolean => wanted === undefined || wanted.includes(row)

const folders = [programsOf(root), programsOf(other)] as const

interface Figure {
  readonly rate: number
  readonly cpu: number
}

interface Ratios {
  readonly rate: Array<number>
  readonly cpu: Array<number>
}

const ratiosOfRows = new Map<string, Ratios>()

/** Measures both in turn, the first to go alternating. */
const inTurn = async <A>(
  row: string,
  contenders: readonly [A, A],
  measure: (contender: A) => Promise<Figure>
): Promise<void> => {
  const figures: readonly [Array<Figure>, Array<Figure>] = [[], []]
  for (const contender of contenders) await measure(contender)
  for (let round = 0; round < rounds; round++) {
    for (const i of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      figures[i].push(await measure(contenders[i]))
    }
  }
  const ratios = ratiosOfRows.get(row) ?? { rate: [], cpu: [] }
  ratiosOfRows.set(row, ratios)
  const [ours, others] = figures
  for (const of of ["rate", "cpu"] as const) {
    const these = ratiosOf(
      ours.map((figure) => figure[of]),
      others.map((figure) => figure[of])
    )
    ratios[of].push(...these)
  }
  console.log(`${row}: rate ${printSpread(spreadOf(ratios.rate))}, processor time ${printSpread(spreadOf(ratios.cpu))}`)
}

const requests = async (): Promise<void> => {
  const variants: ReadonlyArray<Requests.Peer> = [
    { name: "branded", module: "ours", variant: "branded", bothWays: true },
    { name: "generator handlers", module: "ours", variant: "generators", bothWays: true },
    { name: "Schemas", module: "ours", variant: "schemas", bothWays: true },
    { name: "facade", module: "facade", bothWays: true }
  ]
  const workloads: ReadonlyArray<Requests.Workload> = [
    { payload: "small", inFlight: 1, direction: "to server", millis: 500 },
    { payload: "small", inFlight: 64, direction: "to server", millis: 300 },
    { payload: "small", inFlight: 512, direction: "to server", millis: 300 },
    { payload: "small", inFlight: 64, direction: "to client", millis: 300 },
    { payload: "big", inFlight: 4, direction: "to server", millis: 400 }
  ]
  for (const variant of variants) {
    const rowOf = (workload: Requests.Workload): string => `${variant.name}, ${Requests.labelOf(workload)}`
    const wantedWorkloads = workloads.filter((workload) => isWanted(rowOf(workload)))
    if (wantedWorkloads.length === 0) continue
    const pairs = [
      await Requests.start(variant, 1200, folders[0]),
      await Requests.start(variant, 1200, folders[1])
    ] as const
    for (const workload of wantedWorkloads) {
      await inTurn(rowOf(workload), pairs, async (pair) => {
        const { cpuMicros, perSecond } = await Requests.measure(pair, workload, workload.millis)
        return { rate: perSecond, cpu: cpuMicros }
      })
    }
    await Promise.all(pairs.flatMap(({ client, server }) => [client.stop(), server.stop()]))
  }
}

interface Count {
  readonly count: number
  readonly seconds: number
}

const gateway = async (): Promise<void> => {
  const upstream = await Program.start("upstream.mjs")
  const load = await Program.start("httpLoad.mjs")
  const target = `http://127.0.0.1:${await upstream.ask<number>("serve")}`
  const kinds = [
    { what: "proxied small answer", name: "ours", role: "proxy", path: "/users/42" },
    { what: "proxied 1 MiB", name: "ours", role: "proxy", path: "/big" },
    { what: "JSON route", name: "ours", role: "answer", path: "/users/42" },
    { what: "JSON route, generator", name: "ours, generator", role: "answer", path: "/users/42" },
    { what: "JSON route, facade", name: "ours, facade", role: "answer", path: "/users/42" }
  ]
  for (const { name, path, role, what } of kinds.filter(({ what }) => isWanted(what))) {
    const start = async (folder: URL) => {
      const program = await Program.start("gateway.mjs", [], [], folder)
      return { program, port: await program.ask<number>(role, name, target) }
    }
    const pair = [await start(folders[0]), await start(folders[1])] as const
    await inTurn(what, pair, async ({ port, program }) => {
      await load.ask<Count>("load", port, path, 32, 200)
      const before = await program.cpu()
      const { count, seconds } = await load.ask<Count>("load", port, path, 32, 600)
      return { rate: count / seconds, cpu: ((await program.cpu()) - before) / count }
    })
    await Promise.all(pair.map(({ program }) => program.stop()))
  }
  await Promise.all([upstream.stop(), load.stop()])
}

const suites: Record<string, () => Promise<void>> = { requests, gateway }
for (let start = 0; start < starts; start++) {
  for (const suite of options.only.split(",")) await suites[suite]?.()
}
const rows = [...ratiosOfRows].map(([row, { cpu, rate }]) => [
  row,
  printSpread(spreadOf(rate)),
  printSpread(spreadOf(cpu))
])
console.log(
  `\n${markdown([`to ${resolve(other)}, ${starts} starts of ${rounds} rounds`, "rate", "processor time"], rows)}`
)
