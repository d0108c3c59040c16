/**
 * Takes part at a port, and answers as `users` where it is told to. Told `join <port> <options>`, `serve` and `leave`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as LocalDiscovery from "../../../layers/LocalDiscovery.js"
import { Discovery } from "../../../src/Discovery.js"
import { LeaderElection } from "../../../src/LeaderElection.js"
import * as ServiceServer from "../../../src/ServiceServer.js"
import { hear, say } from "../ParentProcess.js"
import * as Users from "../users.js"

interface Options extends LocalDiscovery.LocalDiscoveryOptions {
  readonly standalone?: boolean
}

const program = Effect.gen(function* () {
  const scope = yield* Scope.make()
  let discovery: Discovery.Service | undefined
  yield* say("ready")
  while (true) {
    const [word, ...rest] = (yield* hear).split(" ")
    if (word === "join") {
      const { standalone = false, ...options } = JSON.parse(rest.slice(1).join(" ")) as Options
      const at = { ...options, port: Number(rest[0]) }
      const services: Context.Context<Discovery | LeaderElection> = standalone
        ? yield* Scope.extend(LocalDiscovery.makeStandalone(at), scope)
        : yield* Scope.extend(LocalDiscovery.make(at), scope)
      discovery = Context.get(services, Discovery)
      const { roles } = Context.get(services, LeaderElection)
      yield* Effect.forkIn(
        Stream.runForEach(roles, (role) => say("role", role)),
        scope
      )
      yield* say("joined")
    } else if (word === "serve" && discovery !== undefined) {
      const served = ServiceServer.make("users", Users.answerAs(String(process.pid)))
      yield* Scope.extend(Effect.provideService(served, Discovery, discovery), scope)
      yield* say("serving")
    } else if (word === "leave") {
      yield* Scope.close(scope, Exit.void)
      yield* say("left")
    }
  }
})

Effect.runFork(program)
