/** Sends a file as a stream of bytes, or takes it: `file-peer.mjs server PATH` and `file-peer.mjs client`. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import { IPCClient, IPCRequest, IPCServer } from "effect-ipc"
import { NodeIPCClient, NodeIPCServer } from "effect-ipc/node"
import { answering } from "./answering.mjs"
import { running } from "./effects.mjs"

const File = IPCServer.defineStream("file", { element: IPCRequest.Bytes })
const [, path] = process.argv.slice(2)
let take

answering({
  serve: () =>
    running(
      NodeIPCServer.layer(),
      Effect.gen(function* () {
        const server = yield* IPCServer
        const files = yield* FileSystem.FileSystem
        yield* server.handleStream(File, () => files.stream(path))
        return server.port
      }).pipe(Effect.provide(NodeFileSystem.layer))
    ),
  connect: async (port) => {
    take = await running(
      NodeIPCClient.layer({ port }),
      Effect.gen(function* () {
        const client = yield* IPCClient
        const runPromise = Runtime.runPromise(yield* Effect.runtime())
        const length = Stream.runFold(client.stream(File), 0, (sum, bytes) => sum + bytes.length)
        return () => runPromise(length)
      })
    )
  },
  take: () => take(),
  memory: () => process.memoryUsage.rss()
})
