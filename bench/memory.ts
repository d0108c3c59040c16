/**
 * What a connection that does nothing costs its server.
 */
import { Program } from "./Program.js"
import type { Report } from "./report.js"

export interface MemoryPlan {
  readonly rounds: number
  readonly connections: number
}

export const base = "bare ws"

const servers = [
  { name: base, server: "ws" },
  { name: "effect-ipc", server: "ours" }
]

export const run = async (plan: MemoryPlan): Promise<Report> => {
  const results = servers.map(({ name, server }) => ({
    name,
    server,
    resident: [] as Array<number>,
    heap: [] as Array<number>
  }))
  for (let round = 0; round < plan.rounds; round++) {
    for (const result of results) {
      const { heap, resident } = await measure(result.server, plan.connections)
      result.resident.push(resident)
      result.heap.push(heap)
    }
    process.stdout.write(".")
  }
  process.stdout.write("\n")
  return {
    title: `Memory of an idle connection at the server (${plan.connections} of them)`,
    unit: "KiB",
    base,
    series: results.flatMap(({ heap, name, resident }) => [
      { workload: "resident", contender: name, values: resident },
      { workload: "heap", contender: name, values: heap }
    ])
  }
}

const measure = async (
  name: string,
  connections: number
): Promise<{ readonly resident: number; readonly heap: number }> => {
  const server = await Program.start("idle.mjs", [], ["--expose-gc"])
  const client = await Program.start("idle.mjs")
  const port = await server.ask<number>("serve", name)
  // What the first connections load and compile isn't the cost of a connection.
  await client.ask("connect", name, port, 200)
  await client.ask("disconnect")
  const before = await server.memory()
  await client.ask("connect", name, port, connections)
  const after = await server.memory()
  await Promise.all([client.stop(), server.stop()])
  const each = (bytes: number) => bytes / connections / 1024
  return { resident: each(after.rss - before.rss), heap: each(after.heap - before.heap) }
}
