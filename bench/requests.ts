/**
 * Request and response over one connection, each peer with a server and a client process of its own.
 */
import { inPairs, orSkip, Program } from "./Program.js"
import type { Report, Series } from "./report.js"

export interface RequestsPlan {
  readonly rounds: number
  /** How long each end is exercised before anything counts: what V8 compiles late takes a second on a busy machine. */
  readonly warmUpMillis: number
  readonly workloads: ReadonlyArray<Workload>
}

export interface Workload {
  readonly payload: "small" | "big"
  readonly inFlight: number
  readonly direction: "to server" | "to client"
  /** How long each contender is measured in a round. */
  readonly millis: number
}

export const base = "hand-written ws"

export interface Peer {
  readonly name: string
  readonly module: string
  readonly variant?: string
  /** Whether its server can ask its client. */
  readonly bothWays: boolean
}

const peers: ReadonlyArray<Peer> = [
  { name: base, module: "ws", bothWays: true },
  { name: "hand-written ws, corked", module: "ws", variant: "corked", bothWays: true },
  { name: "lines of JSON", module: "lines", variant: "promises", bothWays: true },
  { name: "lines of JSON, asked by fibers", module: "lines", variant: "fibers", bothWays: true },
  { name: "the same, cancellable", module: "lines", variant: "cancellable", bothWays: true },
  { name: "the same, by TCP", module: "lines", variant: "tcp", bothWays: true },
  { name: "lines of JSON, cancellable, generator handlers", module: "lines", variant: "generators", bothWays: true },
  { name: "lines of JSON, cancellable, a runPromise for each", module: "lines", variant: "runPromise", bothWays: true },
  { name: "effect-ipc, branded", module: "ours", variant: "branded", bothWays: true },
  { name: "effect-ipc, branded, by TCP", module: "ours", variant: "tcp", bothWays: true },
  { name: "effect-ipc, branded, generator handlers", module: "ours", variant: "generators", bothWays: true },
  { name: "effect-ipc, branded, a runPromise for each", module: "ours", variant: "promises", bothWays: true },
  { name: "effect-ipc, Schemas", module: "ours", variant: "schemas", bothWays: true },
  { name: "effect-ipc, MessagePack", module: "ours", variant: "msgpack", bothWays: true },
  { name: "effect-ipc, promise facade", module: "facade", bothWays: true },
  { name: "birpc", module: "birpc", bothWays: true },
  { name: "socket.io, acks", module: "socketio", bothWays: true },
  { name: "tRPC", module: "trpc", bothWays: false },
  { name: "@effect/rpc, JSON", module: "effectRpc", variant: "json", bothWays: false },
  { name: "@effect/rpc, MessagePack", module: "effectRpc", variant: "msgpack", bothWays: false },
  { name: "@effect/rpc, MessagePack without records", module: "effectRpc", variant: "maps", bothWays: false }
]

export const labelOf = ({ direction, inFlight, payload }: Workload): string =>
  `${payload === "small" ? "" : "300 kB "}x${inFlight}${direction === "to client" ? " to client" : ""}`

export type Reports = {
  /** Requests a second. */
  readonly rates: Report
  /** The processor time that both processes took for each: what a busy machine distorts less. */
  readonly costs: Report
  /** How busy the end that asks and the one that answers were: 100 is one processor. */
  readonly busy: Report
}

export const run = async (plan: RequestsPlan): Promise<Reports> => {
  const started = await inPairs(peers, (peer) => orSkip(peer.name, () => start(peer, plan.warmUpMillis)))
  const pairs = started.filter((pair) => pair !== undefined)
  const rates: Array<Series> = []
  const costs: Array<Series> = []
  const busy: Array<Series> = []
  for (const workload of plan.workloads) {
    const contenders = pairs
      .filter(({ peer }) => peer.bothWays || workload.direction === "to server")
      .map((pair) => ({ pair, results: [] as Array<Result> }))
    for (const { pair } of contenders) await measure(pair, workload, plan.warmUpMillis / 2)
    for (let round = 0; round < plan.rounds; round++) {
      // Another peer begins each round, so that none always follows the same one.
      for (let i = 0; i < contenders.length; i++) {
        const { pair, results } = contenders[(i + round) % contenders.length] as (typeof contenders)[number]
        results.push(await measure(pair, workload, workload.millis))
      }
    }
    for (const { pair, results } of contenders) {
      const of = { workload: labelOf(workload), contender: pair.peer.name }
      rates.push({ ...of, values: results.map(({ perSecond }) => perSecond) })
      costs.push({ ...of, values: results.map(({ cpuMicros }) => cpuMicros) })
      for (const end of ["asking", "answering"] as const) {
        const workload = `${of.workload}, ${end}`
        busy.push({ ...of, workload, values: results.map(({ busyPercent }) => busyPercent[end]) })
      }
    }
    process.stdout.write(".")
  }
  process.stdout.write("\n")
  await Promise.all(pairs.flatMap(({ client, server }) => [client.stop(), server.stop()]))
  return {
    rates: { title: "Request and response: requests a second", unit: "/s", base, series: rates },
    costs: { title: "The same: processor time a request, both ends (less is better)", unit: "µs", base, series: costs },
    busy: { title: "The same: how busy each end was", unit: "%", base, series: busy }
  }
}

export interface Pair {
  readonly peer: Peer
  readonly server: Program
  readonly client: Program
}

interface Count {
  readonly count: number
  readonly seconds: number
}

/** `folder` as in {@link Program.start}. */
export const start = async (peer: Peer, warmUpMillis: number, folder?: URL): Promise<Pair> => {
  const variant = peer.variant === undefined ? [] : [peer.variant]
  const server = await Program.start("peer.mjs", ["server", peer.module, ...variant], [], folder)
  const port = await server.ask<number>("serve")
  const client = await Program.start("peer.mjs", ["client", peer.module, ...variant], [], folder)
  await client.ask("connect", port)
  await client.ask("load", "small", 64, warmUpMillis)
  if (peer.bothWays) await server.ask("load", "small", 64, warmUpMillis)
  return { peer, server, client }
}

export interface Result {
  readonly perSecond: number
  readonly cpuMicros: number
  readonly busyPercent: { readonly asking: number; readonly answering: number }
}

export const measure = async (pair: Pair, workload: Workload, millis: number): Promise<Result> => {
  const { client, server } = pair
  const [asking, answering] = workload.direction === "to server" ? [client, server] : [server, client]
  const cpu = async () => ({ asking: await asking.cpu(), answering: await answering.cpu() })
  // While the others had their turn the processor forgot this one, whose library is the larger the more so.
  await asking.ask<Count>("load", workload.payload, workload.inFlight, millis / 2)
  const before = await cpu()
  const { count, seconds } = await asking.ask<Count>("load", workload.payload, workload.inFlight, millis)
  const after = await cpu()
  const took = { asking: after.asking - before.asking, answering: after.answering - before.answering }
  const percent = (millis: number) => millis / (10 * seconds)
  return {
    perSecond: count / seconds,
    cpuMicros: ((took.asking + took.answering) * 1000) / count,
    busyPercent: { asking: percent(took.asking), answering: percent(took.answering) }
  }
}
