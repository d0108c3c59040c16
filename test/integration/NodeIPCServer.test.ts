import * as net from "node:net"
import { assert, describe } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { NodeIPCClient, NodeIPCServer } from "../../layers/index.js"
import { IPCClient } from "../../src/IPCClient.js"
import { IPCServer } from "../../src/IPCServer.js"
import { live, told } from "../support/live.js"
import * as Port from "../support/Port.js"
import { Add, add, Echo, GetUser, Hang, HangThere, NoSuchUser, Whoami } from "../support/requests.js"

const connect = (server: IPCServer.Service, runtimeId?: string) =>
  NodeIPCClient.make({ port: server.port, runtimeId, reconnect: false })

const echoing = (server: IPCServer.Service, runtimeId: string) =>
  Effect.gen(function* () {
    const client = yield* connect(server, runtimeId)
    yield* client.handle(Echo, (text) => Effect.succeed(`${runtimeId}: ${text}`))
    return client
  })

/** What the server tells of who comes and goes, from now on. */
const watchConnections = (server: IPCServer.Service) =>
  Effect.gen(function* () {
    const queue = yield* Stream.toQueueOfElements(server.connections, { capacity: 64 })
    // The subscription stands once an event arrives: those of this probe.
    const probe = yield* Scope.make()
    yield* Scope.extend(NodeIPCClient.make({ port: server.port, runtimeId: "probe" }), probe)
    yield* Scope.close(probe, Exit.void)
    const next = Effect.flatMap(queue.take, (event) =>
      Exit.isSuccess(event) ? Effect.succeed(event.value) : Effect.die(event)
    )
    yield* Effect.repeat(next, { until: (event) => event._tag === "Disconnected" && event.runtimeId === "probe" })
    return next
  })

describe("NodeIPCServer", () => {
  describe("requests", () => {
    live("go both ways on one connection", () =>
      Effect.gen(function* () {
        const server = yield* NodeIPCServer.make()
        yield* server.handle(Add, add)
        const client = yield* echoing(server, "worker-1")
        assert.strictEqual(yield* client.request(Add, { a: 2, b: 3 }), 5)
        assert.strictEqual(yield* server.request("worker-1", Echo, "hello"), "worker-1: hello")
      })
    )

    live("are answered by handlers registered before the client came, and after", () =>
      Effect.gen(function* () {
        const server = yield* NodeIPCServer.make()
        yield* server.handle(Add, add)
        const client = yield* connect(server)
        yield* server.handle(Whoami, (_, caller) => Effect.succeed(caller))
        assert.strictEqual(yield* client.request(Add, { a: 1, b: 1 }), 2)
        assert.deepStrictEqual(yield* client.request(Whoami), { clientId: "client-1" })
      })
    )

    live("tell the handler who calls", () =>
      Effect.gen(function* () {
        const server = yield* NodeIPCServer.make()
        yield* server.handle(Whoami, (_, caller) => Effect.succeed(caller))
        const first = yield* connect(server, "grüße & co?/#")
        const second = yield* connect(server)
        const third = yield* connect(server, "")
        assert.deepStrictEqual(yield* first.request(Whoami), { clientId: "client-1", runtimeId: "grüße & co?/#" })
        assert.deepStrictEqual(yield* second.request(Whoami), { clientId: "client-2" })
        assert.deepStrictEqual(yield* third.request(Whoami), { clientId: "client-3" })
      })
    )

    live("are validated by their Schemas, failures typed", () =>
      Effect.gen(function* () {
        const server = yield* NodeIPCServer.make()
        const since = new Date(0)
        yield* server.handle(GetUser, ({ id }) =>
          id === 1 ? Effect.succeed({ name: "Ada", since }) : Effect.fail(new NoSuchUser({ id }))
        )
        const client = yield* connect(server)
        assert.deepStrictEqual(yield* client.request(GetUser, { id: 1 }), { name: "Ada", since })
        const caught = yield* Effect.catchTag(client.request(GetUser, { id: 2 }), "NoSuchUser", Effect.succeed)
        assert.deepStrictEqual(caught, new NoSuchUser({ id: 2 }))
      })
    )

    live("lose their handler with its scope", () =>
      Effect.gen(function* () {
        const server = yield* NodeIPCServer.make()
        const client = yield* connect(server)
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* server.handle(Add, add)
            assert.strictEqual(yield* client.request(Add, { a: 1, b: 2 }), 3)
          })
        )
        assert.strictEqual((yield* told(client.request(Add, { a: 1, b: 2 }))).tag, "NoHandler")
      })
    )

    live("that are interrupted interrupt their handler at the other end, both ways", () =>
      Effect.gen(function* () {
        const server = yield* NodeIPCServer.make()
        const client = yield* connect(server, "worker-1")
        for (const end of ["server", "client"] as const) {
          const started = yield* Deferred.make<void>()
          const interrupted = yield* Deferred.make<void>()
          const hang = () =>
            Effect.zipRight(Deferred.succeed(started, undefined), Effect.never).pipe(
              Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
            )
          const asked =
            end === "server"
              ? Effect.zipRight(server.handle(Hang, hang), Effect.fork(client.request(Hang)))
              : Effect.zipRight(client.handle(HangThere, hang), Effect.fork(server.request("worker-1", HangThere)))
          const fiber = yield* asked
          yield* Deferred.await(started)
          yield* Fiber.interrupt(fiber)
          yield* Deferred.await(interrupted)
        }
      })
    )
  })

  describe("clients", () => {
    live("are found by their runtimeId, however many there are", () =>
      Effect.gen(function* () {
        const server = yield* NodeIPCServer.make()
        const names = Array.from({ length: 20 }, (_, i) => `worker-${i}`)
        yield* Effect.forEach(names, (name) => echoing(server, name), { concurrency: "unbounded" })
        const answers = yield* Effect.forEach(names, (name) => server.request(name, Echo, "hi"), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(
          answers,
          names.map((name) => `${name}: hi`)
        )
        const listed = (yield* server.clients).map(({ runtimeId }) => runtimeId)
        assert.sameMembers(listed, names)
      })
    )

    live("that aren't connected are told at once, naming those that are", () =>
      Effect.gen(function* () {
        const server = yield* NodeIPCServer.make()
        assert.deepStrictEqual(yield* told(server.request("nobody", Echo, "hi")), {
          tag: "ClientNotConnected",
          message:
            'No client with runtimeId "nobody" is connected (no client is connected). Wait until it connects, or check the name.'
        })
        yield* Effect.forEach(Array.from({ length: 12 }), (_, i) => connect(server, `worker-${i}`))
        const { message } = yield* told(server.notify("__proto__", Echo, "hi"))
        assert.strictEqual(
          message,
          `No client with runtimeId "__proto__" is connected (connected: ${Array.from({ length: 10 }, (_, i) => `worker-${i}`).join(", ")}). Wait until it connects, or check the name.`
        )
      })
    )

    live("are awaited: those there at once, those to come when they do", () =>
      Effect.gen(function* () {
        const server = yield* NodeIPCServer.make()
        const early = yield* Effect.fork(server.awaitClient("worker-1"))
        const second = yield* Effect.fork(server.awaitClient("worker-1"))
        const interrupted = yield* Effect.fork(server.awaitClient("worker-1"))
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(interrupted)
        yield* connect(server, "other")
        yield* connect(server, "worker-1")
        const worker = { clientId: "client-2", runtimeId: "worker-1" }
        assert.deepStrictEqual(yield* Fiber.join(early), worker)
        assert.deepStrictEqual(yield* Fiber.join(second), worker)
        assert.deepStrictEqual(yield* server.awaitClient("worker-1"), worker)
      })
    )

    live("that are awaited when the server closes interrupt who waits", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const server = yield* Scope.extend(NodeIPCServer.make(), scope)
        const waiting = yield* Effect.fork(server.awaitClient("worker-1"))
        yield* Effect.yieldNow()
        yield* Scope.close(scope, Exit.void)
        assert.isTrue(Exit.isInterrupted(yield* Fiber.await(waiting)))
        assert.isTrue(Exit.isInterrupted(yield* Effect.exit(server.awaitClient("worker-1"))))
      })
    )

    live("are told by notify and broadcast, each exactly once", () =>
      Effect.gen(function* () {
        const server = yield* NodeIPCServer.make()
        const heard: Array<string> = []
        const all = yield* Deferred.make<void>()
        for (const name of ["a", "b", "c"]) {
          const client = yield* connect(server, name)
          yield* client.handle(Echo, (text) =>
            Effect.suspend(() => {
              heard.push(`${name} ${text}`)
              return heard.length === 4 ? Effect.as(Deferred.succeed(all, undefined), text) : Effect.succeed(text)
            })
          )
        }
        yield* server.notify("b", Echo, "psst")
        yield* server.broadcast(Echo, "all")
        yield* Deferred.await(all)
        assert.sameMembers(heard, ["b psst", "a all", "b all", "c all"])
      })
    )

    live("with the same runtimeId replace each other: the first goes for good, the second stays", () =>
      Effect.gen(function* () {
        const server = yield* NodeIPCServer.make()
        const next = yield* watchConnections(server)
        const first = yield* NodeIPCClient.make({ port: server.port, runtimeId: "worker-1" })
        const status = yield* Effect.fork(Stream.runCollect(first.status))
        assert.strictEqual((yield* next)._tag, "Connected")
        const second = yield* NodeIPCClient.make({ port: server.port, runtimeId: "worker-1" })
        yield* second.handle(Echo, (text) => Effect.succeed(`second: ${text}`))
        // From the moment it is replaced, it isn't one of them any more.
        assert.strictEqual((yield* server.clients).length, 1)
        const events = [yield* next, yield* next]
        assert.deepStrictEqual(events, [
          { _tag: "Connected", clientId: "client-3", runtimeId: "worker-1" },
          {
            _tag: "Disconnected",
            clientId: "client-2",
            runtimeId: "worker-1",
            code: 4001,
            reason: "a newer connection has the same runtimeId"
          }
        ])
        // Closed, and no reconnecting between.
        assert.deepStrictEqual([...(yield* Fiber.join(status))], ["connected", "closed"])
        assert.strictEqual(yield* server.request("worker-1", Echo, "hi"), "second: hi")
        const { message, tag } = yield* told(first.request(Add, { a: 1, b: 1 }))
        assert.strictEqual(tag, "ConnectionClosed")
        assert.include(message, "code 4001: a newer connection has the same runtimeId")
      })
    )

    live("come and go in the stream of connections", () =>
      Effect.gen(function* () {
        const server = yield* NodeIPCServer.make()
        const next = yield* watchConnections(server)
        yield* Effect.scoped(connect(server, "worker-1"))
        assert.deepStrictEqual(
          [yield* next, yield* next],
          [
            { _tag: "Connected", clientId: "client-2", runtimeId: "worker-1" },
            {
              _tag: "Disconnected",
              clientId: "client-2",
              runtimeId: "worker-1",
              code: 1000,
              reason: "the client closed"
            }
          ]
        )
      })
    )
  })

  describe("listening", () => {
    live("on a port in use is a typed failure", () =>
      Effect.gen(function* () {
        const { port } = yield* NodeIPCServer.make()
        assert.deepStrictEqual(yield* told(NodeIPCServer.make({ port })), {
          tag: "PortInUse",
          message: `Port ${port} on 127.0.0.1 is in use. Stop what listens there, or pass { port: 0 } for any free port.`
        })
      })
    )

    live("on an address that isn't this machine's is a typed failure", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* told(NodeIPCServer.make({ host: "192.0.2.1", token: "a secret of the tests" })), {
          tag: "ListenFailed",
          message:
            "Could not listen on 192.0.2.1:0: listen EADDRNOTAVAIL: address not available 192.0.2.1 (EADDRNOTAVAIL). Check that the host is an address of this machine and that the port may be bound."
        })
      })
    )

    for (const port of [-1, 65_536, 1.5, Number.NaN]) {
      live(`on port ${port}, which is none, is a typed failure`, () =>
        Effect.map(told(NodeIPCServer.make({ port })), ({ message, tag }) => {
          assert.strictEqual(tag, "ListenFailed")
          assert.include(message, "a port is a whole number from 0 to 65535")
        })
      )
    }

    for (const host of ["localhost", "127.0.0.2", "::1", "LOCALHOST"]) {
      live(`at ${host}, on any free port, is reached by its url`, () =>
        Effect.gen(function* () {
          const server = yield* NodeIPCServer.make({ host })
          yield* server.handle(Add, add)
          assert.isAbove(server.port, 0)
          const client = yield* NodeIPCClient.make({ url: server.url })
          assert.strictEqual(yield* client.request(Add, { a: 2, b: 2 }), 4)
        })
      )
    }

    for (const host of ["0.0.0.0", "::", ""]) {
      live(`at ${JSON.stringify(host)}, all addresses, has a url that can be connected to`, () =>
        Effect.gen(function* () {
          const server = yield* NodeIPCServer.make({ host, token: "a secret of the tests" })
          yield* server.handle(Add, add)
          const client = yield* NodeIPCClient.make({ url: server.url, token: "a secret of the tests" })
          assert.strictEqual(yield* client.request(Add, { a: 2, b: 2 }), 4)
        })
      )
    }

    live("ends with the scope: the port is free, its sockets are closed, idle and half-open ones too", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const port = yield* Effect.promise(Port.free)
        yield* Scope.extend(NodeIPCServer.make({ port }), scope)
        const sockets = yield* Effect.forEach(
          [
            "",
            "GET / HTTP/1.1\r\n",
            "GET /__ipc HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
          ],
          (text) => rawSocket(port, text)
        )
        yield* Scope.close(scope, Exit.void)
        yield* Effect.forEach(sockets, ({ closed }) => closed)
        yield* NodeIPCServer.make({ port })
      })
    )
  })

  /** A route in progress, which takes its time to end and so keeps its server closing. */
  const lingering = (server: IPCServer.Service) =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<void>()
      const interrupted = yield* Deferred.make<void>()
      const released = yield* Deferred.make<void>()
      yield* server.interceptHttp("GET", "/slow", () =>
        Effect.zipRight(Deferred.succeed(started, undefined), Effect.never).pipe(
          Effect.onInterrupt(() => Effect.zipRight(Deferred.succeed(interrupted, undefined), Deferred.await(released)))
        )
      )
      yield* rawSocket(server.port, "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
      yield* Deferred.await(started)
      return { interrupted: Deferred.await(interrupted), release: Deferred.succeed(released, undefined) }
    })

  /** For servers that close with something under way that doesn't end. */
  const quickDrain = { drainTimeout: "100 millis" } as const

  live("that closes accepts no client any more", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const server = yield* Scope.extend(NodeIPCServer.make(quickDrain), scope)
      const late = yield* rawSocket(server.port, "GET /__ipc HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n")
      const { interrupted, release } = yield* lingering(server)
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* interrupted
      late.socket.write("Upgrade: websocket\r\n\r\n")
      yield* late.closed
      yield* release
      yield* Fiber.join(closing)
      assert.match(late.text(), /^HTTP\/1\.1 503 Service Unavailable\r\n.*The server is closing\./s)
    })
  )

  live("that closes ends its connections before what was prepared is gone", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { server } = yield* Scope.extend(
        NodeIPCServer.makePrepared(quickDrain, ({ handle }) => handle(Add, add)),
        scope
      )
      const client = yield* connect(server)
      const { interrupted, release } = yield* lingering(server)
      assert.strictEqual(yield* client.request(Add, { a: 2, b: 3 }), 5)
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* interrupted
      const { tag } = yield* told(client.request(Add, { a: 2, b: 3 }))
      yield* release
      yield* Fiber.join(closing)
      assert.strictEqual(tag, "ConnectionClosed")
    })
  )

  live("that fails while it is prepared leaves no client waiting that it hadn't accepted yet", () =>
    Effect.gen(function* () {
      const early: Array<RawSocket> = []
      const upgrade = "GET /__ipc HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
      const failed = yield* Effect.flip(
        Effect.scoped(
          NodeIPCServer.makePrepared(quickDrain, ({ port }) =>
            Effect.gen(function* () {
              const scope = yield* Scope.make()
              early.push(yield* Scope.extend(rawSocket(port, upgrade), scope))
              early.push(yield* Scope.extend(rawSocket(port, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), scope))
              // The server is in this process: by then it has read what was written.
              yield* Effect.repeatN(turn, 20)
              return yield* Effect.fail("not today")
            })
          )
        )
      )
      assert.strictEqual(failed, "not today")
      yield* Effect.forEach(early, ({ closed }) => closed)
    })
  )

  describe("a refused upgrade", () => {
    live("leaves no half-open socket although the client keeps its own side open", () =>
      Effect.gen(function* () {
        const { port } = yield* NodeIPCServer.make()
        const socket = yield* rawSocket(
          port,
          "GET /__ipc HTTP/1.1\r\nHost: evil.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        )
        yield* socket.ended
        assert.match(socket.text(), /^HTTP\/1\.1 403 Forbidden\r\n/)
        // Writing to a socket that is half-open would go on for ever; to one that is gone, it fails.
        yield* socket.writeUntilError
      })
    )
  })

  live("config comes from the environment", () =>
    Effect.gen(function* () {
      const port = yield* Effect.promise(Port.free)
      const environment = new Map([
        ["IPC_HOST", "127.0.0.1"],
        ["IPC_PORT", String(port)],
        ["IPC_TOKEN", "a secret of the tests"],
        ["IPC_RUNTIME_ID", "configured"]
      ])
      const program = Effect.gen(function* () {
        const server = yield* IPCServer
        const client = yield* IPCClient
        yield* server.handle(Whoami, (_, caller) => Effect.succeed(caller))
        assert.strictEqual(server.port, port)
        assert.deepStrictEqual(yield* client.request(Whoami), { clientId: "client-1", runtimeId: "configured" })
        return yield* told(Effect.scoped(NodeIPCClient.make({ port })))
      })
      const layer = Layer.provideMerge(NodeIPCClient.layerConfig(), NodeIPCServer.layerConfig())
      const refused = yield* Effect.provide(program, layer).pipe(
        Effect.withConfigProvider(ConfigProvider.fromMap(environment))
      )
      assert.strictEqual(refused.tag, "ConnectFailed")

      const bad = yield* Effect.either(Effect.scoped(Layer.build(NodeIPCServer.layerConfig()))).pipe(
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["IPC_PORT", "ninety"]])))
      )
      assert.isTrue(Either.isLeft(bad))
    })
  )

  live("takes IPC_PORT=0 for any free port", () =>
    Effect.gen(function* () {
      const { port } = yield* Effect.provide(IPCServer, NodeIPCServer.layerConfig()).pipe(
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["IPC_PORT", "0"]])))
      )
      assert.isAbove(port, 0)
    })
  )
})

const turn = Effect.async<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

const rawSocket = (port: number, text: string) =>
  Effect.acquireRelease(
    Effect.async<RawSocket>((resume) => {
      const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true }, () => {
        socket.write(text, () => resume(Effect.succeed(new RawSocket(socket))))
      })
    }),
    ({ socket }) => Effect.sync(() => socket.destroy())
  )

class RawSocket {
  private received = ""
  readonly closed: Effect.Effect<void>
  readonly ended: Effect.Effect<void>
  readonly text = () => this.received

  constructor(readonly socket: net.Socket) {
    const ended = new Promise<void>((resolve) => socket.once("end", resolve))
    const gone = new Promise<void>((resolve) => {
      socket.once("end", resolve)
      socket.once("close", () => resolve())
      socket.on("error", () => resolve())
    })
    socket.on("data", (chunk) => {
      this.received += chunk
    })
    this.closed = Effect.promise(() => gone)
    this.ended = Effect.promise(() => ended)
  }

  readonly writeUntilError = Effect.async<void>((resume) => {
    const { socket } = this
    socket.once("error", () => resume(Effect.void))
    const write = () => {
      if (!socket.destroyed) socket.write("x", () => setImmediate(write))
    }
    write()
  })
}
