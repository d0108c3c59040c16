/**
 * What it costs a gateway to be watched: `npx tsx bench/watched.ts [--rounds 7] [--only rate,large,memory]`. The package has to
 * be built.
 *
 * One gateway forwards to one upstream under 32 keep-alive connections: with nobody watching, with an inspector in a process of its own, and
 * with an inspector whose page is open. The three take turns, so that whatever else the machine does falls on all. Printed is
 * what a watched gateway does to one that isn't in the same round, the median with the 25th and 75th percentile; then what gateway
 * and inspector hold over time, their garbage collected.
 */
import { parseArgs } from "node:util"
import { Program } from "./Program.js"
import { grouped, markdown, printSpread } from "./report.js"
import { ratiosOf, spreadOf } from "./statistics.js"

const { values: options } = parseArgs({
  options: { rounds: { type: "string", default: "7" }, only: { type: "string", default: "rate,large,memory" } }
})
const rounds = Number(options.rounds)
const connections = 32

const turnMillis = 500

/** By then a recording that takes more exchanges at first takes as many as it does from then on. */
const burstMillis = 3500

const [upstream, load, gateway, inspector, page] = await Promise.all([
  Program.start("upstream.mjs"),
  Program.start("httpLoad.mjs"),
  Program.start("gateway.mjs", [], ["--expose-gc"]),
  Program.start("watching.mjs", [], ["--expose-gc"]),
  Program.start("watching.mjs")
])
const target = `http://127.0.0.1:${await upstream.ask<number>("serve")}`
const port = await gateway.ask<number>("proxy", "ours", target)

interface Figure {
  readonly rate: number
  /** The gateway's processor time a request, in microseconds. */
  readonly cpu: number
}

const measure = async (path: string, millis: number): Promise<Figure> => {
  const before = await gateway.cpu()
  const { count, seconds } = await load.ask<{ count: number; seconds: number }>("load", port, path, connections, millis)
  return { rate: count / seconds, cpu: (((await gateway.cpu()) - before) * 1000) / count }
}

const figures = new Map<string, Array<Figure>>()
const take = async (what: string, path: string) => {
  const known = figures.get(what) ?? []
  figures.set(what, [...known, await measure(path, turnMillis)])
}

const nobody = "nobody"

/** Each begins with a list that is empty. */
const watchers: Readonly<Record<string, { readonly start: () => Promise<void>; readonly end: () => Promise<void> }>> = {
  [nobody]: { start: async () => {}, end: async () => {} },
  "an inspector": {
    start: async () => void (await inspector.ask("watch", port)),
    end: () => inspector.ask("unwatch")
  },
  "an inspector and a page": {
    start: async () => page.ask("open", await inspector.ask("watch", port)),
    end: async () => {
      if ((await page.ask<number>("close")) === 0) throw new Error("the page was told nothing")
      await inspector.ask("unwatch")
    }
  }
}

const compare = async (title: string, path: string): Promise<void> => {
  figures.clear()
  await measure(path, 2000)
  const names = Object.keys(watchers)
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + round) % names.length] as string
      const { end, start } = watchers[name] as (typeof watchers)[string]
      await start()
      await take(name === nobody ? nobody : `${name}, at first`, path)
      if (name !== nobody) {
        await measure(path, burstMillis)
        await take(`${name}, from then on`, path)
      }
      await end()
    }
    process.stdout.write(".")
  }
  const base = figures.get(nobody) ?? []
  const rows = [...figures].map(([what, taken]) => {
    const values = (of: keyof Figure) => taken.map((figure) => figure[of])
    const ratio = (of: keyof Figure) =>
      what === nobody
        ? "1"
        : printSpread(
            spreadOf(
              ratiosOf(
                values(of),
                base.map((figure) => figure[of])
              )
            )
          )
    const middle = (of: keyof Figure) => grouped(spreadOf(values(of)).median)
    return [what, ratio("rate"), middle("rate"), ratio("cpu"), `${middle("cpu")} µs`]
  })
  console.log(`\n\n${markdown([`${title}, watched by`, "rate", "requests a second", "processor", "a request"], rows)}`)
}

const memory = async (): Promise<void> => {
  const rows: Array<ReadonlyArray<string>> = []
  const row = async (when: string) => {
    const [ofGateway, ofInspector] = await Promise.all([gateway.memory(), inspector.memory()])
    const { exchanges, missed } =
      when === "before"
        ? { exchanges: 0, missed: 0 }
        : await inspector.ask<Record<"exchanges" | "missed", number>>("status")
    const mib = (bytes: number) => (bytes / 1024 / 1024).toFixed(1)
    const memories = [ofGateway, ofInspector].flatMap(({ heap, rss }) => [mib(heap), mib(rss)])
    rows.push([when, ...memories, grouped(exchanges), grouped(missed)])
  }
  await measure("/users/42", 2000)
  await row("before")
  await page.ask("open", await inspector.ask("watch", port))
  for (const [path, millis] of memoryTurns) {
    await measure(path, millis)
    await row(`${millis / 1000} s more of ${path}`)
  }
  await page.ask("close")
  await inspector.ask("unwatch")
  await row("before")
  const head = ["", "gateway's heap", "resident", "inspector's heap", "resident", "exchanges kept", "missed"]
  console.log(`\n${markdown(head, rows)}`)
}

const memoryTurns: ReadonlyArray<readonly [path: string, millis: number]> = [
  ...Array.from({ length: 6 }, () => ["/users/42", 3000] as const),
  ...Array.from({ length: 4 }, () => ["/big", 2000] as const)
]

const suites: Readonly<Record<string, () => Promise<void>>> = {
  rate: () => compare("small answer", "/users/42"),
  large: () => compare("1 MiB", "/big"),
  memory
}
for (const suite of options.only.split(",")) await suites[suite]?.()
await Promise.all([page, inspector, gateway, load, upstream].map((program) => program.stop()))
