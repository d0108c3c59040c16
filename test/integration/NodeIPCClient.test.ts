import * as http from "node:http"
import * as net from "node:net"
import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { NodeIPCClient, NodeIPCServer } from "../../layers/index.js"
import { IPCClient } from "../../src/IPCClient.js"
import { IPCServer } from "../../src/IPCServer.js"
import * as InnerScope from "../../src/internal/InnerScope.js"
import * as Bare from "../support/Bare.js"
import { live, told } from "../support/live.js"
import * as Port from "../support/Port.js"
import { Add, add, Echo, Hang } from "../support/requests.js"

/** A server in a scope of its own, to be closed before the test ends, at a port that no other process takes then. */
const serverIn = () =>
  Effect.gen(function* () {
    const scope = yield* InnerScope.make
    const server = yield* Scope.extend(NodeIPCServer.make({ port: yield* Effect.promise(Port.free) }), scope)
    return { server, close: Scope.close(scope, Exit.void) }
  })

/** A TCP server that does as it's told, and its port. */
const tcp = (onConnection: (socket: net.Socket) => void) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<net.Server>((resume) => {
        const server = net.createServer(onConnection)
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.close())
    ),
    (server) => (server.address() as net.AddressInfo).port
  )

describe("NodeIPCClient", () => {
  live("sends what waited below a low mark as soon as what was before it has left", () =>
    Effect.gen(function* () {
      const Repeat = IPCServer.defineRequest<string, string>("repeat")
      const server = yield* NodeIPCServer.make()
      yield* server.handle(Repeat, (text) => Effect.succeed(text))
      const client = yield* NodeIPCClient.make({ port: server.port, highWaterMark: 10 })
      const texts = ["the first", "the second", "the third", "the fourth"]
      const answers = yield* Effect.forEach(texts, (text) => client.request(Repeat, text, { timeout: "5 seconds" }), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(answers, texts)
    })
  )

  live("has the default limit of frames where the one given is no number, as the server has", () =>
    Effect.gen(function* () {
      const Repeat = IPCServer.defineRequest<string, string>("repeat")
      const server = yield* NodeIPCServer.make({ maxFrameBytes: Number.NaN })
      yield* server.handle(Repeat, (text) => Effect.succeed(text))
      for (const transport of ["tcp", "any"] as const) {
        const client = yield* NodeIPCClient.make({ port: server.port, maxFrameBytes: Number.NaN, transport })
        assert.strictEqual(yield* client.request(Repeat, "text"), "text")
      }
    })
  )

  describe("that can't connect fails with ConnectFailed", () => {
    const failing = (port: number, options: Partial<NodeIPCClient.NodeIPCClientOptions> = {}) =>
      told(NodeIPCClient.make({ port, ...options }))

    live("where nothing listens", () =>
      Effect.map(failing(1), (error) => {
        assert.deepStrictEqual(error, {
          tag: "ConnectFailed",
          message:
            "Could not connect to http://127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1. Is the server running, and is the port right?"
        })
      })
    )

    live("and names its URL without the user and the password in it", () =>
      Effect.map(told(NodeIPCClient.make({ url: "http://user:secret@127.0.0.1:1" })), ({ message }) => {
        assert.match(message, /^Could not connect to http:\/\/127\.0\.0\.1:1: connect ECONNREFUSED /)
      })
    )

    live("where nothing listens at any address of a name", () =>
      Effect.map(told(NodeIPCClient.make({ url: "http://localhost:1" })), ({ message }) => {
        assert.match(message, /^Could not connect to http:\/\/localhost:1: connect ECONNREFUSED .*\. Is the server/)
      })
    )

    live("where a server takes the connection and never answers", () =>
      Effect.gen(function* () {
        const accepted = yield* Deferred.make<net.Socket>()
        const port = yield* tcp((socket) => Effect.runFork(Deferred.succeed(accepted, socket)))
        const failed = yield* failing(port, { connectTimeout: "50 millis" })
        assert.deepStrictEqual(failed, {
          tag: "ConnectFailed",
          message: `Could not connect to http://127.0.0.1:${port}: no answer within 50ms. What holds the port doesn't answer: is it effect-ipc? Stop it, or choose another port.`
        })
        // And the attempt is over: its socket is closed.
        const socket = yield* Deferred.await(accepted)
        yield* Effect.async<void>((resume) => {
          socket.resume().once("close", () => resume(Effect.void))
        })
      })
    )

    live("where a server hangs up", () =>
      Effect.gen(function* () {
        const port = yield* tcp((socket) => socket.destroy())
        const { message } = yield* failing(port)
        assert.match(message, /: socket hang up\. Is the server running|: read ECONNRESET\. Is the server running/)
      })
    )

    live("where what answers isn't HTTP", () =>
      Effect.gen(function* () {
        const port = yield* tcp((socket) => socket.end("220 mail.example ESMTP\r\n"))
        const { message } = yield* failing(port)
        assert.match(
          message,
          /: Parse Error: .*\. What holds the port isn't effect-ipc\. Stop it, or choose another port\.$/
        )
      })
    )

    live(
      "where the host has no address",
      () =>
        Effect.map(
          told(NodeIPCClient.make({ url: "http://nowhere.invalid:9000", connectTimeout: "25 seconds" })),
          ({ message }) => {
            assert.match(
              message,
              /^Could not connect to http:\/\/nowhere\.invalid:9000: getaddrinfo E\w+ .*\. Check the host\.$/
            )
          }
        ),
      30_000
    )

    for (const url of ["nonsense", "9000", "foo://127.0.0.1:9000", ""]) {
      live(`where ${JSON.stringify(url)} is no URL of a server`, () =>
        Effect.map(told(NodeIPCClient.make({ url })), (error) => {
          assert.deepStrictEqual(error, {
            tag: "ConnectFailed",
            message: `Could not connect to ${url}: it isn't a URL. Pass a port as a number, or a URL like http://127.0.0.1:9000.`
          })
        })
      )
    }

    live("where the port is none, of a URL or alone", () =>
      Effect.gen(function* () {
        for (const port of [0, 70_000, -1, 1.5, Number.NaN, "http"] as ReadonlyArray<number>) {
          const url = `http://127.0.0.1:${port}`
          const written = (value: string) =>
            `Could not connect to ${url}: its port is a whole number from 1 to 65535, not ${value}. Pass a port as a number, or a URL like http://127.0.0.1:9000.`
          const { message } = yield* told(NodeIPCClient.make({ port }))
          assert.strictEqual(message, written(typeof port === "string" ? `"${port}"` : String(port)))
          assert.strictEqual((yield* told(NodeIPCClient.make({ url: `${url}` }))).message, written(`"${port}"`))
        }
      })
    )

    for (const [status, hint] of [
      [401, "Pass the server's token as { token } (layerConfig reads IPC_TOKEN)."],
      [403, "Connect by a name the server knows, or add it to the server's { allowedHosts } or { allowedOrigins }."],
      [404, "What holds the port isn't effect-ipc, or serves another { path }. Stop it, or choose another port."],
      [426, "What holds the port isn't effect-ipc, or serves another { path }. Stop it, or choose another port."],
      [503, "The server is closing; try again."],
      [500, "What holds the port isn't effect-ipc. Stop it, or choose another port."]
    ] as const) {
      live(`where the server answers ${status}`, () =>
        Effect.gen(function* () {
          const port = yield* tcp((socket) =>
            socket.end(`HTTP/1.1 ${status} Said So\r\nConnection: close\r\n\r\n{"error":"Because."}`)
          )
          assert.deepStrictEqual(yield* failing(port), {
            tag: "ConnectFailed",
            message: `Could not connect to http://127.0.0.1:${port}: the server answered ${status} Said So: Because. ${hint}`
          })
        })
      )
    }

    live("where the server's refusal goes on for ever", () =>
      Effect.gen(function* () {
        const port = yield* tcp((socket) => {
          socket.on("error", () => {})
          socket.write("HTTP/1.1 500 No\r\n\r\n")
          const write = () => {
            if (!socket.destroyed) socket.write("no ".repeat(1000), () => setImmediate(write))
          }
          write()
        })
        const { message } = yield* failing(port)
        assert.include(
          message,
          `${"no ".repeat(66)}no…. What holds the port isn't effect-ipc. Stop it, or choose another port.`
        )
      })
    )

    live("where its path isn't the server's", () =>
      Effect.gen(function* () {
        const { port } = yield* NodeIPCServer.make()
        const { message } = yield* failing(port, { path: "/elsewhere" })
        assert.match(
          message,
          /: the server answered 404 Not Found: No route for GET \/elsewhere\. .* serves another \{ path \}\. Stop it, or choose another port\.$/
        )
      })
    )

    live("where its token can't be sent, which defeats no program", () =>
      Effect.gen(function* () {
        const { port } = yield* NodeIPCServer.make({ token: "a secret of the tests" })
        const { message } = yield* failing(port, { token: "a secret of\nthe tests", tokenScheme: "bearer" })
        assert.include(message, "the token has characters that an HTTP header can't carry. Pass the server's token")
      })
    )

    for (const [what, runtimeId] of [
      ["a megabyte long", "x".repeat(1_000_000)],
      ["of control characters", "a\nb"]
    ] as const) {
      live(`where its runtimeId is ${what}`, () =>
        Effect.gen(function* () {
          const { port } = yield* NodeIPCServer.make()
          const { message } = yield* failing(port, { runtimeId })
          assert.include(message, "a runtimeId has at most 256 characters and no control characters")
        })
      )
    }

    live("in time when it is interrupted, leaving no socket", () =>
      Effect.gen(function* () {
        const closed = yield* Deferred.make<void>()
        const accepted = yield* Deferred.make<void>()
        const port = yield* tcp((socket) => {
          Effect.runFork(Deferred.succeed(accepted, undefined))
          socket.resume().once("close", () => Effect.runFork(Deferred.succeed(closed, undefined)))
        })
        const connecting = yield* Effect.fork(Effect.scoped(NodeIPCClient.make({ port })))
        yield* Deferred.await(accepted)
        yield* Fiber.interrupt(connecting)
        yield* Deferred.await(closed)
      })
    )
  })

  live("takes its token from a file's last line, white space and all", () =>
    Effect.gen(function* () {
      const { port } = yield* NodeIPCServer.make({ token: Redacted.make(" a secret of the tests\n") })
      yield* NodeIPCClient.make({ port, token: Redacted.make("a secret of the tests\r\n") })
    })
  )

  describe("whose connection is lost", () => {
    live("reconnects to a server restarted on its port, its handlers with it; requests made meanwhile wait", () =>
      Effect.gen(function* () {
        const first = yield* serverIn()
        const { port } = first.server
        const client = yield* NodeIPCClient.make({
          port,
          runtimeId: "worker-1",
          reconnect: Schedule.spaced("10 millis")
        })
        yield* client.handle(Echo, (text) => Effect.succeed(`still ${text}`))
        const reconnecting = yield* Deferred.make<void>()
        const statuses = yield* Effect.fork(
          Stream.runCollect(
            client.status.pipe(
              Stream.tap((status) =>
                status === "reconnecting" ? Deferred.succeed(reconnecting, undefined) : Effect.void
              ),
              Stream.take(3)
            )
          )
        )
        yield* Effect.yieldNow()
        yield* first.close
        yield* Deferred.await(reconnecting)
        const waiting = yield* Effect.fork(client.request(Add, { a: 20, b: 22 }))
        const { server: second } = yield* NodeIPCServer.makePrepared({ port }, (server) => server.handle(Add, add))
        assert.strictEqual(yield* Fiber.join(waiting), 42)
        yield* second.awaitClient("worker-1")
        assert.strictEqual(yield* second.request("worker-1", Echo, "here"), "still here")
        assert.deepStrictEqual([...(yield* Fiber.join(statuses))], ["connected", "reconnecting", "connected"])
      })
    )

    live("fails what is in flight at once, and waits no longer than a request's own timeout", () =>
      Effect.gen(function* () {
        const { close, server } = yield* serverIn()
        const started = yield* Deferred.make<void>()
        yield* server.handle(Hang, () => Effect.zipRight(Deferred.succeed(started, undefined), Effect.never))
        const client = yield* NodeIPCClient.make({ port: server.port, reconnect: Schedule.spaced("10 millis") })
        const hanging = yield* Effect.fork(told(client.request(Hang)))
        yield* Deferred.await(started)
        yield* close
        const lost = yield* Fiber.join(hanging)
        const { port } = server
        assert.deepStrictEqual(lost, {
          tag: "ConnectionClosed",
          message: `The connection to http://127.0.0.1:${port} closed (code 1001: the server closes) before request "hang" was answered. Whether it ran there is unknown; send it again only if it may run twice.`
        })
        const unsent = yield* told(client.request(Add, { a: 1, b: 1 }, { timeout: "40 millis" }))
        assert.strictEqual(unsent.tag, "RequestTimeout")
        assert.match(
          unsent.message,
          new RegExp(
            `^Request "math/add" to http://127.0.0.1:${port} was not sent within 40 ms: the connection was lost [\\w ]+ ago, and the last attempt to connect failed: .+\\.$`
          )
        )
      })
    )

    live("sends again what may run twice", () =>
      Effect.gen(function* () {
        const first = yield* serverIn()
        const { port } = first.server
        const started = yield* Deferred.make<void>()
        yield* first.server.handle(Add, () => Effect.zipRight(Deferred.succeed(started, undefined), Effect.never))
        const client = yield* NodeIPCClient.make({ port, reconnect: Schedule.spaced("10 millis") })
        const sum = yield* Effect.fork(client.request(Add, { a: 1, b: 2 }, { idempotent: true }))
        yield* Deferred.await(started)
        yield* first.close
        yield* NodeIPCServer.makePrepared({ port }, (server) => server.handle(Add, add))
        assert.strictEqual(yield* Fiber.join(sum), 3)
      })
    )

    live("is closed for good without a schedule to reconnect by", () =>
      Effect.gen(function* () {
        const { close, server } = yield* serverIn()
        const client = yield* NodeIPCClient.make({ port: server.port, reconnect: false })
        const statuses = yield* Effect.fork(Stream.runCollect(client.status))
        yield* Effect.yieldNow()
        yield* close
        assert.deepStrictEqual([...(yield* Fiber.join(statuses))], ["connected", "closed"])
        const { message, tag } = yield* told(client.request(Add, { a: 1, b: 1 }))
        assert.deepStrictEqual(
          { message, tag },
          {
            tag: "ConnectionClosed",
            message: `The connection to http://127.0.0.1:${server.port} closed (code 1001: the server closes) before request "math/add" was answered. Whether it ran there is unknown; send it again only if it may run twice.`
          }
        )
      })
    )

    live("survives a proxy between that resets in mid-frame", () =>
      Effect.gen(function* () {
        const server = yield* NodeIPCServer.make()
        yield* server.handle(Add, add)
        const sockets: Array<net.Socket> = []
        const port = yield* tcp((socket) => {
          const upstream = net.connect(server.port, "127.0.0.1")
          sockets.push(socket)
          socket.on("error", () => upstream.destroy()).on("close", () => upstream.destroy())
          upstream.on("error", () => socket.destroy()).on("close", () => socket.destroy())
          socket.pipe(upstream).pipe(socket)
        })
        const client = yield* NodeIPCClient.make({ port, reconnect: Schedule.spaced("10 millis") })
        for (let i = 0; i < 5; i++) {
          assert.strictEqual(yield* client.request(Add, { a: i, b: 1 }, { idempotent: true }), i + 1)
          const socket = sockets.pop()
          // The start of a frame of five bytes, of which two come.
          socket?.write(Buffer.from([0x81, 0x05, 0x6d, 0x3a]), () => socket.resetAndDestroy())
        }
      })
    )
  })

  describe("has for each failure a tag and a message", () => {
    const Numbers = IPCServer.defineRequest("numbers", {
      payload: Schema.Struct({ n: Schema.Int }),
      success: Schema.Int
    })
    /** The same name with other Schemas, as of another version of the program. */
    const NumbersAsText = IPCServer.defineRequest("numbers", {
      payload: Schema.Struct({ n: Schema.String }),
      success: Schema.String
    })

    const connected = Effect.gen(function* () {
      const server = yield* NodeIPCServer.make()
      const client = yield* NodeIPCClient.make({ port: server.port, runtimeId: "worker-1" })
      return { server, client, at: `http://127.0.0.1:${server.port}` }
    })

    live("a request without a handler", () =>
      Effect.gen(function* () {
        const { at, client, server } = yield* connected
        assert.deepStrictEqual(yield* told(client.request(Add, { a: 1, b: 1 })), {
          tag: "NoHandler",
          message: `${at} has no handler for request "math/add". Register one there before the request is made.`
        })
        assert.deepStrictEqual(yield* told(server.request("worker-1", Echo, "")), {
          tag: "NoHandler",
          message: `worker-1 has no handler for request "echo". Register one there before the request is made.`
        })
      })
    )

    live("a request not answered in time", () =>
      Effect.gen(function* () {
        const { at, client, server } = yield* connected
        yield* server.handle(Hang, () => Effect.never)
        assert.deepStrictEqual(yield* told(client.request(Hang, undefined, { timeout: 30 })), {
          tag: "RequestTimeout",
          message: `Request "hang" to ${at} had no answer within 30 ms. If it may take longer, give it a longer timeout.`
        })
      })
    )

    live("a payload that doesn't fit its Schema here", () =>
      Effect.gen(function* () {
        const { client } = yield* connected
        assert.deepStrictEqual(yield* told(client.request(Numbers, { n: 1.5 })), {
          tag: "InvalidPayload",
          message: `The payload of request "numbers" was not sent: { readonly n: Int }\n└─ ["n"]\n   └─ Int\n      └─ Predicate refinement failure\n         └─ Expected an integer, actual 1.5`
        })
      })
    )

    live("a payload that the peer can't decode", () =>
      Effect.gen(function* () {
        const { at, client, server } = yield* connected
        yield* server.handle(Numbers, ({ n }) => Effect.succeed(n))
        const { message, tag } = yield* told(client.request(NumbersAsText, { n: "one" }))
        assert.strictEqual(tag, "InvalidPayload")
        assert.match(message, new RegExp(`^The payload of request "numbers" was refused by ${at}: .*Int`))
      })
    )

    live("a payload that isn't JSON", () =>
      Effect.gen(function* () {
        const { client } = yield* connected
        const Big = IPCServer.defineRequest<bigint, void>("big")
        assert.deepStrictEqual(yield* told(client.request(Big, 1n)), {
          tag: "InvalidPayload",
          message: 'The payload of request "big" was not sent: Do not know how to serialize a BigInt'
        })
      })
    )

    live("a response that can't be decoded", () =>
      Effect.gen(function* () {
        const { at, client, server } = yield* connected
        yield* server.handle(IPCServer.defineRequest<unknown, string>("numbers"), () => Effect.succeed("many"))
        const { message, tag } = yield* told(client.request(Numbers, { n: 1 }))
        assert.strictEqual(tag, "InvalidResponse")
        assert.include(message, `The response of ${at} to request "numbers" can't be decoded: `)
      })
    )

    live("a handler that throws, and one that fails without a Schema", () =>
      Effect.gen(function* () {
        const { at, client, server } = yield* connected
        yield* server.handle(Hang, () => {
          throw new Error("out of tea")
        })
        yield* server.handle(Add, () => Effect.die("no sums today"))
        assert.deepStrictEqual(yield* told(client.request(Hang)), {
          tag: "RequestFailed",
          message: `Request "hang" failed at ${at}: out of tea`
        })
        assert.deepStrictEqual(yield* told(client.request(Add, { a: 1, b: 1 })), {
          tag: "RequestFailed",
          message: `Request "math/add" failed at ${at}: no sums today`
        })
        // The connection lives on.
        yield* client.handle(Echo, (text) => Effect.succeed(text))
        assert.strictEqual(yield* server.request("worker-1", Echo, "hi"), "hi")
      })
    )

    live("a frame too large for the wire", () =>
      Effect.gen(function* () {
        const server = yield* NodeIPCServer.make()
        const client = yield* NodeIPCClient.make({ port: server.port, maxFrameBytes: 1000 })
        const Text = IPCServer.defineRequest<string, void>("text")
        assert.deepStrictEqual(yield* told(client.request(Text, "x".repeat(1000))), {
          tag: "FrameTooLarge",
          message: `Request "text" to http://127.0.0.1:${server.port} would be a frame of 1011 bytes; the limit is 1000. Send less, or raise { maxFrameBytes } at both ends.`
        })
      })
    )
  })

  live("repeats no idempotent request whose frame the server took for too large, and repeats the others", () =>
    Effect.gen(function* () {
      const Text = IPCServer.defineRequest<string, number>("text")
      const bare = yield* Bare.serve("/__ipc", () => "effect-ipc.1")
      const client = yield* NodeIPCClient.make({ port: bare.port })
      const first = yield* bare.next
      const idempotent = { idempotent: true, timeout: "5 seconds" } as const
      const innocent = yield* Effect.fork(client.request(Text, "first", idempotent))
      assert.strictEqual(yield* first.peer.next, 'r:1:text:"first"')
      const large = yield* Effect.fork(Effect.flip(client.request(Text, "x".repeat(4000), idempotent)))
      yield* first.peer.next
      first.peer.webSocket.close(1009, "a frame of 4011 bytes; the limit is 3000")
      assert.deepInclude(yield* Fiber.join(large), { _tag: "FrameTooLarge", limit: 3000, size: 4011 })
      // Sent again over the next connection.
      const second = yield* bare.next
      assert.strictEqual(yield* second.peer.next, 'r:1:text:"first"')
      yield* second.peer.send('s:1:text:{"success":true,"data":5}')
      assert.strictEqual(yield* Fiber.join(innocent), 5)
    })
  )

  live("sends no idempotent request that a server of ours takes for too large, and cuts nothing", () =>
    Effect.gen(function* () {
      const Text = IPCServer.defineRequest<string, number>("text")
      const server = yield* NodeIPCServer.make({ maxFrameBytes: 300_000 })
      const asked = yield* Queue.unbounded<number>()
      yield* server.handle(Text, (text) => Effect.zipRight(Queue.offer(asked, text.length), Effect.never))
      const client = yield* NodeIPCClient.make({ port: server.port, maxFrameBytes: 10_000_000 })
      const innocent = yield* Effect.fork(client.request(Text, "first"))
      yield* Queue.take(asked)
      const large = client.request(Text, "x".repeat(400_000), { idempotent: true })
      assert.deepInclude(yield* Effect.flip(large), { _tag: "FrameTooLarge", limit: 300_000, size: 400_011 })
      assert.isNull(innocent.unsafePoll())
      yield* Fiber.interrupt(innocent)
    })
  )

  live("names the size of an idempotent request where a server doesn't name its limit", () =>
    Effect.gen(function* () {
      const Text = IPCServer.defineRequest<string, number>("text")
      const bare = yield* Bare.serve("/__ipc", "echoFirst")
      const client = yield* NodeIPCClient.make({ port: bare.port })
      const large = yield* Effect.fork(told(client.request(Text, "x".repeat(1000), { idempotent: true })))
      const { peer } = yield* bare.next
      yield* peer.next
      peer.webSocket.close(1009)
      const { message, tag } = yield* Fiber.join(large)
      assert.strictEqual(tag, "ConnectionClosed")
      assert.include(message, "without naming its limit; the frame of this request has 1011 bytes")
    })
  )

  live(
    "sends the largest idempotent request no second time where a server has no room for it, and the others again",
    () =>
      Effect.gen(function* () {
        const Text = IPCServer.defineRequest<string, number>("text")
        const bare = yield* Bare.serve("/__ipc", "echoFirst")
        const client = yield* NodeIPCClient.make({ port: bare.port })
        const ask = (text: string) => Effect.fork(client.request(Text, text, { idempotent: true }))
        const large = yield* Effect.fork(told(client.request(Text, "x".repeat(1000), { idempotent: true })))
        const { peer } = yield* bare.next
        yield* peer.next
        const small = yield* ask("small")
        yield* peer.next
        peer.webSocket.close(1013, "the process holds 1 bytes for its peers")
        const { message, tag } = yield* Fiber.join(large)
        assert.strictEqual(tag, "ConnectionClosed")
        assert.include(message, "the process holds 1 bytes")
        const again = (yield* bare.next).peer
        const text = yield* again.next
        assert.include(text, '"small"')
        yield* again.send(`s:${text.split(":")[1]}:text:{"success":true,"data":5}`)
        assert.strictEqual(yield* Fiber.join(small), 5)
      })
  )

  live("sends small frames joined into one message that is over the limit of one frame", () =>
    Effect.gen(function* () {
      const limits = { maxFrameBytes: 200 }
      const server = yield* NodeIPCServer.make(limits)
      yield* server.handle(Add, add)
      const client = yield* NodeIPCClient.make({ port: server.port, ...limits, reconnect: false })
      const sums = yield* Effect.forEach(
        Array.from({ length: 500 }, (_, i) => i),
        (i) => client.request(Add, { a: i, b: 1 }),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        sums,
        sums.map((_, i) => i + 1)
      )
    })
  )

  live("is named and refused by an http.Server that isn't ours", () =>
    Effect.gen(function* () {
      const server = yield* Effect.acquireRelease(
        Effect.async<http.Server>((resume) => {
          const server = http.createServer((_, response) => response.writeHead(418).end("I'm a teapot"))
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) =>
          Effect.sync(() => {
            server.close()
            server.closeAllConnections()
          })
      )
      const { port } = server.address() as net.AddressInfo
      const { message } = yield* told(NodeIPCClient.make({ port }))
      assert.strictEqual(
        message,
        `Could not connect to http://127.0.0.1:${port}: the server answered 418 I'm a Teapot: I'm a teapot. What holds the port isn't effect-ipc. Stop it, or choose another port.`
      )
    })
  )

  live("uses a requested path, even one a bare server serves", () =>
    Effect.gen(function* () {
      const bare = yield* Bare.serve("/elsewhere", "echoFirst")
      yield* NodeIPCClient.make({ port: bare.port, path: "/elsewhere", runtimeId: "worker-1" })
      assert.strictEqual((yield* bare.next).target, "/elsewhere?runtimeId=worker-1")
    })
  )

  live("answers as the service of its Layer", () =>
    Effect.gen(function* () {
      const server = yield* NodeIPCServer.make()
      yield* server.handle(Add, add)
      const sum = Effect.flatMap(IPCClient, (client) => client.request(Add, { a: 1, b: 1 }))
      assert.strictEqual(yield* Effect.provide(sum, NodeIPCClient.layer({ port: server.port })), 2)
    })
  )
})
