import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { Console, Effect, Layer, ManagedRuntime } from "effect"
import { Discovery, LeaderElection } from "effect-ipc"
import { LocalDiscovery } from "effect-ipc/node"

/** Any HTTP server will do; this one tells its name. */
const startServer = (name: string) =>
  Effect.acquireRelease(
    Effect.async<ReturnType<typeof createServer>>((resume) => {
      const server = createServer((request, response) => response.end(`${name} answers ${request.url}`))
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)).closeAllConnections())
  ).pipe(Effect.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`))

// #region service
// All that the processes have in common is a port, IPC_PORT or 9000: the first one there leads, the others follow.
const AtTheKnownPort = LocalDiscovery.layerConfig()

const register = (api: string) =>
  Effect.gen(function* () {
    const discovery = yield* Discovery
    const baseUrl = yield* startServer(api)
    yield* discovery.register([{ api, baseUrl, pathPrefix: `/${api}` }])
  })

const service = (api: string) => Layer.scopedDiscard(register(api)).pipe(Layer.provideMerge(AtTheKnownPort))
// #endregion

// #region ask
const ask = (api: string) =>
  Effect.gen(function* () {
    const discovery = yield* Discovery
    const election = yield* LeaderElection
    const gateway = yield* discovery.discover(api)
    const response = yield* Effect.promise(() => fetch(`${gateway}/${api}/7`))
    const text = yield* Effect.promise(() => response.text())
    yield* Console.log(`${yield* election.role}: ${text}`)
  }).pipe(Effect.catchTag("ServiceNotRegistered", (error) => Console.log(error.message)))
// #endregion

// #region processes
// Each runtime stands for a process.
const orders = ManagedRuntime.make(service("orders"))
const users = ManagedRuntime.make(service("users"))

await orders.runPromise(ask("orders")) // comes first, and leads
await users.runPromise(ask("orders")) // follows

await orders.dispose() // the leader goes, and with it what it registered
await users.runPromise(ask("users"))
await users.runPromise(ask("orders"))
await users.dispose()
// #endregion
