import { Console, Effect } from "effect"
import { IPCClient, IPCServer } from "effect-ipc"
import { NodeIPCClient, NodeIPCServer } from "effect-ipc/node"

// #region request
// Shared by both ends: a name at run time, its payload and answer at compile time.
const Greet = IPCServer.defineRequest<{ readonly name: string }, string>("greet")
// #endregion

// #region server
const serve = Effect.gen(function* () {
  const server = yield* IPCServer
  yield* server.handle(Greet, ({ name }) => Effect.succeed(`Hello, ${name}!`))
  return server.url
})
// #endregion

// #region client
const greet = Effect.gen(function* () {
  const client = yield* IPCClient
  yield* Console.log(yield* client.request(Greet, { name: "Ada" }))
})
// #endregion

// #region main
// Both ends in one process, to be read at a glance.
const main = Effect.gen(function* () {
  const url = yield* serve
  yield* greet.pipe(Effect.provide(NodeIPCClient.layer({ url })))
}).pipe(Effect.scoped, Effect.provide(NodeIPCServer.layer()))

await Effect.runPromise(main)
// #endregion
