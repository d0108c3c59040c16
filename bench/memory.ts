/**
 * What a connection that does nothing costs its server.
 */
import { Program } from "./Program.js"
import type { Report, Series } from "./report.js"

export const base = "bare ws"

const servers = [
  { name: base, server: "ws" },
  { name: "effect-ipc", server: "ours" }
]

export const run = async (connections: number): Promise<{ readonly idle: Report }> => {
  const series: Array<Series> = []
  for (const { name, server } of servers) {
    const { heap, resident, young } = await measure(server, connections)
    series.push({ workload: "resident", contender: name, values: [resident] })
    series.push({ workload: "and the young generation", contender: name, values: [resident + young] })
    series.push({ workload: "heap", contender: name, values: [heap] })
  }
  const title = `Memory of an idle connection at the server (${connections} of them)`
  return { idle: { title, unit: "KiB", base, series } }
}

const measure = async (
  name: string,
  connections: number
): Promise<{ readonly resident: number; readonly young: number; readonly heap: number }> => {
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
  const young = after.young - before.young
  return { resident: each(after.rss - before.rss - young), young: each(young), heap: each(after.heap - before.heap) }
}
