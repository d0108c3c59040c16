// One participant with a service of its own, on the built package. Tells its roles over the channel to its parent.
import { createServer } from "node:http"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Discovery, LeaderElection } from "effect-ipc"
import { LocalDiscovery } from "effect-ipc/node"

const [port, name] = process.argv.slice(2)

const service = createServer((_, response) => response.end(name))
service.keepAliveTimeout = 60_000

const program = Effect.gen(function* () {
  const services = yield* LocalDiscovery.make({ port: Number(port), runtimeId: name })
  const baseUrl = `http://127.0.0.1:${service.address().port}`
  yield* Context.get(services, Discovery).register([{ api: name, baseUrl, pathPrefix: `/${name}` }])
  process.send({ registered: true })
  yield* Stream.runForEach(Context.get(services, LeaderElection).roles, (role) =>
    Effect.sync(() => process.send({ role }))
  )
}).pipe(Effect.scoped)

process.once("disconnect", () => process.exit())
service.listen(0, "127.0.0.1", () => Effect.runFork(program))
