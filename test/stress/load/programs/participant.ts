/**
 * Takes part at a port with a service of its own, and looks for the others'. Its service answers small and large bodies,
 * streams, uploads and WebSockets below `/svc`.
 */
import * as http from "node:http"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { PCGRandom } from "effect/Utils"
import { WebSocketServer } from "ws"
import * as LocalDiscovery from "../../../../layers/LocalDiscovery.js"
import { Discovery } from "../../../../src/Discovery.js"
import { LeaderElection } from "../../../../src/LeaderElection.js"
import { listening } from "../../../support/listening.js"
import { failing } from "../Counts.js"
import { request } from "../Exchange.js"
import { eachRequest } from "../eachRequest.js"
import * as Sampled from "../Sampled.js"

const [port, runtimeId, seed] = process.argv.slice(2) as [string, string, string]
const random = new PCGRandom(Number(seed))
const large = Buffer.alloc(64 * 1024, "l")

/** As many pieces of the large body as the client reads. */
const pour = (response: http.ServerResponse, pieces: number): void => {
  for (let left = pieces; left > 0; left--) {
    if (response.write(large)) continue
    response.once("drain", () => pour(response, left - 1))
    return
  }
  response.end()
}

const events = (response: http.ServerResponse, count: number): void => {
  response.writeHead(200, { "content-type": "text/event-stream" })
  const timer = setInterval(() => {
    if (--count < 0) response.end()
    else response.write("data: tick\n\n")
  }, 5)
  response.on("close", () => clearInterval(timer))
}

const service = Effect.suspend(() => {
  const server = http.createServer((incoming, response) => {
    eachRequest()
    const { pathname, searchParams } = new URL(incoming.url ?? "", "http://service")
    const count = Number(searchParams.get("count"))
    if (pathname === "/svc/download") return pour(response, count)
    if (pathname === "/svc/events") return events(response, count)
    if (pathname === "/svc/upload") return void incoming.pipe(response)
    if (pathname === "/svc/work") return void setTimeout(() => response.end("done"), count)
    response.end("small")
  })
  new WebSocketServer({ server }).on("connection", (webSocket) => {
    webSocket.on("message", (data) => webSocket.send(String(data)))
    webSocket.on("error", () => {})
  })
  return listening(server)
})

Sampled.run(({ counts, repeat }) =>
  Effect.gen(function* () {
    const lifetime = yield* Scope.make()
    const baseUrl = yield* Scope.extend(service, lifetime)
    const entry = { api: "svc", baseUrl, pathPrefix: "/svc" }

    const join = Effect.gen(function* () {
      const scope = yield* Scope.make()
      const services = yield* Scope.extend(LocalDiscovery.make({ port: Number(port), runtimeId }), scope)
      const discovery = Context.get(services, Discovery)
      yield* Scope.extend(discovery.register([entry]), scope)
      return { scope, discovery, election: Context.get(services, LeaderElection) }
    })
    let joined = yield* join

    const look = Effect.suspend(() => {
      const { discovery } = joined
      switch (random.integer(5)) {
        case 0:
          return counts.track("discovery: routes", discovery.routes)
        case 1: {
          const passing = { api: `passing-${random.integer(8)}`, baseUrl, pathPrefix: `/passing/${runtimeId}` }
          const stay = Effect.zipRight(discovery.register([passing]), Effect.sleep(random.integer(20)))
          return counts.track("discovery: register", Effect.scoped(stay))
        }
        case 2:
          return counts.track("discovery: http", request({ port: Number(port), path: "/svc/small" }))
        case 3:
          return counts.track(
            "discovery: unknown api",
            failing(discovery.discover("no such api"), "ServiceNotRegistered")
          )
        default:
          return counts.track("discovery: discover", discovery.discover("svc"))
      }
    })
    yield* repeat(
      3,
      Effect.zipRight(
        look,
        Effect.suspend(() => Effect.sleep(random.integer(40)))
      )
    )

    return {
      role: Effect.suspend(() => joined.election.role),
      /** Done once it has a leader, or is it. */
      settled: Effect.suspend(() =>
        Stream.runHead(Stream.filter(joined.election.roles, (role) => role !== "electing"))
      ),
      /** Leaves, whatever it has under way, and takes part again. */
      rejoin: Effect.gen(function* () {
        yield* Scope.close(joined.scope, Exit.void)
        joined = yield* join
      })
    }
  })
)
