import { fileURLToPath } from "node:url"
import { FileSystem } from "@effect/platform"
import { NodeFileSystem } from "@effect/platform-node"
import { Console, Effect, Schema, Stream } from "effect"
import { IPCClient, IPCRequest, IPCServer } from "effect-ipc"
import { NodeIPCClient, NodeIPCServer } from "effect-ipc/node"

// #region streams
class NoSuchLog extends Schema.TaggedError<NoSuchLog>()("NoSuchLog", { name: Schema.String }) {}

const Tail = IPCServer.defineStream("logs/tail", {
  payload: Schema.String,
  element: Schema.Struct({ at: Schema.Date, text: Schema.String }),
  failure: NoSuchLog
})

// Branded, and with input: the caller sends a stream, too.
const Average = IPCServer.defineStream<void, number, number>("average", { input: true })
// #endregion

// #region server
const serve = Effect.gen(function* () {
  const server = yield* IPCServer
  yield* server.handleStream(Tail, (name) =>
    name === "app"
      ? Stream.map(Stream.range(1, 1_000_000), (n) => ({ at: new Date(n * 1000), text: `line ${n}` }))
      : Stream.fail(new NoSuchLog({ name }))
  )
  yield* server.handleStream(Average, (_, numbers) =>
    numbers.pipe(
      Stream.mapAccum(0, (sum, n) => [sum + n, sum + n]),
      Stream.zipWithIndex,
      Stream.map(([sum, index]) => sum / (index + 1))
    )
  )
  return server.url
})
// #endregion

// #region client
const follow = Effect.gen(function* () {
  const client = yield* IPCClient
  // Enough after two: the server's stream is interrupted then.
  yield* client.stream(Tail, "app").pipe(
    Stream.take(2),
    Stream.runForEach(({ at, text }) => Console.log(`${at.toISOString()} ${text}`))
  )
  yield* Stream.runDrain(client.stream(Tail, "web")).pipe(
    Effect.catchTag("NoSuchLog", (error) => Console.log(`there is no log ${error.name}`))
  )
  yield* Stream.runForEach(client.stream(Average, undefined, Stream.make(1, 2, 6)), (average) => Console.log(average))
})
// #endregion

// #region bytes
// Bytes cross as they are, in binary frames.
const Source = IPCServer.defineStream("source", { element: IPCRequest.Bytes })

const serveFile = (path: string) =>
  Effect.gen(function* () {
    const server = yield* IPCServer
    const files = yield* FileSystem.FileSystem
    yield* server.handleStream(Source, () => files.stream(path))
  })

const download = (path: string) =>
  Effect.gen(function* () {
    const client = yield* IPCClient
    const files = yield* FileSystem.FileSystem
    const received = yield* Stream.runFold(client.stream(Source), 0, (sum, bytes) => sum + bytes.length)
    const { size } = yield* files.stat(path)
    yield* Console.log(received === Number(size) ? "the file has come whole" : "something is missing")
  })
// #endregion

const main = Effect.gen(function* () {
  const url = yield* serve
  const path = fileURLToPath(import.meta.url)
  yield* serveFile(path)
  yield* Effect.zipRight(follow, download(path)).pipe(Effect.provide(NodeIPCClient.layer({ url })))
}).pipe(Effect.scoped, Effect.provide([NodeIPCServer.layer(), NodeFileSystem.layer]))

await Effect.runPromise(main)
