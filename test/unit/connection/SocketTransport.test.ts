import * as Net from "node:net"
import * as Socket from "@effect/platform/Socket"
import type * as SocketServer from "@effect/platform/SocketServer"
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Queue, Scope } from "effect"
import { ConnectionClosed, IPCServer } from "effect-ipc"
import { CloseCode } from "../../../src/CloseEvent.js"
import type { IPCSocketOptions } from "../../../src/connection/IPCSocketOptions.js"
import type { SocketTransportOptions } from "../../../src/connection/SocketTransport.js"
import * as SocketTransport from "../../../src/connection/SocketTransport.js"
import { makeEnd, nothing } from "../../support/pair.js"

const Echo = IPCServer.defineRequest<unknown, unknown>("echo")
const Slow = IPCServer.defineRequest("slow")

/** Both ends of one real connection, the far one as the server sees it. */
const connected = Effect.fnUntraced(function* (
  kind: "tcp" | "webSocket",
  options: Partial<SocketTransportOptions> & IPCSocketOptions = {}
) {
  const framing = kind === "tcp" ? "lines" : "messages"
  const server: SocketServer.SocketServer["Type"] =
    kind === "tcp"
      ? yield* NodeSocketServer.make({ host: "127.0.0.1", port: 0 })
      : yield* NodeSocketServer.makeWebSocket({ host: "127.0.0.1", port: 0 })
  const address = server.address
  if (address._tag !== "TcpAddress") return yield* Effect.dieMessage("not TCP")
  const arrivals = yield* Queue.unbounded<Effect.Effect.Success<ReturnType<typeof end>>>()
  const end = Effect.fnUntraced(function* (socket: Socket.Socket, target: string) {
    const transport = yield* SocketTransport.make(socket, { framing, ...options })
    return yield* makeEnd(transport, target, options)
  })
  yield* Effect.forkScoped(
    server.run((socket) =>
      Effect.scoped(
        Effect.flatMap(end(socket, "near"), (far) => Effect.zipRight(Queue.offer(arrivals, far), far.socket.closed))
      )
    )
  )
  const scope = yield* Scope.fork(yield* Effect.scope, { _tag: "Sequential" } as never)
  const socket =
    kind === "tcp"
      ? yield* NodeSocket.makeNet({ host: "127.0.0.1", port: address.port })
      : yield* Effect.provide(
          Socket.makeWebSocket(`ws://127.0.0.1:${address.port}`),
          NodeSocket.layerWebSocketConstructor
        )
  const near = yield* Scope.extend(end(socket, "far"), scope)
  const far = yield* Queue.take(arrivals)
  return { near, far, port: address.port, leave: Scope.close(scope, Exit.void) }
})

for (const kind of ["tcp", "webSocket"] as const) {
  describe(`SocketTransport over ${kind}`, () => {
    it.scopedLive("carries requests both ways, whatever their size and script", () =>
      Effect.gen(function* () {
        const { far, near } = yield* connected(kind)
        yield* far.handle(Echo, Effect.succeed)
        yield* near.handle(Echo, (x) => Effect.succeed([x]))
        const values = [
          "",
          "a:b\nc",
          "größe 日本 😀".repeat(10_000),
          { deep: [null, 1.5, { x: "\u0000" }] },
          "x".repeat(1_000_000)
        ]
        assert.deepStrictEqual(
          yield* Effect.forEach(values, (value) => near.socket.request(Echo, value), { concurrency: "unbounded" }),
          values
        )
        assert.deepStrictEqual(yield* far.socket.request(Echo, 1), [1])
        assert.deepStrictEqual([near.socket.held, far.socket.held], [nothing, nothing])
      })
    )

    it.scopedLive("keeps a thousand concurrent requests apart", () =>
      Effect.gen(function* () {
        const { far, near } = yield* connected(kind)
        yield* far.handle(Echo, (n) => Effect.as(Effect.yieldNow(), n))
        const all = Array.from({ length: 1000 }, (_, n) => n)
        assert.deepStrictEqual(
          yield* Effect.forEach(all, (n) => near.socket.request(Echo, n), { concurrency: "unbounded" }),
          all
        )
      })
    )

    it.scopedLive("cancels, and tells the peer with which code and reason it closes", () =>
      Effect.gen(function* () {
        const { far, near } = yield* connected(kind)
        const started = yield* Deferred.make<void>()
        const interrupted = yield* Deferred.make<void>()
        yield* far.handle(Slow, () =>
          Deferred.succeed(started, undefined).pipe(
            Effect.zipRight(Effect.never),
            Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
          )
        )
        const request = yield* Effect.fork(near.socket.request(Slow, undefined))
        yield* Deferred.await(started)
        yield* Fiber.interrupt(request)
        yield* Deferred.await(interrupted)
        const pending = yield* Effect.fork(Effect.flip(near.socket.request(Slow, undefined)))
        yield* near.socket.notify(Slow, undefined)
        const event = { code: CloseCode.Replaced, reason: "a newer one" }
        yield* far.socket.close(event)
        assert.deepStrictEqual(
          yield* Fiber.join(pending),
          new ConnectionClosed({ request: "slow", target: "far", ...event })
        )
        assert.deepStrictEqual(
          [yield* near.socket.closed, yield* far.socket.closed, near.socket.state, far.socket.state],
          [event, event, "closed", "closed"]
        )
      })
    )

    it.scopedLive("ends both ends when one's scope closes", () =>
      Effect.gen(function* () {
        const { far, leave, near } = yield* connected(kind)
        yield* leave
        assert.strictEqual(near.socket.state, "closed")
        yield* far.socket.closed
        assert.strictEqual(far.socket.state, "closed")
      })
    )

    it.scopedLive("ends both ends when one is terminated", () =>
      Effect.gen(function* () {
        const { far, near } = yield* connected(kind)
        near.transport.terminate()
        assert.strictEqual(near.socket.state, "closed")
        yield* far.socket.closed
      })
    )

    it.scopedLive("keeps a silent but living peer by its heartbeat", () =>
      Effect.gen(function* () {
        const { far, near } = yield* connected(kind, { heartbeat: "100 millis" })
        let beats = 0
        const enough = yield* Deferred.make<void>()
        const spied = near.transport as { ping: () => void }
        const ping = spied.ping.bind(spied)
        spied.ping = () => {
          if (++beats === 6) Effect.runSync(Deferred.succeed(enough, undefined))
          ping()
        }
        yield* Deferred.await(enough)
        assert.deepStrictEqual([near.socket.state, far.socket.state], ["open", "open"])
      })
    )

    it.scopedLive("reads on where it paused, in order, and loses nothing", () =>
      Effect.gen(function* () {
        const { far, near } = yield* connected(kind, { maxHandlersInFlight: 2 })
        const order: Array<unknown> = []
        let most = 0
        let running = 0
        yield* far.handle(Echo, (n) =>
          Effect.suspend(() => {
            order.push(n)
            most = Math.max(most, ++running)
            return Effect.yieldNow()
          }).pipe(Effect.ensuring(Effect.sync(() => running--)), Effect.as(n))
        )
        const all = Array.from({ length: 100 }, (_, n) => n)
        yield* Effect.forEach(all, (n) => near.socket.request(Echo, n), { concurrency: "unbounded" })
        assert.deepStrictEqual([order, most], [all, 2])
      })
    )

    it.scopedLive("closes with 1009 on a frame over the limit", () =>
      Effect.gen(function* () {
        const { far, near } = yield* connected(kind)
        const small = yield* connected(kind, { maxFrameBytes: 1000 })
        small.near.transport.send(`m::echo:"${"x".repeat(2000)}"`)
        assert.strictEqual((yield* small.far.socket.closed).code, CloseCode.TooLarge)
        assert.strictEqual((yield* small.near.socket.closed).code, CloseCode.TooLarge)
        assert.deepStrictEqual([near.socket.state, far.socket.state], ["open", "open"])
      })
    )
  })
}

describe("SocketTransport by line", () => {
  /** A bare TCP peer. */
  const bare = (port: number) =>
    Effect.acquireRelease(
      Effect.async<Net.Socket>((resume) => {
        const socket = Net.connect(port, "127.0.0.1", () => resume(Effect.succeed(socket)))
        socket.on("error", () => {})
      }),
      (socket) => Effect.sync(() => socket.destroy())
    )

  const serving = Effect.fnUntraced(function* (options: Partial<SocketTransportOptions>) {
    const server = yield* NodeSocketServer.make({ host: "127.0.0.1", port: 0 })
    const arrivals = yield* Queue.unbounded<Effect.Effect.Success<ReturnType<typeof makeEnd>>>()
    yield* Effect.forkScoped(
      server.run((socket) =>
        Effect.scoped(
          Effect.gen(function* () {
            const transport = yield* SocketTransport.make(socket, { framing: "lines", ...options })
            const end = yield* makeEnd(transport, "bare")
            yield* end.handle(Echo, Effect.succeed)
            yield* Queue.offer(arrivals, end)
            yield* end.socket.closed
          })
        )
      )
    )
    const port = server.address._tag === "TcpAddress" ? server.address.port : 0
    const socket = yield* bare(port)
    return { socket, end: yield* Queue.take(arrivals) }
  })

  const reads = (socket: Net.Socket, until: string) =>
    Effect.async<string>((resume) => {
      let text = ""
      socket.setEncoding("utf8")
      socket.on("data", (chunk: string) => {
        text += chunk
        if (text.endsWith(until)) resume(Effect.succeed(text))
      })
    })

  it.scopedLive("puts frames together from bytes cut anywhere, and answers a heartbeat", () =>
    Effect.gen(function* () {
      const { socket } = yield* serving({})
      socket.setNoDelay(true)
      const reading = yield* Effect.fork(reads(socket, "o:::\n"))
      for (const byte of Buffer.from('r:1:echo:"größe 😀"\nr:2:echo:2\n')) socket.write(Buffer.of(byte))
      socket.write("i:::\n")
      assert.deepStrictEqual((yield* Fiber.join(reading)).split("\n"), [
        'v::hello:{"maxFrameBytes":16777216,"credit":{"requests":1024,"bytes":16777216}}',
        's:1:echo:{"success":true,"data":"größe 😀"}',
        's:2:echo:{"success":true,"data":2}',
        "o:::",
        ""
      ])
    })
  )

  it.scopedLive("ends a line that never ends", () =>
    Effect.gen(function* () {
      const { end, socket } = yield* serving({ maxFrameBytes: 100_000 })
      socket.write("x".repeat(200_000))
      assert.deepStrictEqual(yield* end.socket.closed, {
        code: CloseCode.TooLarge,
        reason: "a frame of over 100000 bytes"
      })
    })
  )

  it.scopedLive("ends on a close event without code and reason, too", () =>
    Effect.gen(function* () {
      for (const said of ["null", "{}", "{", '{"code":"x"}']) {
        const { end, socket } = yield* serving({})
        socket.write(`q:::${said}\n`)
        assert.deepStrictEqual(yield* end.socket.closed, { code: CloseCode.Abnormal, reason: "" })
      }
    })
  )

  it.scopedLive("says nothing but plain frames to a plain peer", () =>
    Effect.gen(function* () {
      const { end, socket } = yield* serving({ extended: false })
      const reading = yield* Effect.fork(reads(socket, "echo:1\n"))
      end.transport.ping()
      yield* end.socket.notify(Echo, 1)
      assert.strictEqual(yield* Fiber.join(reading), "m::echo:1\n")
    })
  )

  it.scopedLive("fails with the reason where nothing listens", () =>
    Effect.gen(function* () {
      const socket = yield* NodeSocket.makeNet({ host: "127.0.0.1", port: 1 })
      const error = yield* Effect.flip(SocketTransport.make(socket, { framing: "lines" }))
      assert.strictEqual(error.reason, "Open")
    })
  )
})
