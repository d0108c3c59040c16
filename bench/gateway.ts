/**
 * HTTP: gateways in front of one upstream, and what answers by itself, under 32 keep-alive connections.
 */
import { execFile, spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { inPairs, orSkip, Program } from "./Program.js"
import type { Report, Series } from "./report.js"

export interface GatewayPlan {
  readonly rounds: number
  readonly seconds: number
}

export const proxyBase = "http-proxy, keep-alive"
export const answerBase = "bare node:http"

const connections = 32

/** Those of other libraries. */
export const nodeProxies = [
  proxyBase,
  "http-proxy",
  "http-proxy-3, keep-alive",
  "httpxy, keep-alive",
  "fast-proxy",
  "undici behind node:http"
]
const proxies = [...nodeProxies, "ours"]
const answerers = [answerBase, "ours", "ours, generator", "ours, facade", "platform HttpRouter", "mockttp"]

/** Requests per second, and the processor time that the gateway itself took for each. */
export const run = async (
  plan: GatewayPlan
): Promise<Record<"proxied" | "answered" | "costs" | "answerCosts", Report>> => {
  const load = await startLoad()
  console.log(`  load by ${load.name}, ${connections} connections`)
  const upstream = await Program.start("upstream.mjs")
  const target = `http://127.0.0.1:${await upstream.ask<number>("serve")}`

  const starts = [
    ...proxies.map((name) => ({ name, make: () => startProgram(name, "proxy", ["small answer", "1 MiB"], target) })),
    { name: "nginx", make: () => startNginx(target) },
    ...answerers.map((name) => ({ name, make: () => startProgram(name, "answer", ["JSON route"]) }))
  ]
  const started = (await inPairs(starts, ({ make, name }) => orSkip(name, make))).filter((one) => one !== undefined)

  const cells: Array<Cell> = []
  for (const one of started) {
    for (const workload of one.workloads) {
      const warmUp = () => load.measure(one.port, pathOf(workload), plan.seconds)
      if ((await orSkip(`${one.name}, ${workload}`, warmUp)) === undefined) continue
      cells.push({ one, workload, values: [], costs: [] })
    }
  }
  for (let round = 0; round < plan.rounds; round++) {
    for (const workload of ["small answer", "1 MiB", "JSON route"]) {
      const contenders = cells.filter((cell) => cell.workload === workload)
      for (let i = 0; i < contenders.length; i++) {
        const { costs, one, values } = contenders[(i + round) % contenders.length] as (typeof contenders)[number]
        const before = await one.cpu?.()
        const { count, seconds } = await load.measure(one.port, pathOf(workload), plan.seconds)
        values.push(count / seconds)
        const after = await one.cpu?.()
        if (before !== undefined && after !== undefined) costs.push(((after - before) * 1000) / count)
      }
    }
    process.stdout.write(".")
  }
  process.stdout.write("\n")
  await Promise.all([...started.map(({ stop }) => stop()), upstream.stop(), load.stop()])

  const seriesOf = (workloads: ReadonlyArray<string>, of: "values" | "costs"): ReadonlyArray<Series> =>
    cells
      .filter((cell) => workloads.includes(cell.workload) && cell[of].length > 0)
      .map((cell) => ({ workload: cell.workload, contender: cell.one.name, values: cell[of] }))
  return {
    proxied: {
      title: "Gateway, proxying: requests a second",
      unit: "/s",
      base: proxyBase,
      series: seriesOf(["small answer", "1 MiB"], "values")
    },
    answered: {
      title: "Gateway, answering: requests a second",
      unit: "/s",
      base: answerBase,
      series: seriesOf(["JSON route"], "values")
    },
    costs: {
      title: "Gateway, proxying: processor time a request (less is better)",
      unit: "µs",
      base: proxyBase,
      series: seriesOf(["small answer", "1 MiB"], "costs")
    },
    answerCosts: {
      title: "Gateway, answering: processor time a request (less is better)",
      unit: "µs",
      base: answerBase,
      series: seriesOf(["JSON route"], "costs")
    }
  }
}

const pathOf = (workload: string): string => (workload === "1 MiB" ? "/big" : "/users/42")

/** A contender at a workload. */
interface Cell {
  readonly one: Started
  readonly workload: string
  readonly values: Array<number>
  readonly costs: Array<number>
}

interface Started {
  readonly name: string
  readonly port: number
  readonly workloads: ReadonlyArray<string>
  /** Its processor time so far, in milliseconds, where it tells. */
  readonly cpu?: () => Promise<number>
  readonly stop: () => Promise<void>
}

const startProgram = async (
  name: string,
  role: "proxy" | "answer",
  workloads: ReadonlyArray<string>,
  target?: string
): Promise<Started> => {
  const program = await Program.start("gateway.mjs")
  try {
    const port = await program.ask<number>(role, name, target)
    return { name, port, workloads, cpu: () => program.cpu(), stop: () => program.stop() }
  } catch (error) {
    await program.stop()
    throw error
  }
}

const startNginx = async (target: string): Promise<Started> => {
  if (!(await isInstalled("nginx", ["-v"]))) throw new Error("it isn't installed")
  const port = await freePort()
  const directory = mkdtempSync(join(tmpdir(), "bench-nginx-"))
  const config = join(directory, "nginx.conf")
  writeFileSync(
    config,
    `worker_processes 1; daemon off; pid ${directory}/pid; error_log ${directory}/errors;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000000;
  upstream service { server ${target.slice("http://".length)}; keepalive 128; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`
  )
  const child = spawn("nginx", ["-c", config, "-p", directory], { stdio: "ignore" })
  await new Promise((resolve) => setTimeout(resolve, 500))
  const stop = async () => {
    const exited = new Promise((resolve) => child.once("exit", resolve))
    if (child.exitCode === null) {
      child.kill()
      await exited
    }
    rmSync(directory, { recursive: true })
  }
  return { name: "nginx", port, workloads: ["small answer", "1 MiB"], stop }
}

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

interface Count {
  readonly count: number
  readonly seconds: number
}

interface Load {
  readonly name: string
  readonly measure: (port: number, path: string, seconds: number) => Promise<Count>
  readonly stop: () => Promise<void>
}

const startLoad = async (): Promise<Load> => {
  if (await isInstalled("wrk", ["-v"])) return { name: "wrk, one thread", measure: wrk, stop: async () => {} }
  const program = await Program.start("httpLoad.mjs")
  return {
    name: "bench/programs/httpLoad.mjs (wrk isn't installed)",
    measure: (port, path, seconds) => program.ask<Count>("load", port, path, connections, seconds * 1000),
    stop: () => program.stop()
  }
}

/** wrk knows whole seconds only, but reports what it has when it is interrupted. */
const wrk = (port: number, path: string, seconds: number): Promise<Count> =>
  new Promise((resolve, reject) => {
    const args = ["-t1", `-c${connections}`, "-d60s", `http://127.0.0.1:${port}${path}`]
    const child = execFile("wrk", args, (error, output) => {
      const done = /(\d+) requests in ([\d.]+)(ms|s|m)/.exec(output)
      const refused = /Non-2xx.*/.exec(output)
      if (done === null) reject(error ?? new Error(output))
      else if (refused !== null) reject(new Error(`${args.at(-1)}: ${refused[0]}`))
      else {
        const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(output)?.[1])
        resolve({ count: Number(done[1]), seconds: Number(done[1]) / perSecond })
      }
    })
    setTimeout(() => child.kill("SIGINT"), seconds * 1000)
  })

/** wrk ends with 1 when it is asked for its version. */
const isInstalled = (command: string, args: ReadonlyArray<string>): Promise<boolean> =>
  new Promise((resolve) => {
    execFile(command, args, (error) => resolve(error === null || error.code !== "ENOENT"))
  })
