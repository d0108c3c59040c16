/**
 * Request and response over one WebSocket, each peer with a server and a client process of its own.
 */
import { orSkip, Program } from "./Program.js"
import type { Report, Series } from "./report.js"

export interface RequestsPlan {
  readonly rounds: number
  readonly millis: number
  readonly workloads: ReadonlyArray<Workload>
}

export interface Workload {
  readonly payload: "small" | "big"
  readonly inFlight: number
  readonly direction: "to server" | "to client"
}

export const base = "hand-written ws"

interface Peer {
  readonly name: string
  readonly module: string
  readonly variant?: string
  /** Whether its server can ask its client. */
  readonly bothWays: boolean
}

const peers: ReadonlyArray<Peer> = [
  { name: base, module: "ws", bothWays: true },
  { name: "hand-written ws, corked", module: "ws", variant: "corked", bothWays: true },
  { name: "effect-ipc, branded", module: "ours", variant: "branded", bothWays: true },
  { name: "effect-ipc, branded, generator handlers", module: "ours", variant: "generators", bothWays: true },
  { name: "effect-ipc, Schemas", module: "ours", variant: "schemas", bothWays: true },
  { name: "effect-ipc, promise facade", module: "facade", bothWays: true },
  { name: "birpc", module: "birpc", bothWays: true },
  { name: "socket.io, acks", module: "socketio", bothWays: true },
  { name: "tRPC", module: "trpc", bothWays: false },
  { name: "@effect/rpc, JSON", module: "effectRpc", variant: "json", bothWays: false },
  { name: "@effect/rpc, MessagePack", module: "effectRpc", variant: "msgpack", bothWays: false }
]

export const labelOf = ({ direction, inFlight, payload }: Workload): string =>
  `${payload === "small" ? "" : "300 kB "}x${inFlight}${direction === "to client" ? " to client" : ""}`

export const run = async (plan: RequestsPlan): Promise<Report> => {
  const pairs: Array<Pair> = []
  for (const peer of peers) {
    const pair = await orSkip(peer.name, () => start(peer))
    if (pair !== undefined) pairs.push(pair)
  }
  const series: Array<Series & { readonly values: Array<number> }> = []
  for (const workload of plan.workloads) {
    const contenders = pairs
      .filter(({ peer }) => peer.bothWays || workload.direction === "to server")
      .map((pair) => ({ pair, values: [] as Array<number> }))
    for (const { pair } of contenders) await measure(pair, workload, plan.millis)
    for (let round = 0; round < plan.rounds; round++) {
      // Another peer begins each round, so that none always follows the same one.
      for (let i = 0; i < contenders.length; i++) {
        const { pair, values } = contenders[(i + round) % contenders.length] as (typeof contenders)[number]
        values.push(await measure(pair, workload, plan.millis))
      }
    }
    for (const { pair, values } of contenders) {
      series.push({ workload: labelOf(workload), contender: pair.peer.name, values })
    }
    process.stdout.write(".")
  }
  process.stdout.write("\n")
  await Promise.all(pairs.flatMap(({ client, server }) => [client.stop(), server.stop()]))
  return { title: "Request and response over WebSocket", unit: "/s", base, series }
}

interface Pair {
  readonly peer: Peer
  readonly server: Program
  readonly client: Program
}

interface Count {
  readonly count: number
  readonly seconds: number
}

const start = async (peer: Peer): Promise<Pair> => {
  const variant = peer.variant === undefined ? [] : [peer.variant]
  const server = await Program.start("peer.mjs", ["server", peer.module, ...variant])
  const port = await server.ask<number>("serve")
  const client = await Program.start("peer.mjs", ["client", peer.module, ...variant])
  await client.ask("connect", port)
  // What V8 compiles late is compiled by now.
  await client.ask("load", "small", 64, 500)
  if (peer.bothWays) await server.ask("load", "small", 64, 500)
  return { peer, server, client }
}

const measure = async (pair: Pair, { direction, inFlight, payload }: Workload, millis: number): Promise<number> => {
  const asking = direction === "to server" ? pair.client : pair.server
  const { count, seconds } = await asking.ask<Count>("load", payload, inFlight, millis)
  return count / seconds
}
