import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Socket from "@effect/platform/Socket"
import * as SocketServer from "@effect/platform/SocketServer"
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { IPCClient, IPCPeer, IPCRequest, IPCServer } from "effect-ipc"
import { SocketIPCClient, SocketIPCServer } from "effect-ipc/socket"

const Greet = IPCServer.defineRequest<string, string>("greet")
const Square = IPCClient.defineRequest<number, number>("square")
const Count = IPCServer.defineStream<number, number>("count")
const CountThere = IPCClient.defineStream<number, number>("count")
const Digest = IPCServer.defineStream("digest", { element: Schema.Number, input: IPCRequest.Bytes })

const kinds = {
  TCP: {
    framing: "lines",
    server: NodeSocketServer.layer({ host: "127.0.0.1", port: 0 }),
    client: ({ address }: SocketServer.SocketServer["Type"]) =>
      NodeSocket.layerNet({ host: "127.0.0.1", port: (address as SocketServer.TcpAddress).port })
  },
  "a Unix socket": {
    framing: "lines",
    server: NodeSocketServer.layer({ path: join(tmpdir(), `effect-ipc-${process.pid}.sock`) }),
    client: ({ address }: SocketServer.SocketServer["Type"]) =>
      NodeSocket.layerNet({ path: (address as SocketServer.UnixAddress).path })
  },
  WebSocket: {
    framing: "messages",
    server: NodeSocketServer.layerWebSocket({ host: "127.0.0.1", port: 0 }),
    client: ({ address }: SocketServer.SocketServer["Type"]) =>
      Layer.provide(
        Socket.layerWebSocket(`ws://127.0.0.1:${(address as SocketServer.TcpAddress).port}`),
        NodeSocket.layerWebSocketConstructor
      )
  }
} as const

for (const [name, { client, framing, server }] of Object.entries(kinds)) {
  const serve = (options?: SocketIPCServer.SocketIPCServerOptions) =>
    Layer.build(Layer.provideMerge(SocketIPCServer.layer({ framing, ...options }), server))
  const connect = (
    services: Context.Context<SocketServer.SocketServer>,
    options?: SocketIPCClient.SocketIPCClientOptions
  ) =>
    Effect.provide(
      SocketIPCClient.make({ framing, ...options }),
      client(Context.get(services, SocketServer.SocketServer))
    )

  describe(`the Layers over ${name}`, { skip: process.platform === "win32" && name === "a Unix socket" }, () => {
    it.scopedLive("carry requests both ways, and the server calls a client by its name", () =>
      Effect.gen(function* () {
        const services = yield* serve()
        const peer = Context.get(services, IPCPeer)
        yield* peer.handle(Greet, (who, caller) => Effect.succeed(`Hello, ${who} of ${caller.runtimeId}!`))
        const named = yield* connect(services, { runtimeId: "worker-1" })
        const anonymous = yield* connect(services)
        yield* named.handle(Square, (n) => Effect.succeed(n * n))
        yield* peer.awaitClient("worker-1")
        assert.deepStrictEqual(
          [
            yield* named.request(Greet, "Ada"),
            yield* anonymous.request(Greet, "Bob"),
            yield* peer.request("worker-1", Square, 12),
            (yield* Effect.flip(peer.request("worker-2", Square, 12)))._tag
          ],
          ["Hello, Ada of worker-1!", "Hello, Bob of undefined!", 144, "ClientNotConnected"]
        )
      })
    )

    it.scopedLive("carry streams both ways, their input and bytes, and end them with their consumers", () =>
      Effect.gen(function* () {
        const services = yield* serve()
        const peer = Context.get(services, IPCPeer)
        const ended = yield* Deferred.make<void>()
        yield* peer.handleStream(Count, (n) =>
          n > 0 ? Stream.range(1, n) : Stream.ensuring(Stream.repeatValue(0), Deferred.succeed(ended, undefined))
        )
        yield* peer.handleStream(Digest, (_, input) => Stream.map(input, (bytes) => bytes.length))
        const reached = yield* connect(services, { runtimeId: "worker-1" })
        yield* reached.handleStream(CountThere, (n) => Stream.range(1, n))
        yield* peer.awaitClient("worker-1")
        const numbers = Array.from({ length: 5000 }, (_, i) => i + 1)
        const bytes = Stream.map(Stream.range(0, 20), (n) => new Uint8Array(n * 10_000).fill(n))
        const collected = yield* Effect.all(
          [
            Stream.runCollect(reached.stream(Count, 5000)),
            Stream.runCollect(peer.stream("worker-1", CountThere, 5000)),
            Stream.runCollect(reached.stream(Digest, undefined, bytes)),
            Stream.runCollect(Stream.take(reached.stream(Count, 0), 3))
          ],
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(collected.map(Chunk.toReadonlyArray), [
          numbers,
          numbers,
          Array.from({ length: 21 }, (_, n) => n * 10_000),
          [0, 0, 0]
        ])
        yield* Deferred.await(ended)
      })
    )

    it.scopedLive("a client whose connection breaks runs the socket again, and keeps its name and its handlers", () =>
      Effect.gen(function* () {
        const services = yield* serve()
        const peer = Context.get(services, IPCPeer)
        yield* peer.handle(Greet, (who) => Effect.succeed(who))
        const reached = yield* connect(services, { runtimeId: "worker-1" })
        yield* reached.handle(Square, (n) => Effect.succeed(n * n))
        const first = yield* peer.awaitClient("worker-1")
        const gone = yield* peer.connections.pipe(
          Stream.filter(({ _tag, clientId }) => _tag === "Disconnected" && clientId === first.clientId),
          Stream.runHead,
          Effect.fork
        )
        yield* Effect.yieldNow()
        // A second connection of the same name replaces the first; then that one goes, too.
        const other = yield* Scope.make()
        const second = yield* Scope.extend(connect(services, { runtimeId: "worker-1" }), other)
        yield* Fiber.join(gone)
        assert.strictEqual((yield* reached.closed).code, 4001)
        assert.strictEqual(yield* second.request(Greet, "second"), "second")
        yield* Scope.close(other, Exit.void)
        assert.strictEqual((yield* second.closed).reason, "the client closed")
      })
    )

    it.scopedLive("a server whose scope closes tells its clients why", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const services = yield* Scope.extend(serve(), scope)
        const reached = yield* connect(services, { runtimeId: "worker-1", reconnect: false })
        yield* Context.get(services, IPCPeer).awaitClient("worker-1")
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(yield* reached.closed, { code: 1001, reason: "the server closes" })
      })
    )

    it.scopedLive("a name that can't be one is refused", () =>
      Effect.gen(function* () {
        const services = yield* serve()
        const reached = yield* connect(services, { runtimeId: "a\nb", reconnect: false })
        assert.deepStrictEqual(yield* reached.closed, {
          code: 1008,
          reason: "a runtimeId has at most 256 characters and no control characters"
        })
      })
    )
  })
}

describe("the Layers over a socket", () => {
  it.scopedLive("a client reconnects by itself", () =>
    Effect.gen(function* () {
      const sockets = new Set<Net.Socket>()
      const connected = yield* Effect.acquireRelease(
        Effect.async<Net.Server>((resume) => {
          const server = Net.createServer((socket) => {
            sockets.add(socket.on("error", () => {}))
            socket.setEncoding("utf8").on("data", (text: string) => {
              for (const line of text.split("\n")) {
                const id = /^r:(\d+):greet:"(\w+)"$/.exec(line)
                if (id !== null) socket.write(`s:${id[1]}:greet:{"success":true,"data":"Hello, ${id[2]}!"}\n`)
              }
            })
          }).listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) =>
          Effect.sync(() => {
            for (const socket of sockets) socket.destroy()
            server.close()
          })
      )
      const { port } = connected.address() as Net.AddressInfo
      const client = yield* Effect.provide(
        SocketIPCClient.make({ extended: false }),
        NodeSocket.layerNet({ host: "127.0.0.1", port })
      )
      assert.strictEqual(yield* client.request(Greet, "Ada"), "Hello, Ada!")
      for (const socket of sockets) socket.destroy()
      assert.strictEqual(yield* client.request(Greet, "Bob", { idempotent: true }), "Hello, Bob!")
      assert.strictEqual(sockets.size, 2)
    })
  )

  it.scopedLive("nothing listens: ConnectFailed tells so, with the name that the caller gave", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Effect.provide(
          SocketIPCClient.make({ name: "the greeter" }),
          NodeSocket.layerNet({ path: join(tmpdir(), `effect-ipc-nowhere-${process.pid}.sock`) })
        )
      )
      assert.deepInclude(error, { _tag: "ConnectFailed", url: "the greeter", reason: "Unreachable" })
      assert.match(error.message, /^Could not connect to the greeter: .*ENOENT/)
    })
  )

  it.scopedLive("interrupting the client's program interrupts the handler at the server", () =>
    Effect.gen(function* () {
      const interrupted = yield* Deferred.make<void>()
      const started = yield* Deferred.make<void>()
      const services = yield* Layer.build(
        Layer.provideMerge(SocketIPCServer.layer(), NodeSocketServer.layer({ host: "127.0.0.1", port: 0 }))
      )
      const { address } = Context.get(services, SocketServer.SocketServer)
      yield* Context.get(services, IPCPeer).handle(Greet, () =>
        Deferred.succeed(started, undefined).pipe(
          Effect.zipRight(Effect.never),
          Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
        )
      )
      const asking = Effect.gen(function* () {
        const client = yield* IPCClient
        return yield* client.request(Greet, "Ada")
      }).pipe(
        Effect.provide(SocketIPCClient.layer()),
        Effect.provide(NodeSocket.layerNet({ host: "127.0.0.1", port: (address as SocketServer.TcpAddress).port }))
      )
      const fiber = yield* Effect.fork(asking)
      yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(interrupted)
    })
  )
})
