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
  IPCServer,
  NoHandler,
  RequestFailed,
  RequestTimeout,
  type StreamError
} from "effect-ipc"
import { MemoryIPC } from "effect-ipc/testing"
import type { IPCSocket } from "../../../src/connection/IPCSocket.js"
import type { StreamOptions } from "../../../src/IPCStream.js"
import { untypedStream } from "../../../src/IPCStream.js"
import { makeEndAndPeer, makeEnds, settled } from "../../support/pair.js"

const Count = IPCServer.defineStream<number, number>("count")
const Texts = IPCServer.defineStream<number, string>("texts")
const CountThere = IPCClient.defineStream<number, number>("countThere")
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
      assert.instanceOf(yield* Fiber.join(fiber), ConnectionClosed)
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

  const endings = ["ends", "fails", "dies", "enough", "interrupted", "huge"] as const

  const scripts = FastCheck.array(
    FastCheck.record({
      ending: FastCheck.constantFrom(...endings),
      count: FastCheck.integer({ min: 1, max: 400 }),
      length: FastCheck.integer({ min: 0, max: 300 }),
      chunk: FastCheck.integer({ min: 1, max: 100 }),
      items: FastCheck.integer({ min: 1, max: 50 }),
      bytes: FastCheck.integer({ min: 1, max: 2000 }),
      slow: FastCheck.boolean()
    }),
    { minLength: 40, maxLength: 40 }
  )

  it.scoped("many streams that end each in its own way, at any moment, lose, double and keep nothing", () =>
    Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(scripts, (streams) =>
          Effect.runPromise(
            Effect.gen(function* () {
              const { far, near } = yield* makeEnds({
                version: 2,
                near: { heartbeat: "1 day" },
                far: { heartbeat: "1 day" }
              })
              const element = (which: number, n: number) => {
                const { count, ending, length } = streams[which] as (typeof streams)[0]
                return `${which} ${n} `.padEnd(ending === "huge" && n === count ? 5000 : length, "x")
              }
              yield* far.handlers.handleStream(Texts, (which: number) => {
                const { chunk, count, ending } = streams[which] as (typeof streams)[0]
                const elements = Stream.rechunk(
                  Stream.map(Stream.range(1, count), (n) => element(which, n)),
                  chunk
                )
                if (ending === "fails") return Stream.concat(elements, Stream.fail("failed"))
                if (ending === "dies") return Stream.concat(elements, Stream.die("died"))
                return ending === "enough" || ending === "interrupted"
                  ? Stream.concat(elements, Stream.never)
                  : elements
              })
              const results = yield* Effect.forEach(
                streams,
                ({ bytes, count, ending, items, slow }, which) =>
                  Effect.gen(function* () {
                    const seen: Array<string> = []
                    const all = yield* Deferred.make<void>()
                    const take = (text: unknown) =>
                      Effect.gen(function* () {
                        if (slow) yield* Effect.yieldNow()
                        seen.push(text as string)
                        if (seen.length === count) yield* Deferred.succeed(all, undefined)
                      })
                    const stream = open(near.socket, Texts, { window: { items, bytes } }, which)
                    const wanted = ending === "enough" ? Stream.take(stream, count) : stream
                    const running = Effect.exit(Stream.runForEach(wanted, take))
                    if (ending === "interrupted") {
                      const fiber = yield* Effect.fork(running)
                      yield* Deferred.await(all)
                      yield* Fiber.interrupt(fiber)
                    } else {
                      const exit = yield* running
                      assert.strictEqual(Exit.isSuccess(exit), ending !== "fails" && ending !== "dies")
                    }
                    return seen
                  }),
                { concurrency: "unbounded" }
              )
              for (const [which, seen] of results.entries()) {
                const { count } = streams[which] as (typeof streams)[0]
                assert.deepStrictEqual(
                  seen,
                  Array.from({ length: count }, (_, i) => element(which, i + 1))
                )
              }
              yield* settled
              assert.deepStrictEqual(
                [near.socket.streams, far.socket.streams, near.socket.heldBytes, far.socket.heldBytes],
                [0, 0, 0, 0]
              )
            }).pipe(Effect.scoped, Logger.withMinimumLogLevel(LogLevel.None))
          )
        ),
        { numRuns: 4 }
      )
    )
  )
})
