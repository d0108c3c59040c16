/**
 * A server, with a token where its argument is one, that tells its memory whenever asked. Its parent decides who connects,
 * and with what.
 */
import * as Effect from "effect/Effect"
import * as NodeIPCServer from "../../../layers/NodeIPCServer.js"
import { collectGarbage } from "../garbage.js"
import { hear, say, stopHearing } from "../ParentProcess.js"
import { Add, add, Blob, GetUser, Mirror } from "../requests.js"

const program = Effect.gen(function* () {
  const server = yield* NodeIPCServer.make({ heartbeat: "5 seconds", token: process.argv[2] })
  yield* server.handle(Add, add)
  yield* server.handle(Mirror, Effect.succeed)
  yield* server.handle(Blob, (length) => Effect.sync(() => "b".repeat(length)))
  yield* server.handle(GetUser, ({ id }) => Effect.succeed({ name: String(id), since: new Date(0) }))
  yield* say("port", String(server.port))
  while ((yield* hear) === "memory") {
    yield* collectGarbage
    const { external, heapUsed, rss } = process.memoryUsage()
    // What a polluted prototype would give every object.
    const polluted = Object.keys(Object.prototype).length > 0 || "polluted" in {}
    yield* say("memory", { heap: heapUsed, external, rss, clients: (yield* server.clients).length, polluted })
  }
  yield* stopHearing
})

await Effect.runPromise(Effect.scoped(program))
