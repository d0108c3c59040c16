import { Rpc, RpcClient, RpcGroup, RpcServer } from "@effect/rpc"
import { Config, Console, Effect, Layer, Schema, Stream } from "effect"
import { LocalDiscovery } from "effect-ipc/node"
import { ServiceRpcClient, ServiceRpcServer } from "effect-ipc/rpc"

// #region rpc
const Users = RpcGroup.make(
  Rpc.make("get", { payload: { id: Schema.Number }, success: Schema.String }),
  Rpc.make("names", { success: Schema.String, stream: true })
)

const Server = RpcServer.layer(Users).pipe(
  Layer.provide(
    Users.toLayer({ get: ({ id }) => Effect.succeed(`user ${id}`), names: () => Stream.make("Ada", "Grace") })
  ),
  Layer.provide(ServiceRpcServer.layer("users"))
)

const ask = Effect.gen(function* () {
  const users = yield* RpcClient.make(Users)
  yield* Console.log(yield* users.get({ id: 1 }))
  yield* Stream.runForEach(users.names(), (name) => Console.log(name))
}).pipe(Effect.scoped, Effect.provide(ServiceRpcClient.layer("users")))
// #endregion

// Server and client are one process here; they may be any two.
const port = Config.withDefault(Config.port("IPC_PORT"), 9000)
ask.pipe(Effect.provide(Server), Effect.provide(LocalDiscovery.layerConfig({ port })), Effect.runPromise)
