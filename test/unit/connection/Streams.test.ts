import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import {
  ConnectionClosed,
  InvalidPayload,
  InvalidResponse,
  IPCClient,
  IPCPeer,
  IPCRequest,
  IPCServer,
  NoHandler,
  RequestFailed,
  RequestTimeout,
  type StreamError
} from "effect-ipc"
import { MemoryIPC } from "effect-ipc/testing"
import type { IPCSocket } from "../../../src/connection/IPCSocket.js"
import type { IPCSocketOptions } from "../../../src/connection/IPCSocketOptions.js"
import { makePair } from "../../../src/connection/MemoryTransport.js"
import type { Serialization } from "../../../src/connection/Subprotocol.js"
import * as Subprotocol from "../../../src/connection/Subprotocol.js"
import type { Transport, TransportListener } from "../../../src/connection/Transport.js"
import type { StreamOptions } from "../../../src/IPCStream.js"
import { untypedStream } from "../../../src/IPCStream.js"
import { makeEnd, makeEndAndPeer, makeEnds, nothing, ScriptedTransport, settled } from "../../support/pair.js"

const Count = IPCServer.defineStream<number, number>("count")
const Texts = IPCServer.defineStream<number, string>("texts")
const CountThere = IPCClient.defineStream<number, number>("countThere")
const Ping = IPCServer.defineRequest<void, void>("ping")
const Echoed = IPCServer.defineStream<number, string, string>("echoed", { input: true })
const Blobs = IPCServer.defineStream("blobs", { element: IPCRequest.Bytes })
const removable = (which: number) => IPCServer.defineStream<number, string>(`removable/${which}`)
const Sum = IPCServer.defineStream<string, string, number>("sum", { input: true })

class TooMany extends Schema.TaggedError<TooMany>()("TooMany", { limit: Schema.Number }) {}

const Days = IPCServer.defineStream("days", {
  payload: Schema.Struct({ from: Schema.Date, count: Schema.NumberFromString }),
  element: Schema.Date,
  failure: TooMany
})

const Squares = IPCServer.defineStream("squares", {
  element: Schema.NumberFromString,
  input: Schema.NumberFromString,
  failure: TooMany
})

const memory = Effect.provide([MemoryIPC.layer({ heartbeat: "1 day" }), Logger.remove(Logger.defaultLogger)])

/** A stream that the engine opens at its peer. */
const open = (socket: IPCSocket<string>, stream: typeof Count | typeof Texts, options?: StreamOptions, payload = 1) =>
  socket.stream(untypedStream(stream as typeof Count), payload, undefined, options) as Stream.Stream<
    number,
    StreamError
  >

const collect = <A, E, R>(stream: Stream.Stream<A, E, R>) =>
  Effect.map(Stream.runCollect(stream), Chunk.toReadonlyArray)

const silent: TransportListener = {
  onText: () => {},
  onBytes: () => {},
  onReceiving: () => {},
  onAlive: () => {},
  onDrain: () => {},
  onClosed: () => {}
}

/** The text frames that go over a transport from now on. */
interface Sent {
  readonly listen: (listener: (type: string, id: string, data: string) => void) => void
}

const sentBy = (transport: Transport): Sent => {
  const listeners: Array<(type: string, id: string, data: string) => void> = []
  const send = transport.send.bind(transport)
  Object.assign(transport, {
    send: (packet: string) => {
      const [type = "", id = "", , ...data] = packet.split(":")
      for (const listener of listeners) listener(type, id, data.join(":"))
      send(packet)
    }
  })
  return { listen: (listener) => listeners.push(listener) }
}

const upTo = (n: number) => Stream.range(1, n)

describe("A stream", () => {
  it.scoped("arrives whole and in order, from server to client and the other way round", () =>
    Effect.gen(function* () {
      const server = yield* IPCPeer
      const client = yield* IPCClient
      yield* server.handleStream(Count, (n, caller) =>
        Stream.map(upTo(n), (i) => (caller.runtimeId === "client" ? i : -1))
      )
      yield* client.handleStream(CountThere, (n) => Stream.map(upTo(n), (i) => -i))
      const numbers = Array.from({ length: 10_000 }, (_, i) => i + 1)
      assert.deepStrictEqual(yield* collect(client.stream(Count, 10_000)), numbers)
      assert.deepStrictEqual(
        yield* collect(server.stream("client", CountThere, 10_000)),
        numbers.map((n) => -n)
      )
    }).pipe(memory)
  )

  it.scoped("may be empty, may be run again, and may be one of many at once", () =>
    Effect.gen(function* () {
      const server = yield* IPCPeer
      const client = yield* IPCClient
      yield* server.handleStream(Count, (n) => (n === 0 ? Stream.empty : upTo(n)))
      assert.deepStrictEqual(yield* collect(client.stream(Count, 0)), [])
      const three = client.stream(Count, 3)
      assert.deepStrictEqual(
        [yield* collect(three), yield* collect(three)],
        [
          [1, 2, 3],
          [1, 2, 3]
        ]
      )
      const sums = yield* Effect.forEach(
        Array.from({ length: 300 }, (_, i) => i),
        (n) => Stream.runSum(client.stream(Count, n === 0 ? 1 : n)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        sums,
        sums.map((_, n) => (n === 0 ? 1 : (n * (n + 1)) / 2))
      )
    }).pipe(memory)
  )

  it.scoped("with Schemas is decoded and encoded at both ends, and fails typed after what came before", () =>
    Effect.gen(function* () {
      const server = yield* IPCPeer
      const client = yield* IPCClient
      const day = (from: Date, i: number) => new Date(from.getTime() + i * 86_400_000)
      yield* server.handleStream(Days, ({ count, from }) =>
        Stream.concat(
          Stream.map(Stream.range(0, Math.min(count, 3) - 1), (i) => day(from, i)),
          count > 3 ? Stream.fail(new TooMany({ limit: 3 })) : Stream.empty
        )
      )
      const from = new Date("2001-02-03T04:05:06.789Z")
      assert.deepStrictEqual(yield* collect(client.stream(Days, { from, count: 2 })), [from, day(from, 1)])
      const seen: Array<Date> = []
      const failing = Stream.runForEach(client.stream(Days, { from, count: 5 }), (date) =>
        Effect.sync(() => seen.push(date))
      )
      const caught = yield* Effect.catchTag(failing, "TooMany", (error) => Effect.succeed(error))
      assert.deepStrictEqual([seen.length, caught], [3, new TooMany({ limit: 3 })])
    }).pipe(memory)
  )

  it.scoped("fails as a request does: without a handler, with a payload or element that doesn't fit, by a defect", () =>
    Effect.gen(function* () {
      const server = yield* IPCPeer
      const client = yield* IPCClient
      const target = "memory://effect-ipc"
      assert.deepStrictEqual(
        yield* Effect.flip(collect(client.stream(Count, 1))),
        new NoHandler({ request: "count", target })
      )
      const invalid = yield* Effect.flip(collect(client.stream(Days, { from: new Date(), count: "x" as never })))
      assert.deepInclude(invalid, { _tag: "InvalidPayload", foundBy: "caller" })
      const Unchecked = IPCServer.defineStream<unknown, unknown>("days")
      yield* server.handleStream(Days, () => Stream.make("no date" as never))
      const refused = yield* Effect.flip(collect(client.stream(Unchecked, { from: 1 })))
      assert.deepInclude(refused, { _tag: "InvalidPayload", foundBy: "peer" })
      const wrongElement = yield* Effect.flip(collect(client.stream(Days, { from: new Date(), count: 1 })))
      assert.match((wrongElement as RequestFailed).error, /^an element of the stream doesn't fit its Schema: /)
      yield* server.handleStream(Unchecked, () => Stream.make("no date"))
      assert.instanceOf(
        yield* Effect.flip(collect(client.stream(Days, { from: new Date(), count: 1 }))),
        InvalidResponse
      )
      const failures: Array<unknown> = []
      for (const handler of [
        () => Stream.die(new Error("boom")),
        () => Stream.fail(new Error("no")),
        () => {
          throw new Error("thrown")
        },
        () => Stream.make(1n as never),
        () => Stream.make("x".repeat(17_000_000))
      ]) {
        yield* server.handleStream(Texts, handler)
        failures.push(yield* Effect.flip(collect(client.stream(Texts, 1))))
      }
      const failed = (error: string) => new RequestFailed({ request: "texts", target, error })
      assert.deepStrictEqual(failures, [
        failed("boom"),
        failed("no"),
        failed("thrown"),
        failed("an element isn't JSON"),
        failed("an element would be a frame of 17000009 bytes; the limit is 16777216")
      ])
    }).pipe(memory)
  )

  it.scoped("delivers the elements before one that doesn't fit its Schema, wherever that is found", () =>
    Effect.gen(function* () {
      const server = yield* IPCPeer
      const client = yield* IPCClient
      const Unchecked = IPCServer.defineStream<unknown, unknown>("days")
      const date = new Date(1000)
      const seenOf = (stream: Stream.Stream<unknown, unknown>) =>
        Effect.gen(function* () {
          const seen: Array<unknown> = []
          const error = yield* Effect.flip(
            Stream.runForEach(stream, (element) => Effect.sync(() => seen.push(element)))
          )
          return [seen, (error as StreamError)._tag]
        })
      yield* server.handleStream(Days, () => Stream.make(date, date, "no date" as never, date))
      assert.deepStrictEqual(yield* seenOf(client.stream(Days, { from: date, count: 1 })), [
        [date, date],
        "RequestFailed"
      ])
      yield* server.handleStream(Unchecked, () => Stream.make(date, date, "no date", date))
      assert.deepStrictEqual(yield* seenOf(client.stream(Days, { from: date, count: 1 })), [
        [date, date],
        "InvalidResponse"
      ])
    }).pipe(memory)
  )

  it.scoped("whose consumer has enough, or is interrupted, is interrupted and finalized at the handler", () =>
    Effect.gen(function* () {
      const server = yield* IPCPeer
      const client = yield* IPCClient
      const ends = yield* Queue.unbounded<string>()
      yield* server.handleStream(Count, (n) =>
        Stream.onDone(
          Stream.ensuringWith(Stream.concat(upTo(n), Stream.never), (exit) =>
            Queue.offer(ends, Exit.isInterrupted(exit) ? "interrupted" : "ended")
          ),
          () => Effect.void
        )
      )
      assert.deepStrictEqual(yield* collect(Stream.take(client.stream(Count, 1_000_000), 3)), [1, 2, 3])
      assert.strictEqual(yield* Queue.take(ends), "interrupted")
      const fiber = yield* Effect.fork(Stream.runDrain(client.stream(Count, 3)))
      yield* settled
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* Queue.take(ends), "interrupted")
    }).pipe(memory)
  )

  it.scoped("ends with the connection, after what has arrived, and isn't resumed", () =>
    Effect.gen(function* () {
      const server = yield* IPCPeer
      const client = yield* IPCClient
      const network = yield* MemoryIPC.MemoryIPC
      const interrupted = yield* Deferred.make<void>()
      yield* server.handleStream(Count, (n) =>
        Stream.ensuring(Stream.concat(upTo(n), Stream.never), Deferred.succeed(interrupted, undefined))
      )
      const seen: Array<number> = []
      const fiber = yield* Effect.fork(
        Effect.flip(Stream.runForEach(client.stream(Count, 5), (n) => Effect.sync(() => seen.push(n))))
      )
      yield* settled
      yield* network.disconnect
      const error = yield* Fiber.join(fiber)
      assert.instanceOf(error, ConnectionClosed)
      assert.match(
        String(error),
        /^ConnectionClosed: Stream ".+" of .+ broke off: the connection closed \(.+\)\. It isn't resumed; it may be opened again\.$/
      )
      assert.deepStrictEqual(seen, [1, 2, 3, 4, 5])
      yield* Deferred.await(interrupted)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* collect(Stream.take(client.stream(Count, 2), 2)), [1, 2])
    }).pipe(memory)
  )

  it.scoped("goes when the scope of its handler closes", () =>
    Effect.gen(function* () {
      const server = yield* IPCPeer
      const client = yield* IPCClient
      const scope = yield* Scope.make()
      yield* Scope.extend(
        server.handleStream(Count, () => Stream.never),
        scope
      )
      const fiber = yield* Effect.fork(Effect.flip(collect(client.stream(Count, 1))))
      yield* settled
      yield* Scope.close(scope, Exit.void)
      assert.deepInclude(yield* Fiber.join(fiber), { error: "the handler was interrupted" })
      assert.instanceOf(yield* Effect.flip(collect(client.stream(Count, 1))), NoHandler)
    }).pipe(memory)
  )

  it.scoped("with a peer of less than effect-ipc.2 fails with StreamsUnsupported at once", () =>
    Effect.gen(function* () {
      for (const version of [0, 1] as const) {
        const { peer, socket } = yield* makeEndAndPeer({ version })
        const error = yield* Effect.flip(collect(open(socket, Count)))
        assert.deepInclude(error, { _tag: "StreamsUnsupported", request: "count", target: "peer" })
        assert.deepStrictEqual(peer.heard, [])
        peer.transport.send("q:1:count:1")
        yield* settled
        assert.deepStrictEqual(peer.heard, [])
      }
    })
  )
})

describe("The deadlines of a stream", () => {
  it.scoped("are for the peer to accept, and for the next element where that is asked for; never for the whole", () =>
    Effect.gen(function* () {
      const server = yield* IPCPeer
      const client = yield* IPCClient
      yield* server.handleStream(Count, (n) => Stream.concat(Stream.never, upTo(n)))
      const patient = yield* Effect.fork(collect(client.stream(Count, 1)))
      const idle = yield* Effect.fork(Effect.flip(collect(client.stream(Count, 1, { idleTimeout: "1 minute" }))))
      yield* settled
      yield* TestClock.adjust("59 seconds")
      assert.isNull(idle.unsafePoll())
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        yield* Fiber.join(idle),
        new RequestTimeout({ request: "count", target: "memory://effect-ipc", millis: 60_000 })
      )
      yield* TestClock.adjust("3 hours")
      assert.isNull(patient.unsafePoll())
      yield* Fiber.interrupt(patient)
    }).pipe(memory)
  )

  it.scoped("cancel at the peer what it hasn't accepted", () =>
    Effect.gen(function* () {
      const { peer, socket } = yield* makeEndAndPeer({ version: 2 })
      peer.transport.send('v::hello:{"maxFrameBytes":1000,"credit":{"requests":10,"bytes":1000}}')
      const opening = yield* Effect.fork(Effect.flip(collect(open(socket, Count, { acceptTimeout: 100 }))))
      yield* settled
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(
        yield* Fiber.join(opening),
        new RequestTimeout({ request: "count", target: "peer", millis: 100 })
      )
      yield* settled
      assert.deepStrictEqual(peer.heard.slice(1), ["q:1:count:1", 'w:1::{"items":1024,"bytes":262144}', "c:1::"])
    })
  )
})

describe("The input of a stream", () => {
  it.scoped("reaches the handler in order and decoded, and the handler's elements the caller", () =>
    Effect.gen(function* () {
      const server = yield* IPCPeer
      const client = yield* IPCClient
      yield* server.handleStream(Sum, (label, input, caller) =>
        Stream.map(
          Stream.scan(input, 0, (sum, n) => sum + n),
          (sum) => `${label} ${sum} of ${caller.runtimeId}`
        )
      )
      yield* server.handleStream(Squares, (_, input) => Stream.map(input, (n) => n * n))
      assert.deepStrictEqual(yield* collect(client.stream(Sum, "sum", upTo(3))), [
        "sum 0 of client",
        "sum 1 of client",
        "sum 3 of client",
        "sum 6 of client"
      ])
      const numbers = Array.from({ length: 5000 }, (_, i) => i)
      assert.deepStrictEqual(
        yield* collect(client.stream(Squares, undefined, Stream.fromIterable(numbers))),
        numbers.map((n) => n * n)
      )
    }).pipe(memory)
  )

  it.scoped("is interrupted when the handler has had enough of it, and with the stream", () =>
    Effect.gen(function* () {
      const server = yield* IPCPeer
      const client = yield* IPCClient
      const ended = yield* Queue.unbounded<string>()
      const endless = (name: string) => Stream.ensuring(Stream.forever(Stream.make(1)), Queue.offer(ended, name))
      yield* server.handleStream(Sum, (label, input) =>
        label === "first"
          ? Stream.concat(Stream.map(Stream.take(input, 2), String), Stream.make("still here"))
          : Stream.concat(Stream.map(Stream.take(input, 1), String), Stream.never)
      )
      assert.deepStrictEqual(yield* collect(client.stream(Sum, "first", endless("one"))), ["1", "1", "still here"])
      assert.strictEqual(yield* Queue.take(ended), "one")
      assert.deepStrictEqual(yield* collect(Stream.take(client.stream(Sum, "second", endless("two")), 1)), ["1"])
      assert.strictEqual(yield* Queue.take(ended), "two")
    }).pipe(memory)
  )

  it.scoped("that ends before the stream could be opened ends it at the peer all the same", () =>
    Effect.gen(function* () {
      const { peer, socket } = yield* makeEndAndPeer({ version: 2, heartbeat: "1 day" })
      const empty = socket.stream(untypedStream(Sum), "x", Stream.empty, undefined)
      yield* Effect.fork(Stream.runDrain(empty as Stream.Stream<unknown>))
      yield* settled
      assert.strictEqual(peer.heard.length, 1)
      peer.transport.send('v::hello:{"maxFrameBytes":1000,"credit":{"requests":1,"bytes":1000}}')
      yield* settled
      assert.deepStrictEqual(peer.heard.slice(1), ['q:1:sum:"x"', 'w:1::{"items":1024,"bytes":262144}', "j:1::"])
    })
  )

  it.scoped("ends a handler that reads it where it can't be interrupted", () =>
    Effect.gen(function* () {
      const { far, near } = yield* makeEnds({ version: 2, near: { heartbeat: "1 day" }, far: { heartbeat: "1 day" } })
      yield* far.handlers.handleStream(Sum, (_: string, input: Stream.Stream<number>) =>
        Stream.fromEffect(Effect.uninterruptible(Effect.as(Stream.runDrain(input), "all")))
      )
      const stream = near.socket.stream(untypedStream(Sum), "x", Stream.never, undefined) as Stream.Stream<unknown>
      const fiber = yield* Effect.fork(Stream.runDrain(stream))
      yield* settled
      assert.strictEqual(far.socket.streams, 1)
      yield* Fiber.interrupt(fiber)
      yield* settled
      assert.strictEqual(far.socket.streams, 0)
    })
  )

  it.scoped("that fails fails the stream with its own failure, and interrupts the handler", () =>
    Effect.gen(function* () {
      const server = yield* IPCPeer
      const client = yield* IPCClient
      const interrupted = yield* Deferred.make<void>()
      yield* server.handleStream(Sum, (_, input) =>
        Stream.ensuring(Stream.map(input, String), Deferred.succeed(interrupted, undefined))
      )
      const input = Stream.concat(upTo(2), Stream.fail("the caller's own" as const))
      assert.strictEqual(yield* Effect.flip(collect(client.stream(Sum, "x", input))), "the caller's own")
      yield* Deferred.await(interrupted)
    }).pipe(memory)
  )

  it.scoped("that doesn't fit its Schema is InvalidPayload, found by the caller or by the peer", () =>
    Effect.gen(function* () {
      const server = yield* IPCPeer
      const client = yield* IPCClient
      yield* server.handleStream(Squares, (_, input) => input)
      const byCaller = yield* Effect.flip(collect(client.stream(Squares, undefined, Stream.make("x" as never))))
      assert.deepInclude(byCaller, { _tag: "InvalidPayload", foundBy: "caller" })
      const Unchecked = IPCServer.defineStream<void, unknown, unknown>("squares", { input: true })
      const byPeer = yield* Effect.flip(collect(client.stream(Unchecked, undefined, Stream.make(true))))
      assert.instanceOf(byPeer, InvalidPayload)
      assert.strictEqual(byPeer.foundBy, "peer")
    }).pipe(memory)
  )
})

describe("Flow control", () => {
  const hello = 'v::hello:{"maxFrameBytes":100000,"credit":{"requests":1000,"bytes":100000}}'

  /** A handler at a peer that speaks the wire itself. */
  const producing = Effect.gen(function* () {
    const { handlers, peer, socket } = yield* makeEndAndPeer({ version: 2 })
    peer.transport.send(hello)
    const frames = Effect.map(settled, () => peer.heard.filter((text) => /^[doe]/.test(text)))
    return { handlers, peer, socket, frames }
  })

  it.scoped("that waits to be opened gets what was granted and said of it meanwhile", () =>
    Effect.gen(function* () {
      const { far, near } = yield* makeEnds({ version: 2, near: { heartbeat: "1 day" }, far: { highWaterMark: 500 } })
      const Hold = IPCServer.defineRequest<string, void>("hold")
      const gate = yield* Deferred.make<void>()
      yield* far.handle(Hold, () => Deferred.await(gate))
      yield* far.handlers.handleStream(Sum, (_, input: Stream.Stream<number>) =>
        Stream.concat(Stream.map(input, String), Stream.succeed("end"))
      )
      const held = yield* Effect.fork(near.socket.request(Hold, "x".repeat(470)))
      yield* settled
      const summed = near.socket.stream(untypedStream(Sum as never), "x".repeat(40), Stream.empty, undefined)
      const seen = yield* Effect.fork(collect(summed as Stream.Stream<unknown, StreamError>))
      yield* settled
      assert.deepStrictEqual(far.socket.held, { ...nothing, inFlight: 1, backlog: 1 })
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(held)
      yield* settled
      assert.deepStrictEqual(seen.unsafePoll(), Exit.succeed(["end"]))
      assert.deepStrictEqual([far.socket.streams, far.socket.heldBytes, near.socket.heldBytes], [0, 0, 0])
    })
  )

  it.scoped("that waits to be opened is told that its input has ended meanwhile, whatever is granted later", () =>
    Effect.gen(function* () {
      const { handle, handlers, peer, socket } = yield* makeEndAndPeer({ version: 2, maxHandlersInFlight: 1 })
      const gate = yield* Deferred.make<void>()
      yield* handle(Ping, () => Deferred.await(gate))
      yield* handlers.handleStream(Sum, (_, input: Stream.Stream<number>) =>
        Stream.fromEffect(Effect.map(Stream.runSum(input), String))
      )
      for (const frame of [hello, "r:1:ping:", 'q:2:sum:"x"', "j:2::"]) peer.transport.send(frame)
      yield* settled
      assert.deepStrictEqual(socket.held, { ...nothing, inFlight: 1, backlog: 1 })
      yield* Deferred.succeed(gate, undefined)
      yield* settled
      peer.transport.send('w:2::{"items":1,"bytes":100}')
      yield* settled
      assert.deepStrictEqual(
        peer.heard.filter((text) => /^[doe]:2/.test(text)),
        ["o:2::", 'd:2::["0"]', 'e:2::{"success":true}']
      )
      assert.deepStrictEqual([socket.streams, socket.heldBytes], [0, 0])
    })
  )

  it.scoped("grants a window in whole numbers, whatever was asked for", () =>
    Effect.gen(function* () {
      const { peer, socket } = yield* makeEndAndPeer({ version: 2, heartbeat: "1 day" })
      peer.transport.send(hello)
      const most = Number.MAX_SAFE_INTEGER
      for (const [items, bytes] of [
        [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
        [0, -5],
        [1.5, 1e300],
        [Number.NaN, Number.NaN]
      ] as const) {
        yield* Effect.fork(collect(open(socket, Count, { window: { items, bytes } })))
      }
      yield* settled
      assert.deepStrictEqual(
        peer.heard.filter((text) => text.startsWith("w:")).map((text) => text.slice(5)),
        [
          [most, most],
          [1, 1],
          [1, most],
          [1024, 262_144]
        ].map(([items, bytes]) => JSON.stringify({ items, bytes }))
      )
    })
  )

  it.scoped("ends at once with elements, an end or input that can't be read", () =>
    Effect.gen(function* () {
      const { handlers, peer, socket } = yield* makeEndAndPeer({ version: 2, heartbeat: "1 day" })
      peer.transport.send(hello)
      const sent = () => peer.heard.filter((text) => /^[qce]/.test(text))
      const issue = "its data isn't JSON"
      for (const frame of ["d:1::[1", "e:2::{"]) {
        const seen = yield* Effect.fork(Effect.flip(collect(open(socket, Count))))
        yield* settled
        peer.transport.send(frame)
        assert.deepStrictEqual(
          yield* Fiber.join(seen),
          new InvalidResponse({ request: "count", target: "peer", issue })
        )
      }
      assert.deepStrictEqual(sent(), ["q:1:count:1", "c:1::", "q:2:count:1", "c:2::"])
      yield* handlers.handleStream(Sum, () => Stream.never)
      peer.transport.send("q:7:sum:1")
      peer.transport.send("i:7::[1")
      yield* settled
      assert.deepStrictEqual(sent().slice(-1), [`e:7::${JSON.stringify({ success: false, error: issue })}`])
      assert.strictEqual(socket.streams, 0)
    })
  )

  it.scoped("sends no more elements than were granted", () =>
    Effect.gen(function* () {
      const { frames, handlers, peer, socket } = yield* producing
      yield* handlers.handleStream(Count, (n: number) => upTo(n))
      peer.transport.send("q:1:count:5")
      assert.deepStrictEqual(yield* frames, ["o:1::"])
      peer.transport.send('w:1::{"items":2,"bytes":1000}')
      assert.deepStrictEqual((yield* frames).slice(1), ["d:1::[1,2]"])
      peer.transport.send('w:1::{"items":1,"bytes":0}')
      assert.deepStrictEqual((yield* frames).slice(2), ["d:1::[3]"])
      peer.transport.send('w:1::{"items":100,"bytes":0}')
      assert.deepStrictEqual((yield* frames).slice(3), ["d:1::[4,5]", 'e:1::{"success":true}'])
      assert.deepStrictEqual([socket.streams, socket.heldBytes], [0, 0])
    })
  )

  it.scoped("sends elements that come one by one within a turn together, and those that come later at once", () =>
    Effect.gen(function* () {
      const { frames, handlers, peer } = yield* producing
      const later = yield* Deferred.make<void>()
      yield* handlers.handleStream(Count, (n: number) =>
        Stream.concat(Stream.rechunk(upTo(n), 1), Stream.fromEffect(Effect.as(Deferred.await(later), 0)))
      )
      peer.transport.send("q:1:count:5")
      peer.transport.send('w:1::{"items":100,"bytes":1000}')
      // How long an element is shows at the first one.
      assert.deepStrictEqual((yield* frames).slice(1), ["d:1::[1]", "d:1::[2,3,4,5]"])
      yield* Deferred.succeed(later, undefined)
      assert.deepStrictEqual((yield* frames).slice(3), ["d:1::[0]", 'e:1::{"success":true}'])
    })
  )

  it.scoped("sends no more bytes than were granted, but for one element that is larger", () =>
    Effect.gen(function* () {
      const { frames, handlers, peer } = yield* producing
      yield* handlers.handleStream(Texts, () => Stream.make("a".repeat(10), "b".repeat(10), "c".repeat(100), "d"))
      peer.transport.send("q:1:texts:1")
      peer.transport.send('w:1::{"items":100,"bytes":30}')
      // Two bytes are left when the third comes: enough for it to overdraw.
      assert.deepStrictEqual((yield* frames).slice(1), [
        `d:1::["${"a".repeat(10)}"]`,
        `d:1::["${"b".repeat(10)}"]`,
        `d:1::["${"c".repeat(100)}"]`
      ])
      peer.transport.send('w:1::{"items":0,"bytes":102}')
      assert.strictEqual((yield* frames).length, 4)
      peer.transport.send('w:1::{"items":0,"bytes":1}')
      assert.deepStrictEqual((yield* frames).slice(4), ['d:1::["d"]', 'e:1::{"success":true}'])
    })
  )

  it.scoped("measures large bytes before the first of them are serialized", () =>
    Effect.gen(function* () {
      const printed: Array<number> = []
      const serialization: Serialization = {
        print: (head, value) => {
          const elements = value as ReadonlyArray<Uint8Array>
          printed.push(elements.length)
          return Buffer.concat([Buffer.from(`${head}\n`), ...elements])
        },
        weigh: () => undefined,
        decode: () => undefined
      }
      const [near, far] = makePair({ ...Subprotocol.streaming, serialization })
      const { handlers } = yield* makeEnd(near, "peer")
      const ends: Array<string> = []
      far.listen({ ...silent, onText: (text) => ends.push(text) })
      yield* handlers.handleStream(Blobs, () => Stream.fromChunk(Chunk.makeBy(10, () => new Uint8Array(20_000))))
      far.send(hello)
      far.send("q:1:blobs:")
      far.send('w:1::{"items":100,"bytes":1000000}')
      yield* settled
      assert.deepStrictEqual(printed, new Array(10).fill(1))
      assert.deepStrictEqual(ends.slice(-1), ['e:1::{"success":true}'])
    })
  )

  it.scoped("holds a producer whose consumer doesn't take, within the window, and no other stream", () =>
    Effect.gen(function* () {
      const { far, near } = yield* makeEnds({ version: 2 })
      let produced = 0
      yield* far.handlers.handleStream(Texts, () =>
        Stream.tap(Stream.repeatValue("x".repeat(1000)), () => Effect.sync(() => produced++))
      )
      yield* far.handlers.handleStream(Count, (n: number) => upTo(n))
      const gate = yield* Deferred.make<void>()
      const slow = yield* Effect.fork(Stream.runForEach(open(near.socket, Texts), () => Deferred.await(gate)))
      yield* settled
      yield* settled
      const held = produced
      assert.isBelow(held * 1000, 256 * 1024 + 4096 * 1000)
      assert.isBelow(near.socket.heldBytes, 256 * 1024 + 1100)
      assert.strictEqual(yield* Stream.runSum(open(near.socket, Count, {}, 5000)), (5000 * 5001) / 2)
      yield* settled
      assert.strictEqual(produced, held)
      yield* Fiber.interrupt(slow)
      yield* settled
      assert.deepStrictEqual([near.socket.heldBytes, far.socket.heldBytes, far.socket.streams], [0, 0, 0])
    })
  )

  it.scoped("a peer that sends more than was granted ends its stream alone", () =>
    Effect.gen(function* () {
      const { peer, socket } = yield* makeEndAndPeer({ version: 2 })
      peer.transport.send(hello)
      const fiber = yield* Effect.fork(
        Effect.flip(Stream.runForEach(open(socket, Count, { window: { items: 2 } }), () => Effect.never))
      )
      yield* settled
      peer.transport.send("o:1::\nd:1::[1,2]")
      yield* settled
      peer.transport.send("d:1::[3]")
      yield* settled
      assert.deepStrictEqual([peer.heard.at(-1), socket.streams, socket.state], ["c:1::", 0, "open"])
      yield* Fiber.interrupt(fiber)
    })
  )

  it.scoped("frames of streams that aren't, or aren't any more, mean nothing", () =>
    Effect.gen(function* () {
      const { peer, socket } = yield* makeEndAndPeer({ version: 2 })
      peer.transport.send(hello)
      for (const text of [
        "o:9::",
        "d:9::[1]",
        'e:9::{"success":true}',
        'w:9::{"items":1,"bytes":1}',
        "h:9::",
        "j:9::",
        "i:9::[1]",
        "c:9::"
      ]) {
        peer.transport.send(text)
      }
      yield* settled
      assert.deepStrictEqual([peer.heard.length, socket.state, socket.held.backlog], [1, "open", 0])
    })
  )

  it.scoped("lets little be unsent, so that a request waits behind no more than that", () =>
    Effect.gen(function* () {
      const transport = new ScriptedTransport(2)
      const { handlers } = yield* makeEnd(transport, "peer", { heartbeat: "1 day" })
      transport.stalled = true
      yield* handlers.handleStream(Texts, () => Stream.repeatValue("x".repeat(1000)))
      yield* handlers.handle(Ping, () => Effect.void)
      transport.listener.onText(hello)
      for (let id = 1; id <= 10; id++) {
        transport.listener.onText(`q:${id}:texts:1`)
        transport.listener.onText(`w:${id}::{"items":1000000,"bytes":1000000000}`)
      }
      yield* settled
      for (let turn = 0; turn < 20; turn++) {
        const before = transport.sent.length
        transport.drain()
        yield* settled
        const unsent = transport.unsentBytes
        assert.isAbove(transport.sent.length, before)
        assert.isBelow(unsent, 256 * 1024 + 33 * 1024)
        transport.listener.onText(`r:${100 + turn}:ping:`)
        assert.strictEqual(transport.sent.at(-1), `s:${100 + turn}:ping:{"success":true}`)
      }
      const turns = new Map<string, number>()
      for (const frame of transport.sent) {
        const [, id] = /^d:(\d+):/.exec(frame) ?? []
        if (id !== undefined) turns.set(id, (turns.get(id) ?? 0) + 1)
      }
      assert.strictEqual(turns.size, 10)
      // Those that are always ready leave the others their share.
      assert.isAtMost(Math.max(...turns.values()) - Math.min(...turns.values()), 33)
      transport.terminate()
    })
  )

  it.scoped("an element a second of a million: both ends hold no more than the window, and requests don't wait", () =>
    Effect.gen(function* () {
      const options = { heartbeat: "1 day" } as const
      const { far, near } = yield* makeEnds({ version: 2, near: options, far: options })
      let produced = 0
      yield* far.handlers.handleStream(Count, (n: number) =>
        Stream.rechunk(
          Stream.tap(upTo(n), () => Effect.sync(() => produced++)),
          16
        )
      )
      yield* far.handlers.handle(Ping, () => Effect.void)
      let seen = 0
      const slow = Stream.runForEach(open(near.socket, Count, { window: { items: 100 } }, 1_000_000), () => {
        seen++
        return Effect.sleep("1 second")
      })
      const fiber = yield* Effect.fork(slow)
      for (let minute = 1; minute <= 3; minute++) {
        yield* settled
        yield* TestClock.adjust("1 minute")
        yield* settled
        // No time passes meanwhile.
        yield* near.socket.request(Ping, undefined)
        assert.strictEqual(seen, minute * 60 + 1)
        // What was granted, and the chunk that waits.
        assert.isAtMost(produced - seen, 100 + 2 * 16)
        assert.isBelow(near.socket.heldBytes, 1000)
        assert.isBelow(far.socket.heldBytes, 100)
      }
      yield* Fiber.interrupt(fiber)
      yield* settled
      assert.deepStrictEqual([near.socket.heldBytes, far.socket.heldBytes, far.socket.streams], [0, 0, 0])
    })
  )

  const endings = ["ends", "fails", "dies", "enough", "interrupted", "removed"] as const

  const scripts = FastCheck.array(
    FastCheck.record({
      ending: FastCheck.constantFrom(...endings),
      count: FastCheck.integer({ min: 1, max: 16 }),
      /** After how many elements it ends, where it ends early. */
      early: FastCheck.integer({ min: 1, max: 16 }),
      length: FastCheck.integer({ min: 0, max: 300 }),
      /** Which element, if any, is larger than the window. */
      large: FastCheck.integer({ min: 1, max: 40 }),
      chunk: FastCheck.integer({ min: 1, max: 10 }),
      items: FastCheck.integer({ min: 1, max: 20 }),
      bytes: FastCheck.integer({ min: 1, max: 2000 }),
      slow: FastCheck.boolean(),
      hasInput: FastCheck.boolean()
    }),
    { minLength: 1000, maxLength: 1000, size: "max" }
  )

  /** Follows the frames of one direction and of its grants; every frame has to be within what was granted. */
  const creditModel = (elements: "d" | "i", grants: "w" | "g", sent: Sent, granted: Sent) => {
    const left = new Map<string, { items: number; bytes: number }>()
    granted.listen((type, id, data) => {
      if (type !== grants) return
      const { bytes, items } = JSON.parse(data)
      const before = left.get(id) ?? { items: 0, bytes: 0 }
      left.set(id, { items: before.items + items, bytes: before.bytes + bytes })
    })
    sent.listen((type, id, data) => {
      if (type !== elements) return
      const credit = left.get(id) ?? assert.fail(`elements of ${id} before any grant`)
      const { length } = JSON.parse(data)
      const isGranted = credit.items >= length && (length === 1 ? credit.bytes > 0 : credit.bytes >= data.length)
      assert.isTrue(
        isGranted,
        `${elements}:${id}: ${length} elements of ${data.length}, granted ${credit.items}, ${credit.bytes}`
      )
      credit.items -= length
      credit.bytes -= data.length
    })
  }

  it.scoped(
    "a thousand streams that end each in its own way, at any moment, lose, double and keep nothing",
    () =>
      Effect.promise(() =>
        FastCheck.assert(
          FastCheck.asyncProperty(scripts, (streams) =>
            Effect.runPromise(
              Effect.gen(function* () {
                const options = { heartbeat: "1 day" } as const
                const { far, near } = yield* makeEnds({ version: 2, near: options, far: options })
                const [fromFar, fromNear] = [sentBy(far.transport), sentBy(near.transport)]
                creditModel("d", "w", fromFar, fromNear)
                creditModel("i", "g", fromNear, fromFar)
                const scriptOf = (which: number) => streams[which] as (typeof streams)[0]
                const element = (which: number, n: number) => {
                  const { bytes, large, length } = scriptOf(which)
                  return `${which} ${n} `.padEnd(n === large ? bytes + 1000 : length, "x")
                }
                const elements = (which: number) =>
                  Stream.rechunk(
                    Stream.map(Stream.range(1, scriptOf(which).count), (n) => element(which, n)),
                    scriptOf(which).chunk
                  )
                const withEnding = (which: number, all: Stream.Stream<string>): Stream.Stream<string, string> => {
                  const { ending } = scriptOf(which)
                  if (ending === "fails") return Stream.concat(all, Stream.fail("failed"))
                  if (ending === "dies") return Stream.concat(all, Stream.die("died"))
                  return ending === "ends" ? all : Stream.concat(all, Stream.never)
                }
                const produced = Scope.extend(
                  far.handlers.handleStream(Texts, (which: number) => withEnding(which, elements(which))),
                  yield* Effect.scope
                )
                yield* produced
                yield* far.handlers.handleStream(Echoed, (which: number, input: Stream.Stream<string>) =>
                  withEnding(which, input)
                )
                const removals = yield* Effect.forEach(streams, () => Scope.make())
                yield* Effect.forEach(streams, ({ ending }, which) =>
                  ending === "removed"
                    ? Scope.extend(
                        far.handlers.handleStream(removable(which), () => withEnding(which, elements(which))),
                        removals[which] as Scope.CloseableScope
                      )
                    : Effect.void
                )
                const results = yield* Effect.forEach(
                  streams,
                  ({ bytes, count, early, ending, hasInput, items, slow }, which) =>
                    Effect.gen(function* () {
                      const seen: Array<string> = []
                      const wanted = Math.min(early, count)
                      const reached = yield* Deferred.make<void>()
                      const take = (text: string) =>
                        Effect.gen(function* () {
                          if (slow) yield* Effect.yieldNow()
                          seen.push(text)
                          if (seen.length === wanted) yield* Deferred.succeed(reached, undefined)
                        })
                      const definition = ending === "removed" ? removable(which) : hasInput ? Echoed : Texts
                      const stream = near.socket.stream(
                        untypedStream(definition as typeof Texts),
                        which,
                        definition === Echoed ? elements(which) : undefined,
                        { window: { items, bytes } }
                      ) as Stream.Stream<string, StreamError>
                      const running = Effect.exit(
                        Stream.runForEach(ending === "enough" ? Stream.take(stream, wanted) : stream, take)
                      )
                      if (ending === "interrupted") {
                        const fiber = yield* Effect.fork(running)
                        yield* Deferred.await(reached)
                        yield* Fiber.interrupt(fiber)
                      } else if (ending === "removed") {
                        const fiber = yield* Effect.fork(running)
                        yield* Deferred.await(reached)
                        yield* Scope.close(removals[which] as Scope.CloseableScope, Exit.void)
                        assert.isTrue(Exit.isFailure(yield* Fiber.join(fiber)))
                      } else {
                        assert.strictEqual(Exit.isSuccess(yield* running), ending === "ends" || ending === "enough")
                      }
                      return seen
                    }),
                  { concurrency: "unbounded" }
                )
                for (const [which, seen] of results.entries()) {
                  const { count, early, ending } = scriptOf(which)
                  const expected = Array.from({ length: count }, (_, i) => element(which, i + 1))
                  const wanted = Math.min(early, count)
                  if (ending === "interrupted" || ending === "removed") {
                    assert.isAtLeast(seen.length, wanted)
                    assert.deepStrictEqual(seen, expected.slice(0, seen.length))
                  } else {
                    assert.deepStrictEqual(seen, ending === "enough" ? expected.slice(0, wanted) : expected)
                  }
                }
                yield* settled
                assert.deepStrictEqual(
                  [near.socket.streams, far.socket.streams, near.socket.heldBytes, far.socket.heldBytes],
                  [0, 0, 0, 0]
                )
              }).pipe(Effect.scoped, Logger.withMinimumLogLevel(LogLevel.None))
            )
          ),
          { numRuns: 1 }
        )
      ),
    60_000
  )
})

describe("A peer of a stream that doesn't keep to the protocol", () => {
  const hello = 'v::hello:{"maxFrameBytes":100000,"credit":{"requests":1000,"bytes":100000}}'

  /** An engine that serves streams, with the log of what it drops. */
  const served = (options: IPCSocketOptions = {}) =>
    Effect.gen(function* () {
      const end = yield* makeEndAndPeer({ version: 2, heartbeat: "1 day", ...options })
      end.peer.transport.send(hello)
      yield* end.handlers.handleStream(Count, (n: number) => (n > 0 ? upTo(n) : Stream.never))
      yield* end.handlers.handleStream(Sum, (_: string, input: Stream.Stream<number>) => Stream.map(input, String))
      const tell = (...frames: ReadonlyArray<string>) => {
        for (const frame of frames) end.peer.transport.send(frame)
        return Effect.map(settled, () => end.peer.heard.slice(1))
      }
      return { ...end, tell }
    })

  it.scoped("grants what is no grant, or more than there are numbers", () =>
    Effect.gen(function* () {
      const { socket, tell } = yield* served()
      const most = Number.MAX_SAFE_INTEGER
      for (const grant of [
        '{"items":-1,"bytes":5}',
        '{"items":5,"bytes":-1}',
        '{"items":1.5,"bytes":5}',
        '{"items":1e400,"bytes":5}',
        '{"items":"5","bytes":5}',
        '{"items":5}',
        "[5,5]",
        "null",
        ""
      ]) {
        assert.deepStrictEqual((yield* tell("q:1:count:3", `w:1::${grant}`)).slice(0, 2), ["o:1::"])
      }
      const grant = `w:1::{"items":${most},"bytes":${most}}`
      assert.deepStrictEqual(yield* tell(grant, grant, grant), ["o:1::", "d:1::[1,2,3]", 'e:1::{"success":true}'])
      assert.deepStrictEqual([socket.streams, socket.heldBytes, socket.state], [0, 0, "open"])
    }).pipe(Logger.withMinimumLogLevel(LogLevel.None))
  )

  it.scoped("sends input where there is none, after its end, unasked, and in a form that isn't input", () =>
    Effect.gen(function* () {
      const { socket, tell } = yield* served()
      const window = 'g:2::{"items":1024,"bytes":262144}'
      const grant = (id: number) => `w:${id}::{"items":10,"bytes":1000}`
      assert.deepStrictEqual(
        yield* tell("q:1:count:1", "i:1::[1]", "j:1::", "h:1::", "g:1::null", "o:1::", "d:1::[1]"),
        ["o:1::"]
      )
      assert.deepStrictEqual((yield* tell(grant(1))).slice(1), ["d:1::[1]", 'e:1::{"success":true}'])
      assert.deepStrictEqual((yield* tell("q:2:sum:", grant(2), "i:2::[1]", "j:2::", "i:2::[2]", "j:2::")).slice(3), [
        "o:2::",
        window,
        'd:2::["1"]',
        'e:2::{"success":true}'
      ])
      const ends = [
        ["i:3::{}", "its input isn't a list of elements"],
        ["i:4::", "its input isn't a list of elements"],
        [`i:5::[${"1,".repeat(1024)}1]`, "its input is more than was granted"]
      ] as const
      for (const [frame, error] of ends) {
        const id = frame.charAt(2)
        const heard = yield* tell(`q:${id}:sum:`, frame, frame, "i:9::[1]")
        assert.strictEqual(heard.at(-1), `e:${id}::{"success":false,"error":"${error}"}`)
      }
      assert.deepStrictEqual([socket.streams, socket.heldBytes, socket.state], [0, 0, "open"])
    }).pipe(Logger.withMinimumLogLevel(LogLevel.None))
  )

  it.scoped("opens with the largest id, with one in use, and more than may run", () =>
    Effect.gen(function* () {
      const { socket, tell } = yield* served({ maxHandlersInFlight: 10 })
      const id = Number.MAX_SAFE_INTEGER
      assert.deepStrictEqual(yield* tell(`q:${id}:count:0`, `q:${id}:count:0`, `q:${id + 1}:count:0`), [
        `o:${id}::`,
        'e:9007199254740992::{"success":false,"error":"its id isn\'t a decimal number up to 2^53 - 1"}'
      ])
      yield* tell(`c:${id}::`)
      const before = (yield* tell()).length
      const heard = (yield* tell(...Array.from({ length: 50 }, (_, i) => `q:${i + 1}:count:0`))).slice(before)
      const accepted = heard.filter((text) => text.startsWith("o:"))
      assert.deepStrictEqual([accepted.length, socket.streams], [40, 40])
      assert.include(
        heard,
        'e:41::{"success":false,"error":"40 streams of this connection run already","tag":"Overloaded"}'
      )
      yield* tell(...Array.from({ length: 50 }, (_, i) => `c:${i + 1}::`))
      assert.deepStrictEqual([socket.streams, socket.heldBytes], [0, 0])
    }).pipe(Logger.withMinimumLogLevel(LogLevel.None))
  )

  it.scoped("opens with large payloads, which are counted while their handlers run", () =>
    Effect.gen(function* () {
      const { handlers, socket, tell } = yield* served({ highWaterMark: 5000 })
      yield* handlers.handleStream(Texts, () => Stream.never)
      const open = (id: number) => `q:${id}:texts:"${"x".repeat(2000)}"`
      yield* tell(open(1), open(2))
      const { length } = open(1)
      assert.strictEqual(socket.heldBytes, 2 * length)
      const error = `the streams of this connection that run hold ${2 * length} bytes of payloads`
      assert.strictEqual((yield* tell(open(3))).at(-1), `e:3::{"success":false,"error":"${error}","tag":"Overloaded"}`)
      yield* tell("c:1::")
      assert.include(yield* tell(open(4)), "o:4::")
      yield* tell("c:2::", "c:4::")
      assert.deepStrictEqual([socket.streams, socket.heldBytes], [0, 0])
    }).pipe(Logger.withMinimumLogLevel(LogLevel.None))
  )

  it.scoped("sends input and messages and reads nothing: what is granted to it waits, in one frame", () =>
    Effect.gen(function* () {
      const transport = new ScriptedTransport(2)
      const { handle, handlers } = yield* makeEnd(transport, "peer", {
        heartbeat: "1 day",
        highWaterMark: 5000
      })
      yield* handlers.handleStream(Sum, (_: string, input: Stream.Stream<number>) => Stream.drain(input))
      yield* handle(Ping, () => Effect.void)
      transport.listener.onText(hello)
      transport.listener.onText("q:1:sum:")
      yield* settled
      assert.deepStrictEqual(transport.sent.slice(1), ["o:1::", 'g:1::{"items":1024,"bytes":4096}'])
      transport.stalled = true
      transport.unsentBytes = 5001
      const input = `[${"1,".repeat(599)}1]`
      transport.listener.onText(`i:1::${input}`)
      yield* settled
      transport.listener.onText(`i:1::[${"1,".repeat(299)}1]`)
      for (let n = 0; n < 2000; n++) transport.listener.onText("m::ping:")
      yield* settled
      assert.strictEqual(transport.sent.length, 3)
      transport.drain()
      yield* settled
      const granted = transport.sent.slice(3)
      assert.strictEqual(granted[0], 'g:1::{"items":600,"bytes":1201}')
      assert.isAtMost(granted.length, 3)
      assert.match(granted[1] as string, /^k:::/)
      transport.terminate()
    }).pipe(Logger.withMinimumLogLevel(LogLevel.None))
  )

  it.scoped("answers with what isn't elements or an end: the stream fails alone", () =>
    Effect.gen(function* () {
      const { peer, socket } = yield* makeEndAndPeer({ version: 2, heartbeat: "1 day" })
      peer.transport.send(hello)
      const answers = ["d:1::{}", "d:2::", "e:3::{}", "e:4::", 'e:5::{"success":"perhaps"}']
      const errors = yield* Effect.forEach(answers, (answer) =>
        Effect.gen(function* () {
          const fiber = yield* Effect.fork(Effect.flip(collect(open(socket, Count))))
          yield* settled
          peer.transport.send(answer)
          peer.transport.send(answer)
          return (yield* Fiber.join(fiber))._tag
        })
      )
      assert.deepStrictEqual(
        errors,
        answers.map(() => "InvalidResponse")
      )
      assert.deepStrictEqual([socket.streams, socket.heldBytes, socket.state], [0, 0, "open"])
    })
  )

  const junk = FastCheck.tuple(
    FastCheck.constantFrom(..."qwidgojehck"),
    FastCheck.constantFrom("1", "2", "3", "4", "9007199254740991", "-1", ""),
    FastCheck.constantFrom("", "count", "sum"),
    FastCheck.constantFrom(
      "",
      "0",
      "3",
      "[1]",
      '["a",null]',
      "[]",
      '{"items":5,"bytes":50}',
      '{"items":1,"bytes":0}',
      '{"requests":5,"bytes":50}',
      '{"success":true}',
      '{"success":false,"error":"no"}'
    )
  )

  it.scoped("whatever frames it sends in whatever order, nothing breaks and nothing is left", () =>
    Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(FastCheck.array(junk, { maxLength: 300, size: "max" }), (frames) =>
          Effect.runPromise(
            Effect.gen(function* () {
              const { socket, tell } = yield* served()
              const opened = yield* Effect.forEach([1, 2], () => Effect.fork(Effect.exit(collect(open(socket, Count)))))
              const sums = socket.stream(
                untypedStream(Sum),
                "",
                Stream.repeatValue(1),
                undefined
              ) as Stream.Stream<unknown>
              const withInput = yield* Effect.fork(Effect.exit(Stream.runDrain(sums)))
              yield* settled
              yield* tell(...frames.map(([type, id, path, data]) => `${type}:${id}:${path}:${data}`))
              assert.strictEqual(socket.state, "open")
              yield* socket.close({ code: 1000, reason: "" })
              yield* Fiber.joinAll([...opened, withInput] as ReadonlyArray<Fiber.Fiber<unknown>>)
              yield* settled
              assert.deepStrictEqual([socket.streams, socket.held], [0, nothing])
            }).pipe(Effect.scoped, Logger.withMinimumLogLevel(LogLevel.None))
          )
        ),
        { numRuns: 20 }
      )
    )
  )
})
