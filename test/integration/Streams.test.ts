import { assert, describe } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { WebSocket } from "ws"
import { NodeIPCClient, NodeIPCServer } from "../../layers/index.js"
import { IPCClient } from "../../src/IPCClient.js"
import { IPCServer } from "../../src/IPCServer.js"
import { live } from "../support/live.js"
import { millisWaitedForProcessor } from "../support/processor.js"
import { Add, add } from "../support/requests.js"

const Lines = IPCServer.defineStream<number, string>("lines")
const LinesThere = IPCClient.defineStream<number, string>("linesThere")
const Upload = IPCServer.defineStream<void, number, string>("upload", { input: true })

const line = (n: number) => String(n).padEnd(100, ".")
const lines = (count: number) => Stream.map(Stream.range(1, count), line)
const count = <A, E, R>(stream: Stream.Stream<A, E, R>) => Stream.runCount(stream)

/**
 * How long it takes as a rule, in milliseconds, but for the time that others had the processors. That none waits behind more
 * than so many bytes is tested apart, without a clock.
 */
const usuallyTakes = <E>(run: (i: number) => Effect.Effect<void, E>) =>
  Effect.gen(function* () {
    const times: Array<number> = []
    for (let i = 0; i < 20; i++) {
      const waited = millisWaitedForProcessor()
      const before = performance.now()
      yield* run(i)
      times.push(performance.now() - before - (millisWaitedForProcessor() - waited))
    }
    return times.sort((one, other) => one - other)[10] as number
  })

const connected = Effect.gen(function* () {
  const server = yield* NodeIPCServer.make()
  yield* server.handleStream(Lines, lines)
  yield* server.handle(Add, add)
  const client = yield* NodeIPCClient.make({ port: server.port, runtimeId: "client" })
  yield* server.awaitClient("client")
  return { server, client }
})

describe("Streams over a socket", () => {
  live("carry many elements, both ways, whole and in order", () =>
    Effect.gen(function* () {
      const { client, server } = yield* connected
      yield* client.handleStream(LinesThere, lines)
      yield* server.handleStream(Upload, (_, input) => Stream.fromEffect(count(input)))
      const [down, up, input] = yield* Effect.all(
        [
          Stream.runCollect(client.stream(Lines, 50_000)),
          Stream.runCollect(server.stream("client", LinesThere, 50_000)),
          Stream.runCollect(client.stream(Upload, undefined, lines(50_000)))
        ],
        { concurrency: "unbounded" }
      )
      const expected = Array.from({ length: 50_000 }, (_, i) => line(i + 1))
      assert.deepStrictEqual(
        [Chunk.toReadonlyArray(down), Chunk.toReadonlyArray(up), Chunk.toReadonlyArray(input)],
        [expected, expected, [50_000]]
      )
    })
  )

  live("leave requests and heartbeats beside them quick, and are held by a consumer that takes nothing", () =>
    Effect.gen(function* () {
      const { client, server } = yield* connected
      const gate = yield* Deferred.make<void>()
      const stuck = yield* Effect.fork(Stream.runForEach(client.stream(Lines, 1_000_000), () => Deferred.await(gate)))
      const running = yield* Effect.forEach(Array.from({ length: 10 }), () =>
        Effect.fork(Stream.runDrain(Stream.forever(client.stream(Lines, 100_000))))
      )
      const requests = yield* usuallyTakes((i) =>
        Effect.map(client.request(Add, { a: i, b: 1 }), (sum) => assert.strictEqual(sum, i + 1))
      )
      yield* Fiber.interruptAll([stuck, ...running])

      // A peer that speaks the wire itself can tell when a pong arrives.
      const webSocket = yield* Effect.acquireRelease(
        Effect.sync(() => new WebSocket(`ws://127.0.0.1:${server.port}/__ipc`, ["effect-ipc.2"])),
        (open) => Effect.sync(() => open.terminate())
      )
      yield* Effect.async<void>((resume) => {
        webSocket.once("open", () => resume(Effect.void))
      })
      let frames = 0
      webSocket.on("message", (message: Buffer) => {
        for (const [, id, data = ""] of message.toString().matchAll(/^d:(\d+)::(.*)$/gm)) {
          frames++
          webSocket.send(`w:${id}::{"items":${JSON.parse(data).length},"bytes":${data.length}}`)
        }
      })
      for (let id = 1; id <= 10; id++) {
        webSocket.send(`q:${id}:lines:1000000000`)
        webSocket.send(`w:${id}::{"items":1024,"bytes":262144}`)
      }
      const pings = yield* usuallyTakes(() =>
        Effect.async<void>((resume) => {
          webSocket.once("pong", () => resume(Effect.void))
          webSocket.ping()
        })
      )
      webSocket.terminate()
      assert.isAbove(frames, 20)
      assert.isBelow(requests, 50)
      assert.isBelow(pings, 50)
    })
  )
})
