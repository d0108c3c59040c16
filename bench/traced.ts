/**
 * What a tracer costs: `npx tsx bench/traced.ts [--rounds 7]`. The package has to be built.
 *
 * Requests of Effect callers, and a gateway that forwards or answers, with a tracer that makes spans and exports nothing at all of
 * its ends, and without one. The two take turns. Printed is the processor time of a traced request to that of one that isn't, the
 * median of the rounds with the 25th and 75th percentile.
 */
import { parseArgs } from "node:util"
import { Program } from "./Program.js"
import { printSpread } from "./report.js"
import * as Requests from "./requests.js"
import { ratiosOf, spreadOf } from "./statistics.js"

const { values } = parseArgs({ options: { rounds: { type: "string", default: "7" } } })
const rounds = Number(values.rounds)

/** Processor time in microseconds: traced, and not. */
const inTurn = async <A>(what: string, contenders: readonly [A, A], measure: (one: A) => Promise<number>) => {
  const costs: readonly [Array<number>, Array<number>] = [[], []]
  for (const contender of contenders) await measure(contender)
  for (let round = 0; round < rounds; round++) {
    for (const i of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      costs[i].push(await measure(contenders[i]))
    }
  }
  const micros = costs.map((taken) => spreadOf(taken).median.toFixed(1))
  console.log(`${what}: ${printSpread(spreadOf(ratiosOf(...costs)))}, ${micros[0]} to ${micros[1]} µs`)
}

const requests = async () => {
  const start = (variant: string) => Requests.start({ name: variant, module: "ours", variant, bothWays: true }, 1500)
  const pairs = [await start("traced"), await start("branded")] as const
  for (const direction of ["to server", "to client"] as const) {
    const workload: Requests.Workload = { payload: "small", inFlight: 64, direction, millis: 300 }
    await inTurn(Requests.labelOf(workload), pairs, async (pair) => {
      const { cpuMicros } = await Requests.measure(pair, workload, workload.millis)
      return cpuMicros
    })
  }
  await Promise.all(pairs.flatMap(({ client, server }) => [client.stop(), server.stop()]))
}

const gateways = async () => {
  const upstream = await Program.start("upstream.mjs")
  const load = await Program.start("httpLoad.mjs")
  const target = `http://127.0.0.1:${await upstream.ask<number>("serve")}`
  for (const role of ["proxy", "answer"]) {
    const start = async (name: string) => {
      const program = await Program.start("gateway.mjs")
      return { program, port: await program.ask<number>(role, name, target) }
    }
    const pair = [await start("ours, traced"), await start("ours")] as const
    await inTurn(role === "proxy" ? "a request that is forwarded" : "a route", pair, async ({ port, program }) => {
      await load.ask("load", port, "/users/42", 32, 300)
      const before = await program.cpu()
      const { count } = await load.ask<{ readonly count: number }>("load", port, "/users/42", 32, 500)
      return (((await program.cpu()) - before) * 1000) / count
    })
    await Promise.all(pair.map(({ program }) => program.stop()))
  }
  await Promise.all([upstream.stop(), load.stop()])
}

await requests()
await gateways()
