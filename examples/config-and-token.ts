import { ConfigProvider, Console, Effect, Layer, Redacted } from "effect"
import { IPCClient, IPCServer } from "effect-ipc"
import { NodeIPCClient, NodeIPCServer } from "effect-ipc/node"

const WhoAmI = IPCServer.defineRequest<void, string>("who-am-i")

const serve = Effect.gen(function* () {
  const server = yield* IPCServer
  yield* server.handle(WhoAmI, (_, caller) => Effect.succeed(caller.runtimeId ?? caller.clientId))
  return server.url
})

const ask = Effect.gen(function* () {
  const client = yield* IPCClient
  yield* Console.log(`I am ${yield* client.request(WhoAmI)}`)
})

// Stands for the environment in which each process is started; Config looks there by default.
const environment = (variables: Record<string, string>) =>
  Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))

// #region config
// IPC_HOST, IPC_PORT and IPC_TOKEN from the environment; what is given here is laid over it.
const Server = NodeIPCServer.layerConfig({ heartbeat: "5 seconds" }).pipe(
  Layer.provide(environment({ IPC_TOKEN: "a-token-of-16-bytes-or-more" }))
)

const clientLayer = (url: string, token: string) =>
  NodeIPCClient.layerConfig().pipe(
    Layer.provide(environment({ IPC_URL: url, IPC_TOKEN: token, IPC_RUNTIME_ID: "worker-1" }))
  )
// #endregion

// #region tcp
const byTcp = (url: string) =>
  NodeIPCClient.layer({ url, transport: "tcp", token: Redacted.make("a-token-of-16-bytes-or-more") })
// #endregion

const main = Effect.gen(function* () {
  const url = yield* serve
  yield* ask.pipe(Effect.provide(clientLayer(url, "a-token-of-16-bytes-or-more")))
  yield* ask.pipe(Effect.provide(byTcp(url)))
  yield* ask.pipe(
    Effect.provide(clientLayer(url, "another-token-that-is-long-enough")),
    Effect.catchTag("ConnectFailed", (error) => Console.log(`${error.reason} with ${error.status}`))
  )
}).pipe(Effect.scoped, Effect.provide(Server))

await Effect.runPromise(main)
