// One participant with a service of its own, on the built package, that has prepared for a failover in one of three ways.
// Tells its parent when it is ready, and what the first failover that it wins costs it: from the loss of the leader until
// its gateway has forwarded a request to its service.
import { createServer } from "node:http"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Discovery, LeaderElection } from "effect-ipc"
import { LocalDiscovery } from "effect-ipc/node"

const [port, name, preparation] = process.argv.slice(2)
/** The warm-up begins three seconds after the start. */
const prepared = preparation === "warm-up" ? "5 seconds" : "1 second"

const processorMillis = () => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1000
}

let lost
const service = createServer((_, response) => {
  response.end(name)
  if (lost === undefined) return
  process.send({ processorMillis: processorMillis() - lost.processorMillis, millis: performance.now() - lost.at })
  lost = undefined
})

const program = Effect.gen(function* () {
  const services = yield* LocalDiscovery.make({
    port: Number(port),
    runtimeId: name,
    warmUp: preparation === "warm-up"
  })
  if (preparation === "undici") yield* Effect.promise(() => import("undici"))
  const baseUrl = `http://127.0.0.1:${service.address().port}`
  yield* Context.get(services, Discovery).register({ api: name, baseUrl, pathPrefix: `/${name}` })
  process.send({ registered: true })
  yield* Effect.forkScoped(
    Effect.delay(
      Effect.sync(() => process.send({ prepared: true })),
      prepared
    )
  )
  yield* Stream.runForEach(Context.get(services, LeaderElection).roles, (role) =>
    Effect.sync(() => {
      if (role === "electing") lost = { processorMillis: processorMillis(), at: performance.now() }
    })
  )
}).pipe(Effect.scoped)

process.once("disconnect", () => process.exit())
service.listen(0, "127.0.0.1", () => Effect.runFork(program))
