import { assert, describe } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { NodeIPCClient, NodeIPCServer } from "../../layers/index.js"
import { IPCClient } from "../../src/IPCClient.js"
import { IPCServer } from "../../src/IPCServer.js"
import { live } from "../support/live.js"
import { Add, add } from "../support/requests.js"

const Lines = IPCServer.defineStream<number, string>("lines")
const LinesThere = IPCClient.defineStream<number, string>("linesThere")
const Upload = IPCServer.defineStream<void, number, string>("upload", { input: true })

const line = (n: number) => String(n).padEnd(100, ".")
const lines = (count: number) => Stream.map(Stream.range(1, count), line)
const count = <A, E, R>(stream: Stream.Stream<A, E, R>) => Stream.runCount(stream)

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

  live("leave requests beside them quick, and are held by a consumer that takes nothing", () =>
    Effect.gen(function* () {
      const { client } = yield* connected
      const gate = yield* Deferred.make<void>()
      const stuck = yield* Effect.fork(Stream.runForEach(client.stream(Lines, 1_000_000), () => Deferred.await(gate)))
      const running = yield* Effect.forEach(Array.from({ length: 10 }), () =>
        Effect.fork(Stream.runDrain(Stream.forever(client.stream(Lines, 100_000))))
      )
      let longest = 0
      for (let i = 0; i < 50; i++) {
        const before = performance.now()
        assert.strictEqual(yield* client.request(Add, { a: i, b: 1 }), i + 1)
        longest = Math.max(longest, performance.now() - before)
      }
      yield* Fiber.interruptAll([stuck, ...running])
      // The tests beside this one have the processors, too.
      assert.isBelow(longest, 2000)
    })
  )
})
