import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { FrameTooLarge, IPCServer, RequestTimeout } from "effect-ipc"
import { makeEndAndPeer, makeEnds, nothing, settled } from "../../support/pair.js"

const Echo = IPCServer.defineRequest<unknown, unknown>("echo")
const Slow = IPCServer.defineRequest<number, number>("slow")

const hello = (maxFrameBytes: number, requests: number, bytes: number) =>
  `v::hello:${JSON.stringify({ maxFrameBytes, credit: { requests, bytes } })}`

const version = 2 as const

describe("Between two ends of effect-ipc.2", () => {
  it.scoped("each says first what it takes", () =>
    Effect.gen(function* () {
      const { peer } = yield* makeEndAndPeer({
        version,
        maxFrameBytes: 1000,
        highWaterMark: 5000,
        maxHandlersInFlight: 7
      })
      assert.deepStrictEqual(yield* peer.hears(1), [hello(1000, 7, 5000)])
    })
  )

  it.scoped("requests and messages wait for the peer's hello, in order", () =>
    Effect.gen(function* () {
      const { peer, socket } = yield* makeEndAndPeer({ version })
      yield* Effect.fork(socket.request(Echo, 1))
      const message = yield* Effect.fork(socket.notify(Echo, 2))
      yield* Effect.fork(socket.request(Echo, 3))
      yield* settled
      assert.deepStrictEqual([peer.heard.length, socket.held], [1, { ...nothing, pending: 2, departures: 3 }])
      peer.transport.send(hello(1000, 10, 1000))
      yield* Fiber.join(message)
      assert.deepStrictEqual((yield* peer.hears(4)).slice(1), ["r:1:echo:1", "m::echo:2", "r:2:echo:3"])
    })
  )

  it.scoped("no more is sent than the peer grants, by number and by bytes; the last may overdraw", () =>
    Effect.gen(function* () {
      const { peer, socket } = yield* makeEndAndPeer({ version })
      peer.transport.send(hello(1000, 3, 30))
      for (let n = 1; n <= 6; n++) yield* Effect.fork(socket.request(Echo, n))
      yield* settled
      // Eleven bytes each, so that the third overdraws.
      assert.deepStrictEqual(peer.heard.slice(1), ["r:1:echo:1", "r:2:echo:2", "r:3:echo:3"])
      peer.transport.send('k:::{"requests":1,"bytes":0}')
      yield* settled
      assert.strictEqual(peer.heard.length, 4)
      peer.transport.send('k:::{"requests":1,"bytes":10}')
      yield* settled
      assert.deepStrictEqual(peer.heard.slice(4), ["r:4:echo:4"])
      peer.transport.send('k:::{"requests":100,"bytes":100}')
      yield* settled
      assert.deepStrictEqual(peer.heard.slice(5), ["r:5:echo:5", "r:6:echo:6"])
    })
  )

  it.scoped("what is given up while it waits costs no credit and cancels nothing", () =>
    Effect.gen(function* () {
      const { peer, socket } = yield* makeEndAndPeer({ version })
      peer.transport.send(hello(1000, 1, 1000))
      yield* Effect.fork(socket.request(Echo, 1, { timeout: "1 day" }))
      const expiring = yield* Effect.fork(Effect.flip(socket.request(Echo, 2, { timeout: 100 })))
      const message = yield* Effect.fork(Effect.flip(socket.notify(Echo, 3, { timeout: 100 })))
      const interrupted = yield* Effect.fork(socket.request(Echo, 4))
      yield* settled
      yield* Fiber.interrupt(interrupted)
      yield* TestClock.adjust(100)
      const timeout = new RequestTimeout({ request: "echo", target: "peer", millis: 100 })
      assert.deepStrictEqual([yield* Fiber.join(expiring), yield* Fiber.join(message)], [timeout, timeout])
      peer.transport.send('k:::{"requests":1,"bytes":100}')
      yield* Effect.fork(socket.request(Echo, 5))
      yield* settled
      assert.deepStrictEqual(peer.heard.slice(1), ["r:1:echo:1", "r:4:echo:5"])
      assert.strictEqual(socket.heldBytes, 0)
    })
  )

  it.scoped("what is over the peer's limit fails and names that limit, before its hello and after", () =>
    Effect.gen(function* () {
      const { peer, socket } = yield* makeEndAndPeer({ version })
      const early = yield* Effect.fork(Effect.flip(socket.request(Echo, "x".repeat(100))))
      const message = yield* Effect.fork(Effect.flip(socket.notify(Echo, "x".repeat(100))))
      const small = yield* Effect.fork(socket.request(Echo, "small"))
      yield* settled
      peer.transport.send(hello(100, 10, 1000))
      const at = { request: "echo", target: "peer", limit: 100 }
      assert.deepStrictEqual(
        [
          yield* Fiber.join(early),
          yield* Fiber.join(message),
          yield* Effect.flip(socket.request(Echo, "x".repeat(100)))
        ],
        [
          new FrameTooLarge({ ...at, size: 'r:1:echo:""'.length + 100 }),
          new FrameTooLarge({ ...at, size: 'm::echo:""'.length + 100 }),
          new FrameTooLarge({ ...at, size: 'r:3:echo:""'.length + 100 })
        ]
      )
      assert.deepStrictEqual((yield* peer.hears(2)).slice(1), ['r:2:echo:"small"'])
      yield* Fiber.interrupt(small)
    })
  )

  it.scoped("a response over the peer's limit is a failure that names it", () =>
    Effect.gen(function* () {
      const { handle, peer } = yield* makeEndAndPeer({ version })
      yield* handle(Echo, () => Effect.succeed("x".repeat(1000)))
      peer.transport.send(hello(500, 10, 1000))
      peer.transport.send("r:1:echo:1")
      const [, answer] = yield* peer.hears(2)
      assert.match(answer ?? "", /the response would be a frame of \d+ bytes; the limit is 500/)
    })
  )

  it.scoped("credit comes back as handlers end, whatever becomes of the request, half of it at a time", () =>
    Effect.gen(function* () {
      const { handle, peer, socket } = yield* makeEndAndPeer({ version, maxHandlersInFlight: 4 })
      const gate = yield* Deferred.make<void>()
      yield* handle(Slow, (n) => Effect.as(Deferred.await(gate), n))
      yield* handle(Echo, Effect.succeed)
      const grants = () => peer.heard.filter((text) => text.startsWith("k"))
      for (const frame of ["r:1:echo:1", "r:2:slow:2", "r:3:slow:3", "r:4:nobody:"]) peer.transport.send(frame)
      yield* settled
      assert.deepStrictEqual(grants(), ['k:::{"requests":2,"bytes":21}'])
      peer.transport.send("r:5:echo:{")
      peer.transport.send("m::nobody:")
      yield* settled
      assert.deepStrictEqual(grants().slice(1), ['k:::{"requests":2,"bytes":20}'])
      peer.transport.send("c:2::")
      yield* Deferred.succeed(gate, undefined)
      yield* settled
      assert.deepStrictEqual(grants().slice(2), ['k:::{"requests":2,"bytes":20}'])
      assert.strictEqual(socket.heldBytes, 0)
    })
  )

  it.scoped("many requests are all answered, and none ever waits at the peer", () =>
    Effect.gen(function* () {
      const { far, near } = yield* makeEnds({ version, far: { maxHandlersInFlight: 10 } })
      let most = 0
      yield* far.handle(Slow, (n) =>
        Effect.suspend(() => {
          most = Math.max(most, far.socket.held.inFlight + far.socket.held.backlog)
          return Effect.as(Effect.yieldNow(), n * 2)
        })
      )
      const numbers = Array.from({ length: 300 }, (_, n) => n)
      const answers = yield* Effect.forEach(numbers, (n) => near.socket.request(Slow, n), { concurrency: "unbounded" })
      assert.deepStrictEqual(
        answers,
        numbers.map((n) => n * 2)
      )
      assert.isAtMost(most, 10)
      assert.deepStrictEqual([near.socket.held, near.socket.heldBytes, far.socket.heldBytes], [nothing, 0, 0])
    })
  )

  it.scoped("requests that wait for credit keep this end from handling none of the peer's", () =>
    Effect.gen(function* () {
      const limits = { highWaterMark: 2000, maxHandlersInFlight: 4 }
      const { far, near } = yield* makeEnds({ version, near: limits, far: limits })
      yield* near.handle(Slow, (n) => Effect.succeed(n))
      yield* far.handle(Echo, (text) => Effect.orDie(Effect.as(far.socket.request(Slow, 1), text)))
      const texts = Array.from({ length: 50 }, (_, n) => String(n).padEnd(500, "x"))
      assert.deepStrictEqual(
        yield* Effect.forEach(texts, (text) => near.socket.request(Echo, text), { concurrency: "unbounded" }),
        texts
      )
    })
  )

  for (const [what, frames] of Object.entries({
    "a second hello": [hello(1000, 1, 1000), hello(1000, 1, 1000)],
    "a hello without its limits": ['v::hello:{"credit":{}}']
  })) {
    it.scoped(`${what} ends the connection`, () =>
      Effect.gen(function* () {
        const { peer, socket } = yield* makeEndAndPeer({ version })
        for (const frame of frames) peer.transport.send(frame)
        assert.deepStrictEqual(yield* socket.closed, { code: 1002, reason: what })
      })
    )
  }
})

describe("Trace context", () => {
  const traceId = "0af7651916cd43dd8448eb211c80319c"
  const traceparent = `00-${traceId}-b7ad6b7169203331-01`

  it.scoped("reaches the handler from behind the id of a request and in the place of a message's", () =>
    Effect.gen(function* () {
      const { handle, peer } = yield* makeEndAndPeer({ version })
      const traces: Array<string | undefined> = []
      yield* handle(Echo, (payload) =>
        Effect.map(Effect.option(Effect.currentSpan), (span) => {
          traces.push(Option.getOrUndefined(span)?.traceId)
          return payload
        })
      )
      peer.transport.send(`r:7;${traceparent};a%3D1;:echo:1`)
      peer.transport.send(`m:;${traceparent};;:echo:1`)
      peer.transport.send("r:8;rubbish:echo:2")
      assert.deepStrictEqual((yield* peer.hears(3)).slice(1), [
        's:7:echo:{"success":true,"data":1}',
        's:8:echo:{"success":true,"data":2}'
      ])
      assert.deepStrictEqual(traces, [traceId, traceId, undefined])
    })
  )

  it.scoped("isn't known to a peer that agreed to less", () =>
    Effect.gen(function* () {
      const { handle, peer } = yield* makeEndAndPeer({ extended: true })
      yield* handle(Echo, Effect.succeed)
      peer.transport.send(`r:7;${traceparent};;:echo:1`)
      const [answer] = yield* peer.hears(1)
      assert.include(answer, '"success":false')
    })
  )
})
