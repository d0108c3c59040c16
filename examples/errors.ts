import { Console, Effect } from "effect"
import { IPCServer } from "effect-ipc"
import { NodeIPCClient, NodeIPCServer } from "effect-ipc/node"

const Slow = IPCServer.defineRequest<void, string>("slow")

// #region catch
const ask = (url: string) =>
  Effect.gen(function* () {
    const client = yield* NodeIPCClient.make({ url })
    yield* client.request(Slow, undefined, { timeout: "50 millis" })
  }).pipe(
    Effect.catchTags({
      ConnectFailed: (error) => Console.log(`${error._tag}, ${error.reason}: ${error.message}`),
      RequestTimeout: (error) => Console.log(`${error._tag}: ${error.request}`)
    }),
    Effect.scoped
  )
// #endregion

const main = Effect.gen(function* () {
  const server = yield* IPCServer
  yield* server.handle(Slow, () => Effect.never)
  yield* ask("http://127.0.0.1:1")
  yield* ask(server.url)
}).pipe(Effect.scoped, Effect.provide(NodeIPCServer.layer()))

await Effect.runPromise(main)
