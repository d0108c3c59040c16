import { Console, Effect, Layer } from "effect"
import { IPCClient, IPCServer } from "effect-ipc"
import { NodeIPCClient, NodeIPCServer } from "effect-ipc/node"

// #region requests
const Square = IPCClient.defineRequest<number, number>("square")
const Progress = IPCServer.defineRequest<{ readonly percent: number }>("progress")
// #endregion

// #region worker
const worker = Effect.gen(function* () {
  const client = yield* IPCClient
  yield* client.handle(Square, (n) =>
    Effect.gen(function* () {
      yield* client.notify(Progress, { percent: 50 })
      return n * n
    })
  )
})

const workerLayer = (url: string, runtimeId: string) =>
  Layer.scopedDiscard(worker).pipe(Layer.provide(NodeIPCClient.layer({ url, runtimeId })))
// #endregion

// #region server
const callWorker = Effect.gen(function* () {
  const server = yield* IPCServer
  yield* server.handle(Progress, ({ percent }, caller) => Console.log(`${caller.runtimeId} is at ${percent} %`))

  yield* server.awaitClient("worker-1")
  const answer = yield* server.request("worker-1", Square, 12, { timeout: "2 seconds" })
  yield* Console.log(`worker-1 answers ${answer}`)

  yield* server
    .request("worker-2", Square, 12)
    .pipe(Effect.catchTag("ClientNotConnected", (error) => Console.log(error.message)))
})
// #endregion

const main = Effect.gen(function* () {
  const { url } = yield* IPCServer
  yield* callWorker.pipe(Effect.provide(workerLayer(url, "worker-1")))
}).pipe(Effect.scoped, Effect.provide(NodeIPCServer.layer()))

await Effect.runPromise(main)
