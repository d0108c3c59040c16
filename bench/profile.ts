/**
 * Where the processor time goes: `npx tsx bench/profile.ts ours branded small 64 [to-client]` for requests over WebSocket,
 * `… gateway proxy|answer NAME PATH` for HTTP. Prints the functions with the most self time of each process; the profiles
 * themselves, for the browser's viewer, stay in bench/results/.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Program } from "./Program.js"

const directory = fileURLToPath(new URL("./results/profiles/", import.meta.url))
const seconds = 4
const [kind = "ours", ...rest] = process.argv.slice(2)

rmSync(directory, { recursive: true, force: true })
mkdirSync(directory, { recursive: true })
const profiled = (name: string) => ["--cpu-prof", `--cpu-prof-dir=${directory}`, `--cpu-prof-name=${name}.cpuprofile`]

if (kind === "gateway") await gateway(rest)
else await requests(rest)
for (const file of readdirSync(directory)) print(file)

async function requests([variant = "", payload = "small", inFlight = "64", direction = "to-server"]: Array<string>) {
  const server = await Program.start("peer.mjs", ["server", kind, variant], profiled("server"))
  const port = await server.ask<number>("serve")
  const client = await Program.start("peer.mjs", ["client", kind, variant], profiled("client"))
  await client.ask("connect", port)
  const asking = direction === "to-client" ? server : client
  const { count, seconds: took } = await asking.ask<{ count: number; seconds: number }>(
    "load",
    payload,
    Number(inFlight),
    seconds * 1000
  )
  console.log(`${Math.round(count / took)}/s`)
  await Promise.all([client.stop(), server.stop()])
}

async function gateway([role = "proxy", name = "ours", path = "/users/42"]: Array<string>) {
  const upstream = await Program.start("upstream.mjs")
  const target = `http://127.0.0.1:${await upstream.ask<number>("serve")}`
  const program = await Program.start("gateway.mjs", [], profiled("gateway"))
  const port = await program.ask<number>(role, name, target)
  const load = await Program.start("httpLoad.mjs")
  const { count, seconds: took } = await load.ask<{ count: number; seconds: number }>(
    "load",
    port,
    path,
    32,
    seconds * 1000
  )
  console.log(`${Math.round(count / took)}/s`)
  await Promise.all([load.stop(), program.stop(), upstream.stop()])
}

interface Profile {
  readonly nodes: ReadonlyArray<{
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }>
  readonly samples: ReadonlyArray<number>
  readonly timeDeltas: ReadonlyArray<number>
}

function print(file: string) {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(directory + file, "utf8")) as Profile
  const names = new Map(
    nodes.map(({ callFrame, id }) => {
      const place = callFrame.url.split("/").slice(-2).join("/")
      const line = callFrame.lineNumber > 0 ? `:${callFrame.lineNumber + 1}` : ""
      return [id, `${callFrame.functionName || "(anonymous)"} ${place}${line}`]
    })
  )
  const self = new Map<string, number>()
  let total = 0
  samples.forEach((id, i) => {
    const name = names.get(id) ?? ""
    if (name.startsWith("(idle)")) return
    const micros = timeDeltas[i] ?? 0
    total += micros
    self.set(name, (self.get(name) ?? 0) + micros)
  })
  console.log(`\n${file}: ${(total / 1000).toFixed(0)} ms busy`)
  for (const [name, micros] of [...self].sort(([, one], [, other]) => other - one).slice(0, 35)) {
    console.log(`${((micros / total) * 100).toFixed(1).padStart(6)}%  ${name}`)
  }
}
