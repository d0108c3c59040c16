/**
 * One end of very many connections: `server`, or `clients` of the port given, named from the first number to before the last.
 */
import { execSync } from "node:child_process"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as NodeIPCClient from "../../../layers/NodeIPCClient.js"
import * as NodeIPCServer from "../../../layers/NodeIPCServer.js"
import { collectGarbage } from "../garbage.js"
import { hear, say, stopHearing } from "../ParentProcess.js"
import { Echo } from "../requests.js"

const [role, port, first, last] = process.argv.slice(2) as [string, string, string, string]

const heap = Effect.map(collectGarbage, () => {
  const { heapUsed, rss } = process.memoryUsage()
  return { heap: heapUsed, rss }
})

const server = Effect.gen(function* () {
  const server = yield* NodeIPCServer.make()
  yield* say("port", String(server.port))
  for (;;) {
    const [what, argument] = (yield* hear).split(" ")
    switch (what) {
      case "limit":
        yield* say("limit", execSync("ulimit -n").toString().trim())
        break
      case "memory":
        yield* say("memory", { ...(yield* heap), clients: (yield* server.clients).length })
        break
      case "request": {
        const names = Array.from({ length: Number(argument) }, (_, i) => `worker-${i}`)
        const answers = yield* Effect.forEach(names, (name) => server.request(name, Echo, name), { concurrency: 500 })
        yield* say("answered", String(answers.filter((answer, i) => answer === `worker-${i}!`).length))
        break
      }
      default:
        return yield* stopHearing
    }
  }
})

const clients = Effect.gen(function* () {
  const scope = yield* Scope.make()
  const connect = (i: number) =>
    Effect.gen(function* () {
      const client = yield* NodeIPCClient.make({
        port: Number(port),
        runtimeId: `worker-${i}`,
        connectTimeout: "15 seconds"
      })
      yield* client.handle(Echo, (text) => Effect.succeed(`${text}!`))
    })
  const all = Array.from({ length: Number(last) - Number(first) }, (_, i) => Number(first) + i)
  yield* Scope.extend(Effect.forEach(all, connect, { concurrency: 200, discard: true }), scope)
  yield* say("connected")
  yield* hear
  yield* Scope.close(scope, Exit.void)
  yield* say("left")
  yield* stopHearing
})

const program: Effect.Effect<void, unknown, Scope.Scope> = role === "server" ? server : clients
await Effect.runPromise(Effect.scoped(program))
