import { randomBytes } from "node:crypto"
import { assert, describe } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { NodeIPCClient, NodeIPCServer } from "../../layers/index.js"
import { IPCRequest } from "../../src/IPCRequest.js"
import { IPCServer } from "../../src/IPCServer.js"
import * as Bare from "../support/Bare.js"
import { live } from "../support/live.js"

const Reverse = IPCServer.defineRequest("reverse", { payload: IPCRequest.Bytes, success: IPCRequest.Bytes })
const Download = IPCServer.defineStream("download", { payload: Schema.Number, element: IPCRequest.Bytes })
const Digest = IPCServer.defineStream("digest", { element: Schema.Number, input: IPCRequest.Bytes })
const Shape = IPCServer.defineRequest<unknown, unknown>("shape")

const reversed = (bytes: Uint8Array) => Uint8Array.from(bytes).reverse()

const serve = Effect.fnUntraced(function* (serialization: "json" | "msgpack") {
  const server = yield* NodeIPCServer.make({ serialization })
  yield* server.handle(Reverse, (bytes) => Effect.succeed(reversed(bytes)))
  yield* server.handle(Shape, (value) => Effect.succeed({ got: value }))
  // A producer may use its memory again once it is asked for the next element.
  const shared = new Uint8Array(64 * 1024)
  yield* server.handleStream(Download, (count) =>
    Stream.map(Stream.rechunk(Stream.range(1, count), 1), (n) => shared.fill(n))
  )
  yield* server.handleStream(Digest, (_, input) =>
    Stream.map(input, (bytes) => bytes.reduce((sum, byte) => sum + byte, 0))
  )
  return server
})

describe("Bytes", () => {
  for (const [atServer, atClient, transport] of [
    ["json", "json", "any"],
    ["json", "json", "tcp"],
    ["msgpack", "msgpack", "any"],
    ["msgpack", "json", "any"],
    ["json", "msgpack", "any"]
  ] as const) {
    live(
      `cross whole, as payload, success, element and input, with ${atServer} at the server and ${atClient} at the client (${transport})`,
      () =>
        Effect.gen(function* () {
          const server = yield* serve(atServer)
          const client = yield* NodeIPCClient.make({ port: server.port, serialization: atClient, transport })
          const all = Uint8Array.from({ length: 256 }, (_, i) => i)
          const random = new Uint8Array(randomBytes(300_000))
          for (const bytes of [new Uint8Array(0), all, Uint8Array.of(10, 10, 58, 10), random]) {
            assert.deepStrictEqual(yield* client.request(Reverse, bytes), reversed(bytes))
          }
          const chunks = Chunk.toReadonlyArray(yield* Stream.runCollect(client.stream(Download, 50)))
          assert.deepStrictEqual(
            chunks.map((bytes) => [bytes.length, ...new Set(bytes)]),
            Array.from({ length: 50 }, (_, i) => [64 * 1024, i + 1])
          )
          assert.deepStrictEqual(
            Chunk.toReadonlyArray(
              yield* Stream.runCollect(
                client.stream(Digest, undefined, Stream.make(all, Uint8Array.of(), new Uint8Array(20_000).fill(7)))
              )
            ),
            [32_640, 0, 140_000]
          )
          const value = { a: [1, "two", null, { b: 1.5, c: true }], text: "größe 😀", none: null }
          assert.deepStrictEqual(yield* client.request(Shape, value), { got: value })
          assert.deepStrictEqual(yield* client.request(Shape, { a: undefined, at: new Date(0) }), {
            got: { at: "1970-01-01T00:00:00.000Z" }
          })
        })
    )
  }

  live("and large values of several clients aren't mixed up, whose memory is used again", () =>
    Effect.gen(function* () {
      const server = yield* serve("msgpack")
      const clients = yield* Effect.all(
        Array.from({ length: 3 }, () => NodeIPCClient.make({ port: server.port, serialization: "msgpack" }))
      )
      const content = (n: number) => ({
        text: `${n}`.repeat(20_000 * ((n % 9) + 1)),
        list: Array(2_000).fill(`item ${n}`)
      })
      const mixedUp = yield* Effect.forEach(
        Array.from({ length: 120 }, (_, n) => n + 10),
        (n) =>
          Effect.map((clients[n % 3] as (typeof clients)[number]).request(Shape, content(n)), (answer) =>
            JSON.stringify(answer) === JSON.stringify({ got: content(n) }) ? [] : [n]
          ),
        { concurrency: 12 }
      )
      assert.deepStrictEqual(mixedUp.flat(), [])
    })
  )

  live("of a large file are never more between producer and consumer than the window", () =>
    Effect.gen(function* () {
      const server = yield* serve("json")
      const [chunk, count] = [new Uint8Array(64 * 1024), 1000]
      let [produced, consumed, most] = [0, 0, 0]
      yield* server.handleStream(Download, () =>
        Stream.tap(
          Stream.map(Stream.rechunk(Stream.range(1, count), 1), () => chunk),
          () => Effect.sync(() => produced++)
        )
      )
      const client = yield* NodeIPCClient.make({ port: server.port })
      yield* Stream.runForEach(client.stream(Download, 0), () =>
        Effect.sync(() => {
          consumed++
          most = Math.max(most, produced - consumed)
        })
      )
      assert.strictEqual(consumed, count)
      // The window is four of them; one may overdraw it, and one waits for credit.
      assert.isAtMost(most, 4 + 1 + 1)
    })
  )

  for (const transport of ["any", "tcp"] as const) {
    live(`stay as they were while they wait for the socket (${transport})`, () =>
      Effect.gen(function* () {
        const server = yield* serve("json")
        const client = yield* NodeIPCClient.make({ port: server.port, transport })
        const window = { items: 300, bytes: 32 * 1024 * 1024 }
        const [expected, changed] = [Buffer.alloc(64 * 1024), new Set<number>()]
        let count = 0
        yield* Stream.runForEach(client.stream(Download, 300, { window }), (bytes) =>
          Effect.sync(() => {
            if (!expected.fill(++count).equals(bytes)) changed.add(count)
          })
        )
        assert.deepStrictEqual([count, [...changed]], [300, []])
      })
    )
  }

  live("are in a binary frame between two of ours, and in base64 with any other peer", () =>
    Effect.gen(function* () {
      const server = yield* serve("json")
      const url = `ws://127.0.0.1:${server.port}/__ipc`
      const plain = yield* Bare.connect(url)
      yield* plain.send('r:1:reverse:"AQID"')
      assert.strictEqual(yield* plain.next, 's:1:reverse:{"success":true,"data":"AwIB"}')
      yield* plain.send('r:2:reverse:"not base64!"')
      assert.include(yield* plain.next, "bytes in base64 were expected")
      const streaming = yield* Bare.connect(url, ["effect-ipc.2"])
      yield* streaming.next
      streaming.webSocket.send(Buffer.concat([Buffer.from("r:1:reverse:\n"), Buffer.from([1, 2, 3])]))
      assert.strictEqual(yield* streaming.next, "s:1:reverse:\n\u0003\u0002\u0001")
      for (const frame of ["q:2:digest:", 'w:2::{"items":10,"bytes":1000}']) yield* streaming.send(frame)
      for (const bytes of [[1, 2, 3], [], [10, 58]]) {
        streaming.webSocket.send(Buffer.concat([Buffer.from("i:2::\n"), Buffer.from(bytes)]))
      }
      yield* streaming.send("j:2::")
      const answers: Array<string> = []
      while (answers.at(-1)?.startsWith("e:2:") !== true) answers.push(...(yield* streaming.next).split("\n"))
      assert.deepStrictEqual(answers.slice(0, 2), ["o:2::", 'g:2::{"items":1024,"bytes":262144}'])
      assert.deepStrictEqual(
        answers.filter((frame) => frame.startsWith("d")).flatMap((frame) => JSON.parse(frame.slice(5))),
        [6, 0, 68]
      )
      assert.strictEqual(answers.at(-1), 'e:2::{"success":true}')
    })
  )

  live("are MessagePack's bytes where both ends agreed to it", () =>
    Effect.gen(function* () {
      const server = yield* serve("msgpack")
      yield* server.handleStream(Download, () =>
        Stream.make(Uint8Array.of(1, 2, 3), new Uint8Array(0), Buffer.from("__proto__"))
      )
      const streaming = yield* Bare.connect(`ws://127.0.0.1:${server.port}/__ipc`, ["effect-ipc.2.msgpack"])
      const arrived: Array<Buffer> = []
      streaming.webSocket.on("message", (data: Buffer) => arrived.push(data))
      yield* streaming.next
      yield* streaming.send("q:1:download:1")
      assert.strictEqual(yield* streaming.next, "o:1::")
      yield* streaming.send('w:1::{"items":3,"bytes":1000}')
      yield* streaming.next
      const elements = [0x93, 0xc4, 3, 1, 2, 3, 0xc4, 0, 0xc4, 9, ...Buffer.from("__proto__")]
      const frame = arrived.find(([type]) => type === "d".charCodeAt(0))
      assert.deepStrictEqual(frame, Buffer.from([...Buffer.from("d:1::\n"), ...elements]))
    })
  )

  live("that a plain peer sends close nothing", () =>
    Effect.gen(function* () {
      const server = yield* serve("json")
      const plain = yield* Bare.connect(`ws://127.0.0.1:${server.port}/__ipc`)
      plain.webSocket.send(Buffer.from("r:1:reverse:\n123"))
      yield* plain.send('r:2:reverse:"AQID"')
      assert.strictEqual(yield* plain.next, 's:2:reverse:{"success":true,"data":"AwIB"}')
    })
  )
})
