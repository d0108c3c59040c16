/**
 * A standalone gateway with handlers and routes of its own, which also asks its clients. Says its port.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { PCGRandom } from "effect/Utils"
import * as LocalDiscovery from "../../../../layers/LocalDiscovery.js"
import type { ConnectedClient } from "../../../../src/IPCPeer.js"
import { IPCServer } from "../../../../src/IPCServer.js"
import { say } from "../../../support/ParentProcess.js"
import { eachRequest } from "../eachRequest.js"
import { AskBack, Blob, ClientEcho, ClientWork, Echo, News, Progress, Refused, Typed, Work } from "../requests.js"
import * as Sampled from "../Sampled.js"

const [seed] = process.argv.slice(2) as [string]
const random = new PCGRandom(Number(seed))

Sampled.run(({ counts, repeat }) =>
  Effect.gen(function* () {
    const services = yield* LocalDiscovery.makeStandalone({ port: 0, runtimeId: "gateway" })
    const server = Context.get(services, IPCServer)

    const counted = <A, E>(answer: Effect.Effect<A, E>) => Effect.zipRight(Effect.sync(eachRequest), answer)
    yield* server.handle(Echo, (text) => counted(Effect.succeed(text)))
    yield* server.handle(Work, (millis) => counted(Effect.as(Effect.sleep(millis), "done")))
    yield* server.handle(Blob, (length) => counted(Effect.sync(() => "b".repeat(length))))
    yield* server.handle(Progress, () => counted(Effect.void))
    yield* server.handle(Typed, ({ id }) =>
      counted(id % 2 === 0 ? Effect.succeed({ id, at: new Date(0) }) : Effect.fail(new Refused({ id })))
    )
    yield* server.handle(AskBack, (id, { runtimeId = "" }) =>
      counted(Effect.orDie(server.request(runtimeId, ClientEcho, String(id))))
    )
    yield* server.interceptHttp("POST", "/route/echo", ({ bytes }) => counted(Effect.succeed({ length: bytes.length })))
    yield* server.interceptHttp("GET", "/route/work/:millis", ({ params }) =>
      counted(Effect.as(Effect.sleep(Number(params.millis)), { done: true }))
    )

    const askClient = ({ runtimeId = "" }: ConnectedClient) => {
      const what = random.integer(4)
      if (what === 0) return counts.track("server: news", server.notify(runtimeId, News, "hear, hear"))
      if (what === 1) {
        const millis = random.integer(20)
        return Effect.timeoutOption(
          counts.track("server: request aborted", server.request(runtimeId, ClientWork, 20)),
          millis
        )
      }
      return counts.track("server: request", server.request(runtimeId, ClientEcho, "to a client and back"))
    }
    yield* repeat(
      4,
      Effect.gen(function* () {
        const named = (yield* server.clients).filter(({ runtimeId }) => runtimeId?.startsWith("client"))
        const client = named[random.integer(Math.max(1, named.length))]
        if (client !== undefined) yield* askClient(client)
        yield* Effect.sleep(random.integer(40))
      })
    )
    yield* repeat(
      1,
      Effect.zipRight(Effect.sleep("100 millis"), counts.track("server: broadcast", server.broadcast(News, "to all")))
    )
    yield* say("port", String(server.port))
    return { clients: Effect.map(server.clients, (clients) => clients.length) }
  }).pipe(Scope.extend(Effect.runSync(Scope.make())))
)
