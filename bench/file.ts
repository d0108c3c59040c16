/**
 * A large file as a stream of bytes: `npx tsx bench/file.ts [MIB]`, 2 GiB by default. Prints how fast it went, and the least and
 * most memory of each process after the first eighth; ends with 1 where that differs by more than 64 MiB.
 */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Program } from "./Program.js"

const mib = 1024 * 1024
const size = Number(process.argv[2] ?? 2048) * mib
const mostGrowth = 64 * mib

const folder = mkdtempSync(join(tmpdir(), "effect-ipc-file-"))
const path = join(folder, "file")
writeFileSync(path, "")
// A file of holes takes no place on the disk.
truncateSync(path, size)

const server = await Program.start("file-peer.mjs", ["server", path])
const port = await server.ask<number>("serve")
const client = await Program.start("file-peer.mjs", ["client"])
await client.ask("connect", port)

const samples: Array<{ readonly at: number; readonly server: number; readonly client: number }> = []
const start = performance.now()
const sample = async () => ({
  at: performance.now() - start,
  server: await server.ask<number>("memory"),
  client: await client.ask<number>("memory")
})
const timer = setInterval(async () => samples.push(await sample()), 100)
const received = await client.ask<number>("take")
clearInterval(timer)
const took = performance.now() - start
samples.push(await sample())
await Promise.all([server.stop(), client.stop()])
rmSync(folder, { recursive: true })

const settled = samples.filter(({ at }) => at > took / 8)
const growths = (["server", "client"] as const).map((end) => {
  const values = settled.map((one) => one[end])
  const [least, most] = [Math.min(...values), Math.max(...values)]
  console.log(`${end}: ${Math.round(least / mib)} to ${Math.round(most / mib)} MiB in ${values.length} samples`)
  return most - least
})
console.log(
  `${received / mib} MiB in ${(took / 1000).toFixed(1)} s, ${Math.round(received / mib / (took / 1000))} MiB/s`
)
if (received !== size || Math.max(...growths) > mostGrowth) process.exitCode = 1
