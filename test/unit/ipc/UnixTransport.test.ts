import { randomUUID } from "node:crypto"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as BufferPool from "../../../layers/BufferPool.js"
import { Kind, printHeader, printText } from "../../../layers/ipc/LengthPrefix.js"
import * as ReusedRead from "../../../layers/ipc/ReusedRead.js"
import * as UnixTransport from "../../../layers/ipc/UnixTransport.js"
import type { CloseEvent } from "../../../src/CloseEvent.js"
import * as Subprotocol from "../../../src/connection/Subprotocol.js"
import type { Transport } from "../../../src/connection/Transport.js"
import * as Live from "../../support/discovery.js"

/** Both ends of a connection on a Unix socket. */
const connectedBy = Effect.fnUntraced(function* (connect: (path: string) => Net.Socket) {
  const path = join(tmpdir(), randomUUID())
  const server = Net.createServer({ allowHalfOpen: true })
  yield* Effect.acquireRelease(
    Effect.async<void>((resume) => void server.listen(path, () => resume(Effect.void))),
    () => Effect.sync(() => server.close())
  )
  const near = connect(path)
  const far = yield* Effect.async<Net.Socket>(
    (resume) => void server.once("connection", (s) => resume(Effect.succeed(s)))
  )
  yield* Effect.addFinalizer(() => Effect.sync(() => [near, far].forEach((socket) => void socket.destroy())))
  return { near, far }
})

const connected = connectedBy((path) => Net.connect(path))

/** The near end reads into memory that all such connections share. */
const connectedByReusedRead = connectedBy((path) => {
  const { begin, socket } = ReusedRead.connect(path)
  begin()
  return socket
})

/** Listens, and keeps what it is told. */
const told = (transport: Transport) => {
  const got: Array<string> = []
  const closed = Deferred.unsafeMake<CloseEvent>(FiberId.none)
  transport.listen({
    onText: (text) => got.push(text),
    onBytes: (bytes) => got.push(`${bytes.length} bytes`),
    onReceiving: (bytes) => got.push(`receiving ${bytes}`),
    onAlive: () => got.push("alive"),
    onDrain: () => {},
    onClosed: (event) => Deferred.unsafeDone(closed, Exit.succeed(event))
  })
  return {
    got,
    until: (count: number) =>
      Live.until(
        Effect.sync(() => got.length),
        (length) => length >= count
      ),
    closed: Deferred.await(closed)
  }
}

const make = (socket: Net.Socket, maxFrameBytes = 1024) =>
  UnixTransport.make(socket, Subprotocol.streaming, maxFrameBytes)

const pair = Effect.gen(function* () {
  const { far, near } = yield* connected
  const [left, right] = [make(near), make(far)]
  return { left, right, toLeft: told(left), toRight: told(right) }
})

describe("UnixTransport", () => {
  it.scopedLive("carries text, joined text, bytes and pings in order", () =>
    Effect.gen(function* () {
      const { left, toLeft, toRight } = yield* pair
      left.send("one")
      left.send("two")
      left.send(new Uint8Array(1000))
      left.send("ü")
      yield* toRight.until(3)
      assert.deepStrictEqual(toRight.got, ["one\ntwo", "1000 bytes", "ü"])
      left.ping()
      yield* toRight.until(4)
      yield* toLeft.until(1)
      assert.deepStrictEqual([toRight.got.at(-1), toLeft.got], ["alive", ["alive"]])
    })
  )

  it.scopedLive("closes with the code and the reason at both ends, after what was sent before", () =>
    Effect.gen(function* () {
      const { left, toLeft, toRight } = yield* pair
      left.send("last")
      left.close({ code: 4001, reason: "replaced" })
      left.send("too late")
      const event = { code: 4001, reason: "replaced" }
      assert.deepStrictEqual([yield* toLeft.closed, yield* toRight.closed], [event, event])
      assert.deepStrictEqual(toRight.got, ["last"])
    })
  )

  it.scopedLive("tells of a peer that goes without a word", () =>
    Effect.gen(function* () {
      const { left, toLeft, toRight } = yield* pair
      left.terminate()
      const lost = { code: 1006, reason: "" }
      assert.deepStrictEqual([yield* toLeft.closed, yield* toRight.closed], [lost, lost])
    })
  )

  const hostile: ReadonlyArray<readonly [string, Buffer, CloseEvent]> = [
    ["a frame of another kind", printHeader(7, 0), { code: 1002, reason: "what came isn't a frame" }],
    ["HTTP", Buffer.from("GET / HTTP/1.1\r\n\r\n"), { code: 1002, reason: "what came isn't a frame" }],
    [
      "bytes over the limit",
      printHeader(Kind.bytes, 1025),
      { code: 1009, reason: "a frame of 1025 bytes; the limit is 1024" }
    ],
    [
      "text over the limit",
      printText("x".repeat(1025)),
      { code: 1009, reason: "a frame of 1025 bytes; the limit is 1024" }
    ],
    [
      "text that is over what is joined",
      printHeader(Kind.text, 4_000_000_000),
      { code: 1009, reason: "a frame of 4000000000 bytes; the limit is 1024" }
    ],
    [
      "text that isn't UTF-8",
      Buffer.concat([printHeader(Kind.text, 1), Buffer.from([0xff])]),
      { code: 1007, reason: "a text frame isn't UTF-8" }
    ],
    ["a long close frame", printHeader(Kind.close, 5000), { code: 1002, reason: "what came isn't a frame" }],
    ["a close frame without a code", printHeader(Kind.close, 0), { code: 1005, reason: "" }]
  ]
  for (const [what, bytes, event] of hostile) {
    it.scopedLive(`closes at ${what}, and reads nothing after it`, () =>
      Effect.gen(function* () {
        const { far, near } = yield* connected
        const { closed, got } = told(make(far))
        near.write(Buffer.concat([bytes, printText("after")]))
        near.on("error", () => {}).resume()
        assert.deepStrictEqual([yield* closed, got], [event, []])
      })
    )
  }

  it.scopedLive("ends although the peer neither reads nor ends", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connected
      near.pause()
      const transport = make(far)
      const { closed } = told(transport)
      transport.send("x".repeat(4_000_000))
      transport.close({ code: 1001, reason: "" })
      assert.deepStrictEqual(yield* closed, { code: 1001, reason: "" })
    })
  )

  it.scopedLive("keeps few pongs for a peer that pings and doesn't read", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connected
      const { until } = told(make(near))
      far.pause()
      const thousandPings = Buffer.concat(Array(1000).fill(printHeader(Kind.ping, 0)))
      for (let i = 1; i <= 200; i++) {
        far.write(thousandPings)
        yield* until(1000 * i)
      }
      assert.isAbove(near.writableLength, 0)
      assert.isBelow(near.writableLength, 64 * 1024 + printHeader(Kind.pong, 0).length)
    })
  )

  it.scopedLive("tells how much of a large frame has come, and that it is whole", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connected
      const { got, until } = told(make(far, 1_000_000))
      near.write(printHeader(Kind.bytes, 300_000))
      near.write(Buffer.alloc(299_999))
      yield* until(1)
      assert.match(got[0] ?? "", /^receiving [1-9]/)
      near.write(Buffer.alloc(1))
      yield* Live.until(
        Effect.sync(() => got.at(-1)),
        (last) => last === "300000 bytes"
      )
      assert.strictEqual(got.at(-2), "receiving 0")
    })
  )

  const large = "x".repeat(200_000)
  const lengthsOf = (got: ReadonlyArray<string>) =>
    got.filter((text) => !text.startsWith("receiving")).map((text) => text.length)

  it.scopedLive("reads on before it handles a large frame, and keeps the order", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connected
      const { got } = told(make(far, 1_000_000))
      near.write(Buffer.concat([large, "small", large, "last"].map(printText)))
      yield* Live.until(
        Effect.sync(() => lengthsOf(got)),
        ({ length }) => length === 4
      )
      assert.deepStrictEqual(lengthsOf(got), [large.length, 5, large.length, 4])
      const before = got.slice(0, got.indexOf(large)).map((text) => Number(text.slice("receiving ".length)))
      // The whole frame counts as received until it is handled.
      assert.isAtLeast(Math.max(...before), large.length)
      assert.strictEqual(got.filter((text) => text.startsWith("receiving")).at(-1), "receiving 0")
    })
  )

  it.scopedLive("uses the memory of a large text again that has come in parts", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connected
      const { got } = told(make(far, 1024 * 1024))
      const text = "in parts".repeat(25_001)
      near.write(printText(text))
      yield* Live.until(
        Effect.sync(() => lengthsOf(got)),
        ({ length }) => length === 1
      )
      const again = BufferPool.take(text.length)
      assert.isTrue(again.toString("latin1", 0, text.length) === text)
    })
  )

  it.scopedLive("keeps what waits behind a large frame, where all is read into the same memory", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connectedByReusedRead
      const { got } = told(make(near, 1_000_000))
      const sent = Array.from({ length: 16 }, (_, i) => [`${i % 10}`.repeat(132_000), `small ${i}`]).flat()
      far.write(Buffer.concat(sent.map(printText)))
      const texts = () => got.filter((text) => !text.startsWith("receiving"))
      yield* Live.until(Effect.sync(texts), ({ length }) => length === sent.length)
      const shown = (text: string) => `${text.length}: ${[...new Set(text)].join("")}`
      assert.deepStrictEqual(texts().map(shown), sent.map(shown))
    })
  )

  it.scopedLive("keeps a large frame that waits, where another connection reads into the same memory", () =>
    Effect.gen(function* () {
      const pairs = yield* Effect.all(Array.from({ length: 4 }, () => connectedByReusedRead))
      const readers = pairs.map(({ near }) => told(make(near, 1_000_000)))
      const expected = pairs.map((_, i) => Array.from({ length: 3 }, () => `${i}`.repeat(132_000)))
      // All of them can be read in the same turn of the event loop.
      for (const [i, { far }] of pairs.entries()) for (const text of expected[i] ?? []) far.write(printText(text))
      const texts = () => readers.map(({ got }) => got.filter((text) => !text.startsWith("receiving")))
      yield* Live.until(Effect.sync(texts), (all) => all.every(({ length }) => length === 3))
      const shown = (all: ReadonlyArray<ReadonlyArray<string>>) =>
        all.map((list) => list.map((text) => `${text.length}: ${[...new Set(text)].join("")}`))
      assert.deepStrictEqual(shown(texts()), shown(expected))
    })
  )

  it.scopedLive("leaves what was read as it is for another one that listens to the socket", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connectedByReusedRead
      const { got } = told(make(near))
      const kept: Array<Buffer> = []
      near.on("data", (chunk: Buffer) => void kept.push(chunk))
      for (const text of ["first", "other"]) {
        far.write(printText(text))
        yield* Live.until(
          Effect.sync(() => got.at(-1)),
          (last) => last === text
        )
      }
      assert.deepStrictEqual(
        [got, Buffer.concat(kept)],
        [["first", "other"], Buffer.concat(["first", "other"].map(printText))]
      )
    })
  )

  it.scopedLive("keeps what was read before it begins, although all is read into the same memory", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connectedBy((path) => ReusedRead.connect(path).socket)
      const chunks: Array<Buffer> = []
      near.on("data", (chunk: Buffer) => void chunks.push(chunk))
      for (const text of ["first", "other"]) {
        const count = chunks.length
        far.write(text)
        yield* Live.until(
          Effect.sync(() => chunks.length),
          (length) => length > count
        )
      }
      assert.deepStrictEqual(chunks.map(String), ["first", "other"])
    })
  )

  it.scopedLive("reads no further while many bytes wait", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connected
      const { got } = told(make(far, 1_000_000))
      const paused: Array<boolean> = []
      far.on("data", () => void paused.push(far.isPaused()))
      far.unshift(Buffer.concat(Array.from({ length: 4 }, () => printText(large))))
      near.write(printText("later"))
      yield* Live.until(
        Effect.sync(() => lengthsOf(got)),
        ({ length }) => length === 5
      )
      assert.deepStrictEqual(lengthsOf(got), [...Array.from({ length: 4 }, () => large.length), 5])
      assert.deepStrictEqual(paused, [true, false])
    })
  )

  it.scopedLive("handles what has arrived before the peer's end", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connected
      const { closed, got } = told(make(far, 1_000_000))
      near.end()
      far.unshift(Buffer.concat([large, "small", large, large].map(printText)))
      assert.strictEqual((yield* closed).code, 1006)
      assert.deepStrictEqual(lengthsOf(got), [large.length, 5, large.length, large.length])
    })
  )

  it.scopedLive("handles what came before a frame that can't be read", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connected
      const { closed, got } = told(make(far, 1_000_000))
      near.write(Buffer.concat([printText(large), printText("small"), printHeader(7, 0)]))
      near.on("error", () => {}).resume()
      assert.strictEqual((yield* closed).code, 1002)
      assert.deepStrictEqual(lengthsOf(got), [large.length, 5])
    })
  )
})
