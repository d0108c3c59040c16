/**
 * This checkout against another one of the library, such as the last release's: `npx tsx bench/compare.ts CHECKOUT
 * [--rounds 9] [--only requests,gateway]`. Both have to be built, with their dependencies installed.
 *
 * The two take turns, so that whatever else the machine does falls on both. Printed is this one's figure to the other's,
 * the median of the rounds with the 25th and 75th percentile.
 */
import { resolve } from "node:path"
import { parseArgs } from "node:util"
import { Program, programsOf, root } from "./Program.js"
import { markdown, printSpread } from "./report.js"
import * as Requests from "./requests.js"
import { ratiosOf, spreadOf } from "./statistics.js"

const { positionals, values: options } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "9" }, only: { type: "string", default: "requests,gateway" } }
})
const [other] = positionals
if (other === undefined) throw new Error("Name the other checkout: npx tsx bench/compare.ts CHECKOUT")
const rounds = Number(options.rounds)

const folders = [programsOf(root), programsOf(other)] as const

interface Figure {
  readonly rate: number
  readonly cpu: number
}

const rows: Array<ReadonlyArray<string>> = []

/** Measures both in turn, the first to go alternating. */
const inTurn = async <A>(
  what: string,
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
  const ratio = (of: keyof Figure) =>
    printSpread(
      spreadOf(
        ratiosOf(
          figures[0].map((figure) => figure[of]),
          figures[1].map((figure) => figure[of])
        )
      )
    )
  rows.push([what, ratio("rate"), ratio("cpu")])
  console.log(`${what}: rate ${ratio("rate")}, processor time ${ratio("cpu")}`)
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
    const pairs = [
      await Requests.start(variant, 1200, folders[0]),
      await Requests.start(variant, 1200, folders[1])
    ] as const
    for (const workload of workloads) {
      await inTurn(`${variant.name}, ${Requests.labelOf(workload)}`, pairs, async (pair) => {
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
  for (const { name, path, role, what } of kinds) {
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
for (const suite of options.only.split(",")) await suites[suite]?.()
console.log(`\n${markdown([`to ${resolve(other)}, ${rounds} rounds`, "rate", "processor time"], rows)}`)
