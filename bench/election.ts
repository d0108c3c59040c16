/**
 * How long a dead leader is missed: `npx tsx bench/election.ts [--participants 50] [--kills 20] [--json]`, after `npm run build`.
 *
 * Every participant is a process of its own, with a service of its own behind the gateway at one port. The leader is
 * killed with SIGKILL, again and again, and isn't replaced by a new process: of 50 participants 30 are left after 20 kills. The gap
 * runs from the kill until the service of every survivor has answered through the gateway, the time of those requests
 * included. After each kill there has to be exactly one leader, and everybody else has to follow it.
 */
import { type ChildProcess, spawn } from "node:child_process"
import * as http from "node:http"
import { type AddressInfo, createServer } from "node:net"
import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { programsOf, root } from "./Program.js"

const { values: options } = parseArgs({
  options: {
    participants: { type: "string", default: "50" },
    kills: { type: "string", default: "20" },
    json: { type: "boolean", default: false }
  }
})
const participantCount = Number(options.participants)
const killCount = Number(options.kills)

const programPath = fileURLToPath(new URL("election-participant.mjs", programsOf(root)))

interface Participant {
  readonly name: string
  readonly child: ChildProcess
  role: string
  logged: number
  alive: boolean
}

interface Kill {
  readonly survivors: number
  readonly firstAnswerMillis: number
  readonly gapMillis: number
  readonly settledMillis: number
  /** The same requests of the same leader, half a second after all has settled. */
  readonly atRestMillis: number
}

const startTimeoutMillis = 60_000
const killTimeoutMillis = 10_000

let roleListeners: Array<() => void> = []

const start = (name: string, port: number): Promise<Participant> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [programPath, String(port), name], {
      stdio: ["ignore", "pipe", "pipe", "ipc"]
    })
    const participant: Participant = { name, child, role: "electing", logged: 0, alive: true }
    const count = (data: Buffer) => {
      participant.logged += data.toString().split("\n").length - 1
      process.stderr.write(`${name}: ${data}`)
    }
    child.stdout?.on("data", count)
    child.stderr?.on("data", count)
    child.on("message", (message: { readonly registered?: true; readonly role?: string }) => {
      if (message.registered) resolve(participant)
      if (message.role !== undefined) participant.role = message.role
      for (const listener of roleListeners) listener()
    })
    child.once("exit", (code, signal) => {
      if (signal !== "SIGKILL") reject(new Error(`${name} ended with ${code ?? signal}`))
      participant.alive = false
    })
    setTimeout(() => reject(new Error(`${name} didn't start`)), startTimeoutMillis).unref()
  })

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })

const ask = (agent: http.Agent, port: number, name: string): Promise<boolean> =>
  new Promise((resolve) => {
    const request = http.get({ agent, port, host: "127.0.0.1", path: `/${name}/x` }, (response) => {
      let body = ""
      response.setEncoding("utf8")
      response.on("data", (chunk: string) => {
        body += chunk
      })
      response.on("end", () => resolve(response.statusCode === 200 && body === name))
      response.on("error", () => resolve(false))
    })
    request.on("error", () => resolve(false))
  })

const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))

/** Until every one of the names has answered; how long the first and the last took. */
const answers = async (port: number, names: ReadonlyArray<string>, since: number) => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 })
  const deadline = since + killTimeoutMillis
  let first = 0
  const persist = async (name: string) => {
    while (!(await ask(agent, port, name))) {
      if (performance.now() > deadline) throw new Error(`${name} doesn't answer through the gateway`)
      await pause(3)
    }
    first ||= performance.now() - since
  }
  // One knocks until somebody opens: many would take the processor from the election.
  await persist(names[0] as string)
  await Promise.all(names.slice(1).map(persist))
  agent.destroy()
  return { first, last: performance.now() - since }
}

const rolesSettled = (participants: ReadonlyArray<Participant>, since: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const look = () => {
      const leaders = participants.filter(({ role }) => role === "leader")
      if (leaders.length > 1) reject(new Error(`several lead: ${leaders.map(({ name }) => name).join(", ")}`))
      if (leaders.length !== 1 || participants.some(({ role }) => role === "electing")) return
      roleListeners = roleListeners.filter((listener) => listener !== look)
      resolve(performance.now() - since)
    }
    roleListeners.push(look)
    setTimeout(() => reject(new Error("the roles aren't settled")), killTimeoutMillis).unref()
    look()
  })

const killLeader = async (port: number, participants: ReadonlyArray<Participant>): Promise<Kill> => {
  const leader = participants.find(({ alive, role }) => alive && role === "leader")
  if (leader === undefined) throw new Error("there is no leader")
  const survivors = participants.filter(({ alive }) => alive).filter((one) => one !== leader)
  const since = performance.now()
  leader.alive = false
  leader.role = "dead"
  // What they said before counts no longer: they follow the dead one.
  for (const survivor of survivors) survivor.role = "electing"
  leader.child.kill("SIGKILL")
  const names = survivors.map(({ name }) => name)
  const [{ first, last }, settledMillis] = await Promise.all([
    answers(port, names, since),
    rolesSettled(survivors, since)
  ])
  await pause(500)
  const atRest = await answers(port, names, performance.now())
  return {
    survivors: survivors.length,
    firstAnswerMillis: first,
    gapMillis: last,
    settledMillis,
    atRestMillis: atRest.last
  }
}

const quantile = (values: ReadonlyArray<number>, q: number): number => {
  const sorted = [...values].sort((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN
}

const summary = (values: ReadonlyArray<number>) => ({
  median: quantile(values, 0.5),
  p99: quantile(values, 0.99),
  worst: Math.max(...values)
})

const main = async () => {
  const port = await freePort()
  const participants: Array<Participant> = []
  // A few at a time: so many starting at once would all time out.
  while (participants.length < participantCount) {
    const batch = Math.min(2 * availableParallelism(), participantCount - participants.length)
    const names = Array.from({ length: batch }, (_, i) => `p${participants.length + i}`)
    participants.push(...(await Promise.all(names.map((name) => start(name, port)))))
  }
  await rolesSettled(participants, performance.now())
  // Until the last of them has warmed up.
  await pause(6000)

  const kills: Array<Kill> = []
  for (let i = 0; i < killCount; i++) {
    kills.push(await killLeader(port, participants))
  }
  const result = {
    participants: participantCount,
    kills: killCount,
    processors: availableParallelism(),
    gapMillis: summary(kills.map(({ gapMillis }) => gapMillis)),
    firstAnswerMillis: summary(kills.map(({ firstAnswerMillis }) => firstAnswerMillis)),
    everybodySettledMillis: summary(kills.map(({ settledMillis }) => settledMillis)),
    atRestMillis: summary(kills.map(({ atRestMillis }) => atRestMillis)),
    mostLinesLogged: Math.max(...participants.map(({ logged }) => logged)),
    each: kills
  }
  if (options.json) console.log(JSON.stringify(result, null, 2))
  else print(result)
  for (const { child } of participants) child.kill("SIGKILL")
}

const print = (result: {
  readonly participants: number
  readonly kills: number
  readonly processors: number
  readonly gapMillis: ReturnType<typeof summary>
  readonly firstAnswerMillis: ReturnType<typeof summary>
  readonly everybodySettledMillis: ReturnType<typeof summary>
  readonly atRestMillis: ReturnType<typeof summary>
  readonly mostLinesLogged: number
}) => {
  const row = (what: string, { median, p99, worst }: ReturnType<typeof summary>) =>
    console.log(
      `${what.padEnd(46)} ${[median, p99, worst].map((millis) => `${millis.toFixed(0)} ms`.padStart(9)).join("")}`
    )
  console.log(
    `${result.participants} participants on ${result.processors} processors; the leader killed ${result.kills} times\n`
  )
  console.log(
    `${"from SIGKILL until".padEnd(46)} ${["median", "p99", "worst"].map((each) => each.padStart(9)).join("")}`
  )
  row("one service answers through the gateway", result.firstAnswerMillis)
  row("every survivor's service does (the gap)", result.gapMillis)
  row("everybody leads or follows", result.everybodySettledMillis)
  row("(all of them asked again, at rest)", result.atRestMillis)
  console.log(`\nlines logged by one participant, at most: ${result.mostLinesLogged}`)
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error)
    process.exit(1)
  }
)
