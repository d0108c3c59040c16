/**
 * `npm run hosts`: three hosts with a NATS server and three services each. A host is cut off for ten seconds, a NATS server is
 * killed and started again, a host is cut off for good and its processes are killed. After each, all is to be registered and
 * one is to lead, with nobody's help. Prints the gaps without an answer by service.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { bundle } from "../support/bundle.js"
import * as Hosts from "../support/Hosts.js"

const root = fileURLToPath(new URL("../../", import.meta.url))
const directory = mkdtempSync(join(tmpdir(), "effect-ipc-hosts-"))
const programs = bundle(["test/support/processes/nats-host.ts"])
const { areApart, hosts, remove, setCut } = Hosts.make(3)
const children = new Set<ChildProcess>()

/** How long it may take until all is as it should be: two elections of NATS's own, a lease, and the first requests. */
const patience = 60_000

const run = (host: Hosts.Host, command: ReadonlyArray<string>): ChildProcess => {
  const [program = "", ...args] = [...host.prefix, ...command]
  const child = spawn(program, args, { cwd: root, stdio: ["pipe", "pipe", "inherit"] })
  children.add(child)
  child.once("exit", () => children.delete(child))
  return child
}

const end = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, "exit")
  child.kill("SIGKILL")
  await exited
}

/** At once: a command that runs this one may not wait for more. What the NATS servers have logged is kept where it failed. */
const cleanUp = (hasFailed = false): void => {
  for (const child of children) child.kill("SIGKILL")
  remove()
  programs.remove()
  if (hasFailed) console.error(`The logs of the NATS servers are in ${directory}.`)
  else rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
}
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    cleanUp()
    process.exit(130)
  })
}

const startNats = (index: number): ChildProcess => {
  const host = hosts[index] as Hosts.Host
  const file = join(directory, `${index}.conf`)
  const routes = hosts.map(({ address }) => `nats://${address}:6222`)
  writeFileSync(
    file,
    [
      `server_name: "n${index}"`,
      `listen: "${host.address}:4222"`,
      `log_file: "${directory}/${index}.log"`,
      `http: "${host.address}:8222"`,
      `jetstream { store_dir: "${directory}/store-${index}" }`,
      `cluster { name: "hosts", listen: "${host.address}:6222", routes: ${JSON.stringify(routes)} }`,
      // A host that is cut off is noticed by what it doesn't answer.
      `ping_interval: "1s", ping_max: 2, write_deadline: "2s"`
    ].join("\n")
  )
  const child = run(host, ["nats-server", "-c", file])
  child.stdout?.resume()
  return child
}

/** Waits until a NATS server has caught up with the others: without it, the loss of another one would leave no majority. */
const caughtUp = async (index: number): Promise<void> => {
  const host = hosts[index] as Hosts.Host
  const asked = `fetch("http://${host.address}:8222/healthz").then(({ ok }) => ok, () => false)`
  const script = `(async () => { while (!(await ${asked})) await new Promise((resolve) => setTimeout(resolve, 200)) })()`
  await once(run(host, [process.execPath, "-e", script]), "exit", { signal: AbortSignal.timeout(patience) })
}

/** What is known of each participant, by the observer's clock. */
const roles = new Map<string, string>()
const routes = new Map<string, number>()
const lastAnswer = new Map<string, number>()
/** By what is asked, in milliseconds. */
let gaps = new Map<string, Array<number>>()
const listeners = new Set<() => void>()

const hear = (line: string): void => {
  const [word, who, what] = JSON.parse(line) as readonly [string, string, string | number | undefined]
  if (word === "role") roles.set(who, String(what))
  else if (word === "routes") routes.set(who, Number(what))
  else if (word === "answer") {
    const key = `${who} ${what}`
    const now = performance.now()
    const before = lastAnswer.get(key)
    lastAnswer.set(key, now)
    if (before !== undefined) gaps.set(String(what), [...(gaps.get(String(what)) ?? []), now - before])
  }
  for (const listener of listeners) listener()
}

const until = async (what: string, isSo: () => boolean): Promise<number> => {
  const began = performance.now()
  await new Promise<void>((resolve, reject) => {
    const look = () => {
      const isLate = performance.now() - began > patience
      if (!isSo() && !isLate) return
      clearInterval(timer)
      listeners.delete(look)
      if (isSo()) resolve()
      else reject(new Error(`${what}: not within ${patience} ms; ${JSON.stringify([[...roles], [...routes]])}`))
    }
    const timer = setInterval(look, 100)
    listeners.add(look)
    look()
  })
  return Math.round(performance.now() - began)
}

const isOn = (host: number) => (name: string) => name.startsWith(`host${host}-`)
const forget = (host: number): void => {
  for (const seen of [roles, routes]) for (const name of seen.keys()) if (isOn(host)(name)) seen.delete(name)
}

/** All of `count` participants see as many services, and one of them leads. */
const whole = (count: number) => () =>
  routes.size === count &&
  [...routes.values()].every((seen) => seen === count) &&
  [...roles.values()].filter((role) => role === "leader").length === 1

/** All is whole, and each participant has had an answer of each service since now; how long that took, in milliseconds. */
const recovered = (what: string, count: number): Promise<number> => {
  const since = performance.now()
  const isWhole = whole(count)
  return until(what, () => isWhole() && [...lastAnswer.values()].filter((at) => at > since).length === count * 3)
}

const report = (what: string, took: number): void => {
  console.log(`${what}: whole after ${took} ms`)
  for (const [service, all] of [...gaps].sort()) {
    const sorted = all.sort((left, right) => left - right)
    const median = sorted[Math.floor(sorted.length / 2)] ?? 0
    const worst = sorted.at(-1) ?? 0
    console.log(
      `  ${service.padEnd(6)} ${sorted.length} answers; gap between two: median ${median.toFixed(0)} ms, worst ${worst.toFixed(0)} ms`
    )
  }
  gaps = new Map()
}

const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis))

try {
  console.log(
    areApart ? "hosts: network namespaces" : "hosts: addresses of the loopback interface; none can be cut off"
  )
  await programs.build()
  const servers = hosts.map((_, index) => startNats(index))
  const program = join(programs.folder, "test/support/processes/nats-host.js")
  const urls = hosts.map(({ address }) => `nats://${address}:4222`).join()
  const services = hosts.map((host, index) => {
    const child = run(host, [process.execPath, program, `host${index}`, urls, host.address])
    if (child.stdout !== null) createInterface({ input: child.stdout }).on("line", hear)
    return child
  })
  let took = await recovered("the start", 9)
  gaps = new Map()
  await pause(5000)
  report("undisturbed for five seconds", took)

  if (areApart) {
    setCut(2, true)
    await pause(10_000)
    setCut(2, false)
    took = await recovered("a partition of ten seconds", 9)
    report("a host apart for ten seconds", took)
  }

  await end(servers[0] as ChildProcess)
  took = await recovered("a NATS server's death", 9)
  report("a NATS server killed", took)
  startNats(0)
  await caughtUp(0)
  took = await recovered("a NATS server's return", 9)
  report("the NATS server started again", took)

  if (areApart) setCut(2, true)
  await end(services[2] as ChildProcess)
  await end(servers[2] as ChildProcess)
  forget(2)
  for (const key of lastAnswer.keys()) if (isOn(2)(key)) lastAnswer.delete(key)
  took = await recovered("a host's death", 6)
  report("a host lost for good", took)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  await Promise.all([...children].map(end))
  cleanUp(process.exitCode === 1)
}
