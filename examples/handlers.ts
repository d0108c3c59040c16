import { Console, Effect } from "effect"
import { IPCServer } from "effect-ipc"
import { NodeIPCClient, NodeIPCServer } from "effect-ipc/node"

const Double = IPCServer.defineRequest<number, number>("double")
const DoubleLater = IPCServer.defineRequest<number, number>("double/later")
const DoubleInSteps = IPCServer.defineRequest<number, number>("double/in-steps")

const main = Effect.gen(function* () {
  const server = yield* IPCServer
  // #region handlers
  // Without a fiber.
  yield* server.handle(Double, (n) => Effect.succeed(2 * n))
  // In a fiber, once it suspends.
  yield* server.handle(DoubleLater, (n) => Effect.promise(async () => 2 * n))
  // Step by step.
  yield* server.handle(DoubleInSteps, (n) =>
    Effect.gen(function* () {
      const half = yield* Effect.succeed(n)
      return half + n
    })
  )
  // #endregion
  const client = yield* NodeIPCClient.make({ url: server.url })
  for (const request of [Double, DoubleLater, DoubleInSteps]) {
    yield* Console.log(`${request}: ${yield* client.request(request, 21)}`)
  }
}).pipe(Effect.scoped, Effect.provide(NodeIPCServer.layer()))

await Effect.runPromise(main)
