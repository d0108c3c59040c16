/**
 * What a failover costs the participant that wins it, by how it has prepared: `npx tsx bench/warm-up.ts [--rounds 8] [--json]`,
 * after `npm run build`. A leader is killed with SIGKILL, its one follower takes its place and forwards the first request.
 */
import { type ChildProcess, fork } from "node:child_process"
import * as http from "node:http"
import { type AddressInfo, createServer } from "node:net"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { programsOf, root } from "./Program.js"

const { values: options } = parseArgs({
  options: { rounds: { type: "string", default: "8" }, json: { type: "boolean", default: false } }
})

const program = fileURLToPath(new URL("failover-participant.mjs", programsOf(root)))
const preparations = ["nothing", "undici", "warm-up"] as const

interface Failover {
  readonly processorMillis: number
  readonly millis: number
}

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })

const message = <A>(child: ChildProcess, key: string): Promise<A> =>
  new Promise((resolve) => {
    const look = (told: object) => {
      if (!(key in told)) return
      child.off("message", look)
      resolve(told as A)
    }
    child.on("message", look)
  })

/** Asks again and again; the first to be answered is the first that is forwarded. */
const askUntil = async (port: number, isDone: () => boolean): Promise<void> => {
  while (!isDone()) {
    await new Promise<void>((resolve) => {
      const request = http.get({ port, host: "127.0.0.1", path: "/follower", agent: false }, (response) =>
        response.resume().on("close", resolve)
      )
      request.on("error", () => setTimeout(resolve, 3))
    })
  }
}

const failover = async (preparation: string): Promise<Failover> => {
  const port = await freePort()
  const start = (name: string) => fork(program, [String(port), name, preparation])
  const leader = start("leader")
  await message(leader, "registered")
  const follower = start("follower")
  await message(follower, "prepared")
  let done = false
  const cost = message<Failover>(follower, "processorMillis").finally(() => {
    done = true
  })
  leader.kill("SIGKILL")
  await askUntil(port, () => done)
  follower.kill("SIGKILL")
  return cost
}

const median = (values: ReadonlyArray<number>): number =>
  [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN

const costs = new Map<string, Array<Failover>>(preparations.map((preparation) => [preparation, []]))
for (let round = 0; round < Number(options.rounds); round++) {
  for (const preparation of preparations) costs.get(preparation)?.push(await failover(preparation))
}
const result = preparations.map((preparation) => {
  const all = costs.get(preparation) ?? []
  return {
    preparation,
    processorMillis: median(all.map(({ processorMillis }) => processorMillis)),
    millis: median(all.map(({ millis }) => millis))
  }
})
if (options.json) console.log(JSON.stringify(result, null, 2))
else {
  for (const { millis, preparation, processorMillis } of result) {
    console.log(
      `${preparation.padEnd(8)} ${processorMillis.toFixed(1).padStart(6)} ms of the processor, ${millis.toFixed(0).padStart(4)} ms`
    )
  }
}
