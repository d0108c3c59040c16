/**
 * Takes part at a port with a service of its own, which answers its name. Told `join <port> <options>`,
 * `joinAll <port> <count>`, `leave`, and what else is asked of it; tells each role it has.
 */
import { createServer } from "node:http"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as LocalDiscovery from "../../../layers/LocalDiscovery.js"
import { Discovery } from "../../../src/Discovery.js"
import { LeaderElection } from "../../../src/LeaderElection.js"
import { listening } from "../listening.js"
import { hear, say } from "../ParentProcess.js"

interface Options {
  readonly runtimeId: string
  /** An entry for each; all lead to this process's service. */
  readonly apis?: ReadonlyArray<string>
  /** Where the entries lead instead. */
  readonly baseUrl?: string
  readonly standalone?: boolean
}

const join = Effect.fnUntraced(function* (port: number, options: Options) {
  const { apis = [], runtimeId, standalone = false } = options
  const at = { port, runtimeId }
  const services = yield* standalone ? LocalDiscovery.makeStandalone(at) : LocalDiscovery.make(at)
  const discovery = Context.get(services, Discovery)
  const baseUrl = options.baseUrl ?? (yield* serve(runtimeId))
  yield* discovery.register(apis.map((api) => ({ api, baseUrl, pathPrefix: `/${api}` })))
  const election = Context.get(services, LeaderElection)
  yield* Effect.forkScoped(Stream.runForEach(election.roles, (role) => say("role", role)))
  return election
})

const serve = (name: string) => Effect.suspend(() => listening(createServer((_, response) => response.end(name))))

const program = Effect.gen(function* () {
  let scope = yield* Scope.make()
  let election: LeaderElection.Service | undefined
  yield* say("ready")
  while (true) {
    const [word, ...rest] = (yield* hear).split(" ")
    if (word === "join") {
      const options = JSON.parse(rest.slice(1).join(" ")) as Options
      election = yield* Scope.extend(join(Number(rest[0]), options), scope)
      yield* say("joined")
    } else if (word === "joinAll") {
      const [port, count] = rest.map(Number) as [number, number]
      const joining = Array.from({ length: count }, (_, i) => {
        const runtimeId = `${process.pid}-${i}`
        return join(port, { runtimeId, apis: [runtimeId] })
      })
      const elections = yield* Scope.extend(Effect.all(joining, { concurrency: "unbounded" }), scope)
      yield* say("are", (yield* Effect.all(elections.map(({ role }) => role))).join())
    } else if (word === "role" && election !== undefined) {
      yield* say("is", yield* election.role)
    } else if (word === "settled" && election !== undefined) {
      const settled = Stream.filter(election.roles, (role) => role !== "electing")
      yield* say(
        "is",
        Option.getOrElse(yield* Stream.runHead(settled), () => "out")
      )
    } else if (word === "leave") {
      yield* Scope.close(scope, Exit.void)
      scope = yield* Scope.make()
      yield* say("left")
    }
  }
})

Effect.runFork(program)
