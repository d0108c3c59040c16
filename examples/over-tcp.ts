import * as SocketServer from "@effect/platform/SocketServer"
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import { Console, Effect, Layer } from "effect"
import { IPCClient, IPCPeer, IPCServer } from "effect-ipc"
import { SocketIPCClient, SocketIPCServer } from "effect-ipc/socket"

const Greet = IPCServer.defineRequest<{ readonly name: string }, string>("greet")

// #region peer
// An IPCPeer is what an IPCServer is without URL, port and HTTP.
const Peer = SocketIPCServer.layer().pipe(Layer.provideMerge(NodeSocketServer.layer({ host: "127.0.0.1", port: 0 })))

const clientLayer = (port: number) =>
  SocketIPCClient.layer().pipe(Layer.provide(NodeSocket.layerNet({ host: "127.0.0.1", port })))

const main = Effect.gen(function* () {
  const peer = yield* IPCPeer
  yield* peer.handle(Greet, ({ name }) => Effect.succeed(`Hello, ${name}!`))
  const { address } = yield* SocketServer.SocketServer
  const port = address._tag === "TcpAddress" ? address.port : 0
  yield* Effect.provide(greet, clientLayer(port))
})
// #endregion

const greet = Effect.gen(function* () {
  const client = yield* IPCClient
  yield* Console.log(yield* client.request(Greet, { name: "Ada" }))
})

await Effect.runPromise(main.pipe(Effect.scoped, Effect.provide(Peer)))
