/**
 * Lookups per second of the route table at 10, 1,000 and 100,000 apis: does the number of apis cost a lookup anything?
 *
 * `npx tsx bench/routes.ts [--json] [--rounds 15]`. Rounds of the sizes are interleaved, so that whatever else the machine does
 * falls on all alike; the figures are medians, beside the slowest and the fastest round.
 */
import * as Either from "effect/Either"
import { validateEntry } from "../src/DiscoveryEntry.js"
import * as RouteTable from "../src/discovery/RouteTable.js"

const sizes = [10, 1_000, 100_000]
const json = process.argv.includes("--json")
const rounds = argumentOf("--rounds", 15)
const roundMillis = 100

interface Workload {
  readonly name: string
  /** The path of a request to one api out of so many. */
  readonly path: (api: number) => string
  /** How many of the apis are asked; all, and what a cold cache costs shows, too. */
  readonly asked: number
}

/** What the bare Map lookup of a first segment costs: the part that is the processor's cache and not the table. */
const control: Workload = {
  name: "bare Map.get, all apis asked",
  path: (api) => `/api${api}/users/7?full=1`,
  asked: Number.POSITIVE_INFINITY
}

const workloads: ReadonlyArray<Workload> = [
  { name: "2 segments, 10 apis asked", path: (api) => `/api${api}/users/7?full=1`, asked: 10 },
  { name: "2 segments, all apis asked", path: (api) => `/api${api}/users/7?full=1`, asked: Number.POSITIVE_INFINITY },
  control,
  { name: "5 segments, 10 apis asked", path: (api) => `/group${api % 7}/team/v1/api${api}/users/7`, asked: 10 },
  { name: "no match", path: (api) => `/nobody${api}/users/7`, asked: 10 },
  { name: "8 kB of slashes", path: () => "/".repeat(8192), asked: 10 },
  { name: "8 kB in one segment", path: () => `/${"x".repeat(8191)}`, asked: 10 }
]

interface Result {
  readonly workload: string
  readonly apis: number
  readonly lookupsPerSecond: number
  readonly slowest: number
  readonly fastest: number
  /** To the same workload with the fewest apis. */
  readonly ratio: number
}

const tables = sizes.map(tableOf)
const cases = workloads.flatMap((workload) =>
  tables.map((table, index) => {
    const apis = sizes[index] ?? 0
    const paths = pathsOf(workload, apis)
    const rates: Array<number> = []
    const lookup = workload === control ? mapLookup(apis) : (path: string) => table.choose(path)?.release()
    return { workload: workload.name, apis, rates, run: () => measure(lookup, paths) }
  })
)

for (const { run } of cases) run()
for (let round = 0; round < rounds; round++) {
  for (const { rates, run } of cases) rates.push(run())
}

const medians = new Map(cases.map((one) => [one, median(one.rates)]))
const results: ReadonlyArray<Result> = cases.map((one) => {
  const baseline = cases.find((other) => other.workload === one.workload)
  const rate = medians.get(one) ?? 0
  return {
    workload: one.workload,
    apis: one.apis,
    lookupsPerSecond: Math.round(rate),
    slowest: Math.round(Math.min(...one.rates)),
    fastest: Math.round(Math.max(...one.rates)),
    ratio: rate / ((baseline && medians.get(baseline)) ?? rate)
  }
})

if (json) console.log(JSON.stringify({ node: process.version, rounds, roundMillis, results }, undefined, 2))
else printTable(results)

/** Each api has two instances below each of two prefixes, a short and a deep one. */
function tableOf(apis: number): RouteTable.RouteTable {
  const table = RouteTable.unsafeMake({ now: () => 0, random: pseudoRandom() })
  for (let api = 0; api < apis; api++) {
    const prefixes = [`/api${api}`, `/group${api % 7}/team/v1/api${api}`]
    const entries = prefixes.flatMap((pathPrefix) =>
      [4001, 4002].map((port) =>
        Either.getOrThrow(validateEntry({ api: `api${api}`, baseUrl: `http://127.0.0.1:${port}`, pathPrefix }))
      )
    )
    table.register(`owner${api % 50}`, entries)
  }
  return table
}

/** Flat strings, as an HTTP parser makes them: a concatenation would be flattened within the first lookup. */
function pathsOf({ asked, path }: Workload, apis: number): ReadonlyArray<string> {
  const random = pseudoRandom()
  const among = Math.min(asked, apis)
  const count = asked === 10 ? 100 : 20_000
  return Array.from({ length: count }, () => Buffer.from(path(Math.floor(random() * among))).toString("latin1"))
}

function mapLookup(apis: number): (path: string) => void {
  const hits = new Map(Array.from({ length: apis }, (_, api) => [`api${api}`, { count: 0 }]))
  return (path) => {
    const hit = hits.get(path.slice(1, path.indexOf("/", 1)))
    if (hit !== undefined) hit.count++
  }
}

function measure(lookup: (path: string) => void, paths: ReadonlyArray<string>): number {
  let lookups = 0
  let elapsed = 0
  const start = performance.now()
  while (elapsed < roundMillis) {
    for (const path of paths) lookup(path)
    lookups += paths.length
    elapsed = performance.now() - start
  }
  return (lookups / elapsed) * 1000
}

function pseudoRandom(): () => number {
  let seed = 1
  return () => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed / 2_147_483_647
  }
}

function median(values: ReadonlyArray<number>): number {
  const sorted = [...values].sort((one, other) => one - other)
  return sorted[sorted.length >> 1] ?? 0
}

function argumentOf(name: string, otherwise: number): number {
  const index = process.argv.indexOf(name)
  return index === -1 ? otherwise : Number(process.argv[index + 1])
}

function printTable(rows: ReadonlyArray<Result>): void {
  const number = (value: number) => value.toLocaleString("en-US")
  const lines = [
    ["workload", "apis", "lookups/s", "slowest", "fastest", `to ${number(sizes[0] ?? 0)} apis`],
    ...rows.map((row) => [
      row.workload,
      number(row.apis),
      number(row.lookupsPerSecond),
      number(row.slowest),
      number(row.fastest),
      `${row.ratio.toFixed(2)}x`
    ])
  ]
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? []
  for (const line of lines) {
    console.log(
      line
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join("  ")
    )
  }
  console.log(`\nMedians of ${rounds} interleaved rounds of ${roundMillis} ms, Node ${process.version}.`)
}
