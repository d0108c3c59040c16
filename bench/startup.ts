/**
 * How long a new process takes until its first request is answered, by a server that runs already.
 */
import { orSkip, Program } from "./Program.js"
import type { Report } from "./report.js"

export const base = "hand-written ws"

const contenders = [
  { name: "node, nothing asked", module: "node", variant: "" },
  { name: base, module: "ws", variant: "" },
  { name: "effect-ipc, branded", module: "ours", variant: "branded" },
  { name: "effect-ipc, promise facade", module: "facade", variant: "" },
  { name: "birpc", module: "birpc", variant: "" },
  { name: "socket.io, acks", module: "socketio", variant: "" },
  { name: "tRPC", module: "trpc", variant: "" },
  { name: "@effect/rpc, JSON", module: "effectRpc", variant: "json" }
]

export const run = async (rounds: number): Promise<{ readonly first: Report }> => {
  const servers = []
  for (const contender of contenders) {
    if (contender.module === "node") {
      servers.push({ contender, args: ["node"], stop: async () => {}, values: [] as Array<number> })
      continue
    }
    const { module, name, variant } = contender
    const one = await orSkip(name, async () => {
      const server = await Program.start("peer.mjs", ["server", module, variant])
      const port = await server.ask<number>("serve")
      return {
        contender,
        args: [module, variant, String(port)],
        stop: () => server.stop(),
        values: [] as Array<number>
      }
    })
    if (one !== undefined) servers.push(one)
  }
  for (let round = 0; round < rounds; round++) {
    for (const { args, values } of servers) {
      const start = performance.now()
      const client = await Program.start("startup.mjs", args)
      values.push(performance.now() - start)
      await client.stop()
    }
    process.stdout.write(".")
  }
  process.stdout.write("\n")
  await Promise.all(servers.map(({ stop }) => stop()))
  const first: Report = {
    title: "From the start of a process to its first answered request",
    unit: "ms",
    base,
    series: servers.map(({ contender, values }) => ({ workload: "time", contender: contender.name, values }))
  }
  return { first }
}
