import { assert, describe, it } from "@effect/vitest"
import { Chunk, Duration, Effect, Exit, Fiber, Schedule, Schema, Scope, Stream, TestClock } from "effect"
import type { Status } from "effect-ipc"
import { ConnectFailed, ConnectionClosed, IPCClient, IPCServer, RequestTimeout } from "effect-ipc"
import { CloseCode } from "../../../src/CloseEvent.js"
import type { MemoryTransport } from "../../../src/connection/MemoryTransport.js"
import { makePair } from "../../../src/connection/MemoryTransport.js"
import type { ReconnectingClientOptions } from "../../../src/connection/ReconnectingClient.js"
import { make } from "../../../src/connection/ReconnectingClient.js"
import { settled, withLog } from "../../support/pair.js"

const url = "http://127.0.0.1:9000"
const Echo = IPCServer.defineRequest<unknown, unknown>("echo")
const Greet = IPCClient.defineRequest<string, string>("greet")

const refused = new ConnectFailed({ url, reason: "Refused", detail: "connect ECONNREFUSED" })

/**
 * A network whose every attempt to connect does what the test says next: `open`, `refuse` or `hang`. The server's end is
 * bare; by default it answers nothing.
 */
const makeNetwork = Effect.gen(function* () {
  const clock = yield* Effect.clock
  const network = {
    /** What the next attempts do; the last goes for all that follow. */
    script: ["open"] as Array<"open" | "refuse" | "hang" | "die" | "later">,
    /** When each attempt was made, in milliseconds. */
    attempts: [] as Array<number>,
    hanging: 0,
    /** The server's end of every connection so far. */
    servers: [] as Array<{
      readonly transport: MemoryTransport
      readonly heard: Array<string>
      readonly closes: Array<number>
    }>,
    /** Opens the connection of the attempt that was to open later. */
    openLate: () => {},
    answer: undefined as ((text: string) => string | undefined) | undefined,
    connect: (onOpen: (transport: MemoryTransport) => void): Effect.Effect<void, ConnectFailed> =>
      Effect.suspend(() => {
        const open = Effect.sync(() => {
          const [near, far] = makePair()
          const server = { transport: far, heard: [] as Array<string>, closes: [] as Array<number> }
          network.servers.push(server)
          far.listen({
            onText: (text) => {
              server.heard.push(text)
              const answer = network.answer?.(text)
              if (answer !== undefined) far.send(answer)
            },
            onBytes: () => {},
            onReceiving: () => {},
            onAlive: () => {},
            onDrain: () => {},
            onClosed: ({ code }) => {
              server.closes.push(code)
            }
          })
          onOpen(near)
        })
        network.attempts.push(clock.unsafeCurrentTimeMillis())
        const what = network.script.length > 1 ? network.script.shift() : network.script[0]
        switch (what) {
          case "refuse":
            return Effect.fail(refused)
          case "die":
            return Effect.die(new Error("the network is broken"))
          case "hang":
            network.hanging++
            return Effect.ensuring(
              Effect.never,
              Effect.sync(() => network.hanging--)
            )
          default:
            if (what === "later") {
              return Effect.async<void, ConnectFailed>((resume) => {
                network.openLate = () => {
                  Effect.runSync(open)
                  resume(Effect.void)
                }
              })
            }
            return open
        }
      }),
    /** Breaks the connection in use, as a killed server does. */
    drop: Effect.suspend(() => {
      network.servers.at(-1)?.transport.terminate()
      return settled
    }),
    close: (code: number, reason: string) =>
      Effect.suspend(() => {
        network.servers.at(-1)?.transport.close({ code, reason })
        return settled
      })
  }
  return network
})

const start = Effect.fnUntraced(function* (options: ReconnectingClientOptions = {}) {
  const network = yield* makeNetwork
  const client = yield* make(url, network.connect, { heartbeat: "1 day", ...options })
  return { client, network }
})

const everySecond = Schedule.spaced("1 second")

const collect = (client: IPCClient.Service) =>
  Effect.gen(function* () {
    const seen: Array<Status> = []
    const fiber = yield* Effect.fork(
      Stream.runForEach(client.status, (status) =>
        Effect.sync(() => {
          seen.push(status)
        })
      )
    )
    yield* settled
    return { seen, fiber }
  })

const answering = (text: string) => {
  const [, id, path, ...data] = text.split(":")
  return `s:${id}:${path}:{"success":true,"data":${data.join(":")}}`
}

describe("ReconnectingClient", () => {
  describe("connecting", () => {
    it.scoped("fails with the reason, and tries no second time", () =>
      Effect.gen(function* () {
        const network = yield* makeNetwork
        network.script = ["refuse"]
        assert.deepStrictEqual(yield* Effect.flip(make(url, network.connect, {})), refused)
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(network.attempts, [0])
      })
    )

    it.scoped("gives up after five seconds, or the time given, and abandons the attempt", () =>
      Effect.gen(function* () {
        for (const [connectTimeout, millis, shown] of [
          [undefined, 5000, "5s"],
          ["200 millis", 200, "200ms"]
        ] as const) {
          const network = yield* makeNetwork
          network.script = ["hang"]
          const making = yield* Effect.fork(Effect.flip(make(url, network.connect, { connectTimeout })))
          yield* TestClock.adjust(millis - 1)
          assert.deepStrictEqual([making.unsafePoll(), network.hanging], [null, 1])
          yield* TestClock.adjust(1)
          assert.deepStrictEqual(
            yield* Fiber.join(making),
            new ConnectFailed({ url, reason: "TimedOut", detail: `no answer within ${shown}` })
          )
          assert.strictEqual(network.hanging, 0)
        }
      })
    )

    it.effect("interrupted, leaves nothing", () =>
      Effect.gen(function* () {
        const network = yield* makeNetwork
        network.script = ["hang"]
        const making = yield* Effect.fork(Effect.scoped(make(url, network.connect, {})))
        yield* settled
        assert.strictEqual(network.hanging, 1)
        yield* Fiber.interrupt(making)
        assert.strictEqual(network.hanging, 0)
      })
    )

    it.scoped("is connected at once when it is made", () =>
      Effect.gen(function* () {
        const { client } = yield* start()
        assert.deepStrictEqual(yield* Stream.runHead(client.status), yield* Effect.succeedSome("connected"))
      })
    )
  })

  describe("reconnecting", () => {
    it.scoped("tries at once, then as the schedule says, until it is connected; then anew", () =>
      Effect.gen(function* () {
        const { client, network } = yield* start({ reconnect: everySecond })
        yield* TestClock.adjust("1 minute")
        network.script = ["refuse", "refuse", "refuse", "open"]
        yield* network.drop
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(network.attempts, [0, 60_000, 61_000, 62_000, 63_000])
        network.answer = answering
        assert.strictEqual(yield* client.request(Echo, "back"), "back")
        network.script = ["refuse", "open"]
        yield* network.drop
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(network.attempts.slice(5), [70_000, 71_000])
      })
    )

    it.scoped("by default waits ever longer, up to a second, give or take a fifth", () =>
      Effect.gen(function* () {
        const { network } = yield* start()
        network.script = ["refuse"]
        yield* TestClock.adjust("2 seconds")
        yield* network.drop
        yield* TestClock.adjust("30 seconds")
        const gaps = network.attempts.slice(1).map((at, i, all) => at - (i === 0 ? 2000 : (all[i - 1] as number)))
        const expected = [0, 25, 50, 100, 200, 400, 800]
        for (const [i, gap] of gaps.entries()) {
          const wanted = expected[i] ?? 1000
          assert.isAtLeast(gap, Math.floor(wanted * 0.8), `gap ${i}`)
          assert.isAtMost(gap, Math.ceil(wanted * 1.2), `gap ${i}`)
        }
        assert.isAtLeast(gaps.length, 25)
        assert.isTrue(new Set(gaps.slice(7)).size > 1, "no jitter")
      })
    )

    it.scoped("waits before it takes up again with a server that closes at once, ever longer, until one lasts", () =>
      Effect.gen(function* () {
        const { network } = yield* start({ reconnect: Schedule.exponential("1 second") })
        for (const millis of [0, 1000, 2000, 4000]) {
          yield* network.drop
          yield* TestClock.adjust(millis)
        }
        assert.deepStrictEqual(network.attempts, [0, 0, 1000, 3000, 7000])
        yield* TestClock.adjust("1 second")
        const before = network.attempts.length
        yield* network.drop
        assert.strictEqual(network.attempts.length, before + 1)
        yield* TestClock.adjust("1 second")
        network.script = ["refuse"]
        yield* network.drop
        yield* TestClock.adjust("3 seconds")
        assert.deepStrictEqual(network.attempts.slice(before + 1), [9000, 10_000, 12_000])
      })
    )

    it.scoped("is limited in time at each attempt", () =>
      Effect.gen(function* () {
        const { network } = yield* start({ reconnect: everySecond, connectTimeout: "2 seconds" })
        network.script = ["hang", "open"]
        yield* network.drop
        yield* TestClock.adjust("3 seconds")
        assert.deepStrictEqual([network.attempts, network.hanging], [[0, 0, 3000], 0])
      })
    )

    it.scoped("gives up when the schedule ends: requests fail with the reason", () =>
      Effect.gen(function* () {
        const { client, network } = yield* start({ reconnect: Schedule.recurs(2) })
        const { fiber, seen } = yield* collect(client)
        network.script = ["refuse"]
        yield* network.drop
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(seen, ["connected", "reconnecting", "closed"])
        assert.deepStrictEqual(network.attempts, [0, 0, 0, 0])
        assert.deepStrictEqual(
          yield* Effect.flip(client.request(Echo, 1)),
          new ConnectionClosed({
            request: "echo",
            target: url,
            code: CloseCode.Abnormal,
            reason: `reconnecting was given up: ${refused.message}`
          })
        )
      })
    )

    it.scoped("may be off", () =>
      Effect.gen(function* () {
        const { client, network } = yield* start({ reconnect: false })
        const { fiber, seen } = yield* collect(client)
        yield* network.close(1001, "the server closes")
        yield* Fiber.join(fiber)
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual([seen, network.attempts], [["connected", "closed"], [0]])
        assert.deepStrictEqual(
          yield* Effect.flip(client.notify(Echo, 1)),
          new ConnectionClosed({ request: "echo", target: url, code: 1001, reason: "the server closes" })
        )
        assert.deepStrictEqual(yield* client.closed, { code: 1001, reason: "the server closes" })
      })
    )

    it.scoped("doesn't happen to a client that was replaced", () =>
      Effect.gen(function* () {
        const { client, network } = yield* start()
        const { fiber, seen } = yield* collect(client)
        yield* network.close(CloseCode.Replaced, "a newer connection has the same runtimeId")
        yield* Fiber.join(fiber)
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual([seen, network.attempts], [["connected", "closed"], [0]])
        assert.deepStrictEqual(
          yield* Effect.flip(client.request(Echo, 1)),
          new ConnectionClosed({
            request: "echo",
            target: url,
            code: CloseCode.Replaced,
            reason: "a newer connection has the same runtimeId"
          })
        )
      })
    )

    it.scoped("ends the client, with the reason, where connecting itself breaks", () =>
      withLog((lines) =>
        Effect.gen(function* () {
          const { client, network } = yield* start()
          const { fiber, seen } = yield* collect(client)
          network.script = ["die"]
          yield* network.drop
          yield* Fiber.join(fiber)
          assert.deepStrictEqual(seen, ["connected", "reconnecting", "closed"])
          const error = (yield* Effect.flip(client.request(Echo, 1))) as ConnectionClosed
          assert.deepStrictEqual(
            [error._tag, error.reason],
            ["ConnectionClosed", "reconnecting was given up: the network is broken"]
          )
          assert.include(lines.join("\n"), "ERROR Reconnecting to http://127.0.0.1:9000 failed unexpectedly (Die)")
        })
      )
    )

    it.scoped("is told as it happens, to all who watch", () =>
      withLog((lines) =>
        Effect.gen(function* () {
          const { client, network } = yield* start({ reconnect: everySecond })
          const first = yield* collect(client)
          network.script = ["refuse", "open"]
          yield* network.drop
          const second = yield* collect(client)
          yield* TestClock.adjust("1 second")
          yield* settled
          assert.deepStrictEqual(
            [first.seen, second.seen],
            [
              ["connected", "reconnecting", "connected"],
              ["reconnecting", "connected"]
            ]
          )
          assert.deepStrictEqual(
            lines.filter((line) => line.startsWith("WARN")),
            ["WARN The connection to http://127.0.0.1:9000 closed (code 1006); reconnecting"]
          )
        })
      )
    )
  })

  describe("requests", () => {
    it.scoped("made in the gap wait for the connection, then go out", () =>
      Effect.gen(function* () {
        const { client, network } = yield* start({ reconnect: everySecond })
        network.answer = answering
        network.script = ["refuse", "refuse", "open"]
        yield* network.drop
        const requests = yield* Effect.fork(
          Effect.all([client.request(Echo, 1), client.request(Echo, 2), client.notify(Echo, 3)], {
            concurrency: "unbounded"
          })
        )
        yield* TestClock.adjust("1999 millis")
        assert.isNull(requests.unsafePoll())
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(yield* Fiber.join(requests), [1, 2, undefined])
        assert.deepStrictEqual(network.servers[1]?.heard, ["r:1:echo:1", "r:2:echo:2", "m::echo:3"])
      })
    )

    it.scoped("wait no longer than their own timeout, of which the error tells the whole", () =>
      Effect.gen(function* () {
        const { client, network } = yield* start({ reconnect: everySecond, requestTimeout: "3 seconds" })
        network.script = ["hang"]
        yield* network.drop
        const timedOut = (millis: number) => {
          const unsent = `the connection was lost ${Duration.format(millis)} ago`
          return new RequestTimeout({ request: "echo", target: url, millis, unsent })
        }
        const own = yield* Effect.fork(Effect.flip(client.request(Echo, 1, { timeout: 500 })))
        const byDefault = yield* Effect.fork(Effect.flip(client.request(Echo, 2)))
        const message = yield* Effect.fork(Effect.flip(client.notify(Echo, 3, { timeout: "2 seconds" })))
        yield* TestClock.adjust(499)
        assert.isNull(own.unsafePoll())
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(yield* Fiber.join(own), timedOut(500))
        yield* TestClock.adjust(1500)
        assert.deepStrictEqual(yield* Fiber.join(message), timedOut(2000))
        yield* TestClock.adjust(1000)
        assert.deepStrictEqual(yield* Fiber.join(byDefault), timedOut(3000))
      })
    )

    it.scoped("that waited have what is left of their timeout for the response", () =>
      Effect.gen(function* () {
        const { client, network } = yield* start({ reconnect: everySecond })
        network.script = ["refuse", "open"]
        yield* network.drop
        const request = yield* Effect.fork(Effect.flip(client.request(Echo, 1, { timeout: "1500 millis" })))
        yield* TestClock.adjust("1499 millis")
        assert.deepStrictEqual([request.unsafePoll(), network.servers[1]?.heard], [null, ["r:1:echo:1"]])
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(
          yield* Fiber.join(request),
          new RequestTimeout({ request: "echo", target: url, millis: 1500 })
        )
      })
    )

    it.scoped("interrupted while they wait are never sent", () =>
      Effect.gen(function* () {
        const { client, network } = yield* start({ reconnect: everySecond })
        network.script = ["refuse", "open"]
        yield* network.drop
        const request = yield* Effect.fork(client.request(Echo, 1))
        yield* settled
        yield* Fiber.interrupt(request)
        yield* TestClock.adjust("1 second")
        yield* settled
        assert.deepStrictEqual(network.servers[1]?.heard, [])
      })
    )

    it.scoped("in flight fail at once when the connection drops; nothing is sent again", () =>
      Effect.gen(function* () {
        const { client, network } = yield* start()
        const request = yield* Effect.fork(Effect.flip(client.request(Echo, 1)))
        yield* settled
        yield* network.drop
        assert.deepStrictEqual(
          yield* Fiber.join(request),
          new ConnectionClosed({ request: "echo", target: url, code: CloseCode.Abnormal, reason: "" })
        )
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(
          network.servers.map(({ heard }) => heard),
          [["r:1:echo:1"], []]
        )
      })
    )

    it.scoped("marked idempotent are sent again, within one timeout", () =>
      Effect.gen(function* () {
        const { client, network } = yield* start({ reconnect: everySecond })
        const options = { idempotent: true, timeout: "5 seconds" } as const
        const request = yield* Effect.fork(client.request(Echo, "again", options))
        const hopeless = yield* Effect.fork(Effect.flip(client.request(Echo, "never", options)))
        yield* settled
        network.script = ["refuse", "open"]
        yield* network.drop
        network.answer = (text) => (text.includes("again") ? answering(text) : undefined)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* Fiber.join(request), "again")
        yield* TestClock.adjust("4 seconds")
        assert.deepStrictEqual(
          yield* Fiber.join(hopeless),
          new RequestTimeout({ request: "echo", target: url, millis: 5000 })
        )
      })
    )

    it.scoped("may themselves fail with what looks like a lost connection or a timeout", () =>
      Effect.gen(function* () {
        const Relay = IPCServer.defineRequest("relay", { failure: Schema.Union(ConnectionClosed, RequestTimeout) })
        const { client, network } = yield* start()
        const beyond = { request: "beyond", target: "elsewhere" }
        for (const failure of [
          new ConnectionClosed({ ...beyond, code: 1006, reason: "" }),
          new RequestTimeout({ ...beyond, millis: 5 })
        ]) {
          const encoded = { ...failure }
          network.answer = (text) =>
            `s:${text.split(":")[1]}:relay:${JSON.stringify({ success: false, error: "x", failure: encoded })}`
          assert.deepStrictEqual(yield* Effect.flip(client.request(Relay, undefined, { idempotent: true })), failure)
        }
        assert.strictEqual(network.servers[0]?.heard.length, 2)
      })
    )

    it.scoped("are woken also by a connection that opens in the moment they begin to wait", () =>
      Effect.gen(function* () {
        for (let turns = 0; turns < 10; turns++) {
          const { client, network } = yield* start()
          network.answer = answering
          network.script = ["later"]
          yield* network.drop
          const request = yield* Effect.fork(client.request(Echo, turns))
          for (let i = 0; i < turns; i++) yield* Effect.yieldNow()
          network.openLate()
          yield* settled
          assert.deepStrictEqual(request.unsafePoll(), Exit.succeed(turns), `after ${turns} turns`)
        }
      })
    )
  })

  it.scoped("keeps its handlers over reconnections", () =>
    Effect.gen(function* () {
      const { client, network } = yield* start()
      yield* client.handle(Greet, (name) => Effect.succeed(`Hello, ${name}!`))
      network.servers[0]?.transport.send('r:1:greet:"Ada"')
      yield* settled
      yield* network.drop
      network.servers[1]?.transport.send('r:1:greet:"Grace"')
      yield* settled
      assert.deepStrictEqual(
        network.servers.map(({ heard }) => heard),
        [['s:1:greet:{"success":true,"data":"Hello, Ada!"}'], ['s:1:greet:{"success":true,"data":"Hello, Grace!"}']]
      )
    })
  )

  describe("closing the scope", () => {
    const startIn = Effect.fnUntraced(function* (options?: ReconnectingClientOptions) {
      const scope = yield* Scope.make()
      const started = yield* Scope.extend(start(options), scope)
      return { ...started, close: Scope.close(scope, Exit.void) }
    })
    const closedByClient = new ConnectionClosed({
      request: "echo",
      target: url,
      code: CloseCode.Normal,
      reason: "the client closed"
    })

    it.effect("when connected sends the close event and fails what is in flight, idempotent or not", () =>
      Effect.gen(function* () {
        const { client, close, network } = yield* startIn()
        const { fiber, seen } = yield* collect(client)
        const requests = yield* Effect.forEach([false, true], (idempotent) =>
          Effect.fork(Effect.flip(client.request(Echo, 1, { idempotent })))
        )
        yield* settled
        yield* close
        assert.deepStrictEqual(yield* Fiber.join(Fiber.all(requests)), [closedByClient, closedByClient])
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(
          [seen, network.servers[0]?.closes, yield* Effect.flip(client.request(Echo, 1))],
          [["connected", "closed"], [CloseCode.Normal], closedByClient]
        )
        assert.deepStrictEqual(yield* client.closed, { code: CloseCode.Normal, reason: "the client closed" })
        assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Stream.runCollect(client.status)), ["closed"])
      })
    )

    it.effect("while it connects abandons the attempt", () =>
      Effect.gen(function* () {
        const { client, close, network } = yield* startIn()
        network.script = ["hang"]
        yield* network.drop
        const request = yield* Effect.fork(Effect.flip(client.request(Echo, 1)))
        yield* settled
        assert.strictEqual(network.hanging, 1)
        yield* close
        assert.strictEqual(network.hanging, 0)
        assert.deepStrictEqual(yield* Fiber.join(request), closedByClient)
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(network.attempts.length, 2)
      })
    )

    it.effect("while it waits to try again tries no more", () =>
      Effect.gen(function* () {
        const { client, close, network } = yield* startIn({ reconnect: everySecond })
        network.script = ["refuse"]
        yield* network.drop
        const request = yield* Effect.fork(Effect.flip(client.request(Echo, 1)))
        yield* settled
        yield* close
        assert.deepStrictEqual(yield* Fiber.join(request), closedByClient)
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(network.attempts, [0, 0])
      })
    )

    it.effect("after it gave up changes nothing", () =>
      Effect.gen(function* () {
        const { client, close, network } = yield* startIn({ reconnect: false })
        yield* network.drop
        yield* close
        const error = (yield* Effect.flip(client.request(Echo, 1))) as ConnectionClosed
        assert.strictEqual(error.code, CloseCode.Abnormal)
      })
    )

    it.effect("ends a connection that opens too late", () =>
      Effect.gen(function* () {
        const { close, network } = yield* startIn()
        network.script = ["later"]
        yield* network.drop
        yield* close
        network.openLate()
        yield* settled
        assert.deepStrictEqual(
          network.servers.map(({ closes }) => closes.length),
          [1, 1]
        )
      })
    )

    it.effect("works where it was made without interruption", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const { client } = yield* Effect.uninterruptible(Scope.extend(start(), scope))
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(yield* Effect.flip(client.request(Echo, 1)), closedByClient)
      })
    )
  })
})
