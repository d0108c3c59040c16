/**
 * What asking a service by its name costs against asking a server by its port: `npx tsx bench/names.ts [--rounds 9]`. The
 * package has to be built.
 *
 * The two take turns, so that whatever else the machine does falls on both. Printed is the processor time of a request by
 * name, both ends, to that of one by port: the median of the rounds, with the 25th and 75th percentile.
 */
import { parseArgs } from "node:util"
import { printSpread } from "./report.js"
import * as Requests from "./requests.js"
import { ratiosOf, spreadOf } from "./statistics.js"

const { values } = parseArgs({ options: { rounds: { type: "string", default: "9" } } })
const rounds = Number(values.rounds)
const warmUpMillis = 2000

const pairs = await Promise.all([
  Requests.start({ name: "by port", module: "ours", variant: "branded", bothWays: false }, warmUpMillis),
  Requests.start({ name: "by name", module: "services", bothWays: false }, warmUpMillis)
])

for (const inFlight of [1, 64, 512]) {
  const workload: Requests.Workload = { payload: "small", inFlight, direction: "to server", millis: 1000 }
  const costs: ReadonlyArray<Array<number>> = [[], []]
  for (let round = 0; round < rounds; round++) {
    for (const i of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      const { cpuMicros } = await Requests.measure(pairs[i], workload, workload.millis)
      costs[i]?.push(cpuMicros)
    }
  }
  const [byPort = [], byName = []] = costs
  console.log(`${Requests.labelOf(workload)}: ${printSpread(spreadOf(ratiosOf(byName, byPort)))}`)
}
await Promise.all(pairs.flatMap(({ client, server }) => [client.stop(), server.stop()]))
