/**
 * Streams: elements of about 100 bytes, and bytes in chunks of 64 KiB. Each peer has a producer and a consumer process for each.
 */
import { inPairs, orSkip, Program } from "./Program.js"
import type { Report, Series } from "./report.js"

export interface StreamsPlan {
  readonly rounds: number
  readonly warmUpMillis: number
  /** How long each contender is measured in a round. */
  readonly millis: number
}

type What = "elements" | "events" | "bytes"

interface Peer {
  readonly name: string
  readonly module: string
  readonly variant?: string
  readonly carries: ReadonlyArray<What>
  /** What its processes have streamed before. */
  readonly after?: ReadonlyArray<What>
}

const all: ReadonlyArray<What> = ["elements", "events", "bytes"]

const handWritten = "hand-written ws, a frame an element"
export const base = { elements: handWritten, events: handWritten, bytes: "bare net pipe" }

export const workloads: Readonly<Record<What, string>> = {
  elements: "100 bytes of JSON, 256 at a time",
  events: "100 bytes of JSON, one at a time",
  bytes: "64 KiB"
}

export const branded = "effect-ipc, branded"
export const brandedAfterElements = "effect-ipc, branded, in processes that have streamed elements"

const peers: ReadonlyArray<Peer> = [
  { name: base.elements, module: "ws", carries: all },
  { name: "hand-written ws, of the same Effect streams", module: "wsEffect", carries: ["elements", "events"] },
  { name: base.bytes, module: "net", carries: ["bytes"] },
  { name: "net pipe, in processes that have streamed elements by effect-ipc", module: "netBeside", carries: ["bytes"] },
  { name: branded, module: "ours", variant: "branded", carries: all },
  { name: brandedAfterElements, module: "ours", variant: "branded", carries: ["bytes"], after: ["elements", "events"] },
  { name: "effect-ipc, branded, over TCP", module: "ours", variant: "tcp", carries: all },
  { name: "effect-ipc, Schemas", module: "ours", variant: "schemas", carries: ["elements"] },
  { name: "effect-ipc, MessagePack", module: "ours", variant: "msgpack", carries: all },
  { name: "effect-ipc, promise facade", module: "facade", carries: ["events", "bytes"] },
  { name: "@effect/rpc, JSON", module: "effectRpc", variant: "json", carries: ["elements", "events"] },
  { name: "@effect/rpc, MessagePack", module: "effectRpc", variant: "msgpack", carries: all }
]

interface Pair {
  readonly peer: Peer
  readonly producer: Program
  readonly consumer: Program
}

const start = async (peer: Peer, what: What, warmUpMillis: number): Promise<Pair> => {
  const variant = peer.variant === undefined ? [] : [peer.variant]
  const producer = await Program.start("stream-peer.mjs", ["server", peer.module, ...variant])
  const port = await producer.ask<number>("serve")
  const consumer = await Program.start("stream-peer.mjs", ["client", peer.module, ...variant])
  await consumer.ask("connect", port)
  for (const warmUp of [...(peer.after ?? []), what]) await consumer.ask("consume", warmUp, warmUpMillis)
  return { peer, producer, consumer }
}

const measure = async ({ consumer, producer }: Pair, what: What, millis: number) => {
  const cpu = async () => (await producer.cpu()) + (await consumer.cpu())
  await consumer.ask("consume", what, millis / 2)
  const before = await cpu()
  const { count, seconds } = await consumer.ask<{ count: number; seconds: number }>("consume", what, millis)
  const after = await cpu()
  return { perSecond: count / seconds, cpuMicros: ((after - before) * 1000) / count }
}

/** Elements or chunks a second, and the processor time that both processes took for each. */
export const run = async (plan: StreamsPlan): Promise<Readonly<Record<string, Report>>> => {
  const series = { rates: new Map<What, Array<Series>>(), costs: new Map<What, Array<Series>>() }
  for (const what of all) {
    // What a process has streamed before changes how fast it streams bytes.
    const carriers = peers.filter(({ carries }) => carries.includes(what))
    const started = await inPairs(carriers, (peer) => orSkip(peer.name, () => start(peer, what, plan.warmUpMillis)))
    const pairs = started.filter((pair) => pair !== undefined)
    const contenders = pairs.map((pair) => ({ pair, results: [] as Array<Awaited<ReturnType<typeof measure>>> }))
    for (let round = 0; round < plan.rounds; round++) {
      for (let i = 0; i < contenders.length; i++) {
        const { pair, results } = contenders[(i + round) % contenders.length] as (typeof contenders)[number]
        results.push(await measure(pair, what, plan.millis))
      }
      process.stdout.write(".")
    }
    const seriesOf = (value: (result: Awaited<ReturnType<typeof measure>>) => number) =>
      contenders.map(({ pair, results }) => ({
        workload: workloads[what],
        contender: pair.peer.name,
        values: results.map(value)
      }))
    series.rates.set(
      what,
      seriesOf(({ perSecond }) => perSecond)
    )
    series.costs.set(
      what,
      seriesOf(({ cpuMicros }) => cpuMicros)
    )
    await Promise.all(pairs.flatMap(({ consumer, producer }) => [consumer.stop(), producer.stop()]))
  }
  process.stdout.write("\n")
  return Object.fromEntries(
    all.flatMap((what) => {
      const title = `Streams, ${workloads[what]}`
      const cost = `${title}: processor time each, both ends (less is better)`
      const [rates = [], costs = []] = [series.rates.get(what), series.costs.get(what)]
      return [
        [what, { title: `${title}: a second`, unit: "/s", base: base[what], series: rates }],
        [`${what} costs`, { title: cost, unit: "µs", base: base[what], series: costs }]
      ]
    })
  )
}
