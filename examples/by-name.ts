import { Console, Effect, Layer, ManagedRuntime } from "effect"
import { IPCServer, ServiceClient, ServiceServer } from "effect-ipc"
import { LocalDiscovery } from "effect-ipc/node"

// #region names
const GetUser = IPCServer.defineRequest<{ readonly id: number }, string>("users/get")

// One program answers under a name.
const UsersServer = ServiceServer.layer("users", (server) =>
  server.handle(GetUser, ({ id }) => Effect.succeed(`user ${id}`))
)

// Another asks by that name. Each request goes straight to an instance, and waits until there is one.
class Users extends ServiceClient.Tag("users") {}

const ask = Effect.gen(function* () {
  const users = yield* Users
  yield* Console.log(yield* users.request(GetUser, { id: 7 }))
}).pipe(Effect.provide(Users.layer))
// #endregion

// Each runtime stands for a process.
const caller = ManagedRuntime.make(LocalDiscovery.layerConfig())
const server = ManagedRuntime.make(UsersServer.pipe(Layer.provide(LocalDiscovery.layerConfig())))
await caller.runtime()
const answered = caller.runPromise(ask)
await server.runtime()
await answered
await server.dispose()
await caller.dispose()
