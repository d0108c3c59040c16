/**
 * Load on real processes: a standalone gateway with two services, an election of three participants at another port, and
 * clients of both. Every few seconds a service or a leader is killed, or connections are cut; then all is paused and the
 * processes that stay are measured. Fails where one of them keeps memory or descriptors, where a request doesn't end, and
 * where a process warns or ends by itself.
 *
 * `--seconds` is how long it lasts (default 90), `--seed` repeats what was chosen at random.
 */
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Port from "../../support/Port.js"
import type { Series } from "./judge.js"
import { judge, warmUp } from "./judge.js"
import * as Processes from "./Processes.js"
import type { Sample } from "./Sampled.js"

const { values } = parseArgs({ options: { seconds: { type: "string" }, seed: { type: "string" } } })
const seconds = Number(values.seconds ?? 90)
const seed = Number(values.seed ?? Date.now() % 1_000_000)

/** How much longer than that it is measured, in seconds, where the measurements don't yet say whether a bound holds. */
const mostMoreSeconds = 90

/** How much longer than both it may take, in seconds, with a slow machine's warm-up and what is under way at the end. */
const patience = warmUp.mostSeconds + 60

const undecided =
  "Nothing was found, but an interval still reaches over its bound: give it more --seconds, or a machine at rest."

/** How long the load lasts before and after each disturbance. */
const stretch = "1 second"

/** Adds to the series what is measured, so that it isn't lost where the load doesn't end. */
const load = (processes: Processes.Processes, series: Array<Series>) =>
  Effect.gen(function* () {
    const gateway = yield* processes.start("gateway", "gateway", [String(seed)])
    const port = yield* gateway.child.line("port")
    const electionPort = String(yield* Effect.promise(Port.free))
    const participate = (to: string, name: string) =>
      Effect.suspend(() => processes.start("participant", name, [to, name, String(seed + processes.started())]))
    const services = [yield* participate(port, "service-1"), yield* participate(port, "service-2")]
    const rivals = [yield* participate(electionPort, "rival-1"), yield* participate(electionPort, "rival-2")]
    const survivor = yield* participate(electionPort, "survivor")
    const clients = yield* processes.start("clients", "clients", [port, electionPort, String(seed)])
    const stay = [gateway, survivor, clients]

    const all = (word: string) =>
      Effect.suspend(() =>
        Effect.forEach([...stay, ...services, ...rivals], ({ child }) => child.ask(word, word), {
          concurrency: "unbounded"
        })
      )
    const replace = (group: Array<Processes.Process>, at: number, to: string) =>
      Effect.gen(function* () {
        const { kill, name } = group[at] as Processes.Process
        yield* kill
        const next = yield* participate(to, name)
        group[at] = next
        yield* next.child.ask("resume", "resume")
      })
    const leads = ({ child }: Processes.Process) => Effect.map(child.ask("role", "role"), (role) => role === "leader")
    const endLeader = Effect.gen(function* () {
      for (const [at, rival] of rivals.entries()) {
        if (yield* leads(rival)) return yield* replace(rivals, at, electionPort)
      }
      yield* survivor.child.ask("rejoin", "rejoin")
    })
    const disturbances = [
      Effect.suspend(() => replace(services, 0, port)),
      Effect.asVoid(clients.child.ask("cut", "cut")),
      endLeader,
      Effect.void,
      Effect.suspend(() => replace(services, 1, port)),
      Effect.asVoid(clients.child.ask("cut", "cut")),
      endLeader,
      Effect.void
    ]
    const settled = Effect.suspend(() =>
      Effect.forEach([...rivals, survivor], ({ child }) => child.ask("settled", "settled"), {
        concurrency: "unbounded"
      })
    )

    const began = performance.now()
    const second = () => (performance.now() - began) / 1000
    for (const { name } of stay) series.push({ name, samples: [] })
    const measure = Effect.gen(function* () {
      yield* all("pause")
      const samples = yield* Effect.forEach(stay, ({ child }) => child.ask("sample", "sample"), {
        concurrency: "unbounded"
      })
      for (const [i, json] of samples.entries()) {
        series[i]?.samples.push({ ...(JSON.parse(json) as Sample), second: second() })
      }
    })
    const few = Effect.map(
      Effect.forEach(stay, ({ child }) => child.ask("requests", "requests")),
      (counts) => Math.min(...counts.map(Number)) < warmUp.requests
    )
    /** When it began to be measured. */
    let warmSecond: number | undefined
    const isOver = () => {
      if (warmSecond === undefined || second() < warmSecond + seconds - warmUp.seconds) return false
      return second() > warmSecond + seconds + mostMoreSeconds || !judge(series).isUncertain
    }
    for (let turn = 0; !isOver(); turn++) {
      yield* all("resume")
      yield* Effect.sleep(stretch)
      yield* disturbances[turn % disturbances.length] as (typeof disturbances)[number]
      yield* Effect.sleep(stretch)
      yield* settled
      // Nothing is learnt from it before, and what isn't paused is warm sooner.
      if (second() < warmUp.seconds || (second() < warmUp.mostSeconds && (yield* few))) continue
      warmSecond ??= second()
      yield* measure
    }
  })

const program = Effect.gen(function* () {
  console.log(`Load for ${seconds} s, seed ${seed}.`)
  const processes = yield* Processes.make
  const series: Array<Series> = []
  const ended = yield* Effect.either(
    Effect.timeoutFail(Effect.scoped(load(processes, series)), {
      duration: Duration.seconds(seconds + mostMoreSeconds + patience),
      onTimeout: () => new Error(`it hasn't ended ${mostMoreSeconds + patience} s after its time`)
    })
  )
  const { isUncertain, lines, problems } = judge(series)
  for (const line of lines) console.log(line)
  const unended = Either.match(ended, { onLeft: ({ message }) => [message], onRight: () => [] })
  const left = processes.running().map((pid) => `process ${pid} is left`)
  return { isUncertain, problems: [...unended, ...processes.problems, ...problems, ...left] }
})

const main = Effect.map(Effect.scoped(program), ({ isUncertain, problems }) => {
  for (const problem of problems) console.log(`FAILED: ${problem}`)
  if (problems.length === 0) console.log(isUncertain ? undecided : "The load held.")
  process.exitCode = problems.length === 0 ? 0 : 1
})

NodeRuntime.runMain(main)
