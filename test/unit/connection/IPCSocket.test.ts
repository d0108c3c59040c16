import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Context,
  Data,
  Deferred,
  Duration,
  Effect,
  Either,
  Exit,
  Fiber,
  FiberId,
  Logger,
  Metric,
  MetricState,
  Queue,
  Schema,
  Scope,
  Stream,
  TestClock,
  Tracer
} from "effect"
import {
  ConnectionClosed,
  FrameTooLarge,
  InvalidPayload,
  InvalidResponse,
  IPCServer,
  NoHandler,
  RequestFailed,
  RequestTimeout
} from "effect-ipc"
import { CloseCode } from "../../../src/CloseEvent.js"
import * as Handlers from "../../../src/connection/Handlers.js"
import { IPCSocket } from "../../../src/connection/IPCSocket.js"
import { type IPCSocketOptions, makeContext } from "../../../src/connection/IPCSocketOptions.js"
import { untypedStream } from "../../../src/IPCStream.js"
import { CallbackEffect } from "../../../src/internal/CallbackEffect.js"
import * as Execution from "../../../src/internal/Execution.js"
import type { OnEnd } from "../../../src/internal/Waiting.js"
import { Budget, MemoryBudget } from "../../../src/MemoryBudget.js"
import { makeEnd, makeEndAndPeer, makeEnds, nothing, ScriptedTransport, settled, withLog } from "../../support/pair.js"
import { withWallClock } from "../../support/wallClock.js"
import { yieldingAt } from "../../support/yielding.js"

const Echo = IPCServer.defineRequest<unknown, unknown>("echo")
const Slow = IPCServer.defineRequest<number, number>("slow")
const Ping = IPCServer.defineRequest("ping")
const Numbers = IPCServer.defineStream<number, number>("numbers")

class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { id: Schema.Number }) {
  override get message() {
    return `no user ${this.id}`
  }
}

const GetUser = IPCServer.defineRequest("users/get", {
  payload: Schema.Struct({ id: Schema.NumberFromString }),
  success: Schema.Struct({ id: Schema.Number, born: Schema.Date }),
  failure: NotFound
})

const closeEvent = { code: CloseCode.Normal, reason: "done" }

/** What a metric of the process without labels stands at. */
const gauge = (name: string): number =>
  Metric.unsafeSnapshot().reduce(
    (sum, { metricKey, metricState }) =>
      metricKey.name === name && MetricState.isCounterState(metricState) ? sum + Number(metricState.count) : sum,
    0
  )

/** The fields of an error, tag and all. */
const fields = (error: object) => ({ ...error })

describe("IPCSocket", () => {
  describe("correlation", () => {
    it.scoped("gives each of many concurrent requests its own response, whatever the order of the answers", () =>
      Effect.gen(function* () {
        const { far, near } = yield* makeEnds()
        const gates = yield* Effect.all(Array.from({ length: 500 }, () => Deferred.make<void>()))
        yield* far.handle(Slow, (n) => Effect.as(Deferred.await(gates[n] as Deferred.Deferred<void>), n * 2))
        const requests = yield* Effect.fork(
          Effect.forEach(gates, (_, n) => near.socket.request(Slow, n), { concurrency: "unbounded" })
        )
        yield* settled
        assert.deepStrictEqual(
          { near: near.socket.held, far: far.socket.held },
          { near: { ...nothing, pending: 500 }, far: { ...nothing, inFlight: 500 } }
        )
        for (const gate of [...gates].reverse()) yield* Deferred.succeed(gate, undefined)
        assert.deepStrictEqual(
          yield* Fiber.join(requests),
          gates.map((_, n) => n * 2)
        )
        assert.deepStrictEqual([near.socket.held, far.socket.held], [nothing, nothing])
      })
    )

    it.scoped("goes both ways at once over one connection", () =>
      Effect.gen(function* () {
        const { far, near } = yield* makeEnds({ extended: false })
        yield* far.handle(Echo, (x, caller) => Effect.succeed({ x, caller, at: "far" }))
        yield* near.handle(Echo, (x, caller) => Effect.succeed({ x, caller, at: "near" }))
        assert.deepStrictEqual(yield* Effect.all([near.socket.request(Echo, 1), far.socket.request(Echo, 2)]), [
          { x: 1, caller: "near", at: "far" },
          { x: 2, caller: "far", at: "near" }
        ])
      })
    )

    it.scoped("numbers a request anew each time its effect runs", () =>
      Effect.gen(function* () {
        const { peer, socket } = yield* makeEndAndPeer()
        const request = socket.request(Echo, "x")
        yield* Effect.fork(request)
        yield* Effect.fork(request)
        assert.deepStrictEqual(yield* peer.hears(2), ['r:1:echo:"x"', 'r:2:echo:"x"'])
      })
    )

    it.scoped("sends a message, which has no id and no response", () =>
      Effect.gen(function* () {
        const { far, near } = yield* makeEnds()
        const told = yield* Deferred.make<unknown>()
        yield* far.handle(Echo, (x) => Deferred.succeed(told, x))
        yield* near.socket.notify(Echo, { a: 1 })
        assert.deepStrictEqual(yield* Deferred.await(told), { a: 1 })
        yield* settled
        assert.deepStrictEqual([near.socket.held, far.socket.held], [nothing, nothing])
      })
    )

    it.scoped("lets what waits for a response go on before what a later frame of the same message wakes", () =>
      Effect.gen(function* () {
        const transport = new ScriptedTransport(2)
        const { handle, socket } = yield* makeEnd(transport, "peer", { heartbeat: "1 day" })
        const log: Array<string> = []
        const note = (text: string) => Effect.sync(() => log.push(text))
        const told = yield* Queue.unbounded<unknown>()
        yield* handle(Echo, (x) => told.offer(x))
        yield* Effect.fork(Effect.forever(Effect.flatMap(told.take, (x) => note(`message ${x}`))))
        const numbers = socket.stream(untypedStream(Numbers), 1, undefined, undefined) as Stream.Stream<
          unknown,
          unknown
        >
        yield* Effect.fork(Stream.runForEach(numbers, (n) => note(`element ${n}`)))
        transport.listener.onText('v::hello:{"maxFrameBytes":1000000,"credit":{"requests":9,"bytes":9999}}')
        yield* settled
        const requests = [2, 3, 4].map((id) =>
          Effect.flatMap(socket.request(Ping, undefined), () => note(`response ${id}`))
        )
        yield* Effect.fork(Effect.all(requests, { concurrency: "unbounded" }))
        yield* settled
        const response = (id: number) => `s:${id}:ping:{"success":true}`
        transport.listener.onText(
          [response(3), response(2), "d:1::[1]", "m::echo:2", response(4), "m::echo:3"].join("\n")
        )
        yield* settled
        assert.deepStrictEqual(log, [
          ...["response 3", "response 2", "element 1", "message 2", "response 4", "message 3"]
        ])
      })
    )

    it.scoped("takes no second response to one request", () =>
      withLog((lines) =>
        Effect.gen(function* () {
          const { peer, socket } = yield* makeEndAndPeer()
          const request = yield* Effect.fork(socket.request(Echo, 1))
          yield* peer.hears(1)
          peer.transport.send('s:1:echo:{"success":true,"data":"first"}')
          peer.transport.send('s:1:echo:{"success":true,"data":"second"}')
          assert.strictEqual(yield* Fiber.join(request), "first")
          yield* settled
          assert.deepStrictEqual(lines, ['DEBUG Dropped a late response of peer to "echo"'])
        })
      )
    )
  })

  describe("timeouts", () => {
    it.scoped("end a request at its deadline and not before, naming request, target and time", () =>
      Effect.gen(function* () {
        const { peer, socket } = yield* makeEndAndPeer()
        const byDefault = yield* Effect.fork(Effect.flip(socket.request(Echo, 1)))
        const own = yield* Effect.fork(Effect.flip(socket.request(Slow, 1, { timeout: "250 millis" })))
        const never = yield* Effect.fork(
          socket.request(Ping, undefined, { timeout: Duration.infinity }).pipe(Effect.exit)
        )
        yield* peer.hears(2)
        yield* TestClock.adjust(249)
        assert.isNull(own.unsafePoll())
        yield* TestClock.adjust(1)
        const timeout = yield* Fiber.join(own)
        assert.deepStrictEqual(fields(timeout as RequestTimeout), {
          _tag: "RequestTimeout",
          request: "slow",
          target: "peer",
          millis: 250
        } as never)
        assert.strictEqual(
          (timeout as RequestTimeout).message,
          'Request "slow" to peer had no answer within 250 ms. If it may take longer, give it a longer timeout.'
        )
        yield* TestClock.adjust(9749)
        assert.isNull(byDefault.unsafePoll())
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(
          yield* Fiber.join(byDefault),
          new RequestTimeout({ request: "echo", target: "peer", millis: 10_000 })
        )
        yield* Fiber.interrupt(never)
        assert.deepStrictEqual(socket.held, nothing)
      })
    )

    it.scoped("leave nothing pending, and a late response is dropped with a debug line", () =>
      withLog((lines) =>
        Effect.gen(function* () {
          const { peer, socket } = yield* makeEndAndPeer({ requestTimeout: 100, heartbeat: "1 day" })
          const request = yield* Effect.fork(Effect.flip(socket.request(Echo, 1)))
          yield* peer.hears(1)
          yield* TestClock.adjust(100)
          assert.instanceOf(yield* Fiber.join(request), RequestTimeout)
          assert.deepStrictEqual(socket.held, nothing)
          peer.transport.send('s:1:echo:{"success":true}')
          peer.transport.send(`s:2:${"e".repeat(500)}:{"success":true}`)
          yield* settled
          assert.deepStrictEqual(lines, [
            'DEBUG Dropped a late response of peer to "echo"',
            `DEBUG Dropped a late response of peer to "${"e".repeat(100)}"`
          ])
          assert.strictEqual(socket.state, "open")
        })
      )
    )

    it.scoped("cancel the handler of a peer that understands it, and tell a plain peer nothing", () =>
      Effect.gen(function* () {
        for (const extended of [true, false]) {
          const { peer, socket } = yield* makeEndAndPeer({ extended, requestTimeout: 100 })
          const request = yield* Effect.fork(Effect.flip(socket.request(Echo, 1)))
          yield* peer.hears(1)
          yield* TestClock.adjust(100)
          yield* Fiber.join(request)
          yield* settled
          assert.deepStrictEqual(peer.heard, extended ? ["r:1:echo:1", "c:1::"] : ["r:1:echo:1"])
        }
      })
    )
  })

  describe("interrupting a request", () => {
    it.scoped("removes its pending entry and interrupts the peer's handler, which answers nothing", () =>
      Effect.gen(function* () {
        const { far, near } = yield* makeEnds()
        const started = yield* Deferred.make<void>()
        const interrupted = yield* Deferred.make<void>()
        yield* far.handle(Slow, () =>
          Deferred.succeed(started, undefined).pipe(
            Effect.zipRight(Effect.never),
            Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
          )
        )
        const request = yield* Effect.fork(near.socket.request(Slow, 1))
        yield* Deferred.await(started)
        yield* Fiber.interrupt(request)
        assert.deepStrictEqual(near.socket.held, nothing)
        yield* Deferred.await(interrupted)
        yield* settled
        assert.deepStrictEqual(far.socket.held, nothing)
      })
    )

    it.scoped("isn't answered: the caller doesn't wait for a response", () =>
      Effect.gen(function* () {
        const { handle, peer, socket } = yield* makeEndAndPeer({ extended: true })
        yield* handle(Slow, () => Effect.never)
        peer.transport.send("r:1:slow:1\nc:1::")
        yield* settled
        assert.deepStrictEqual([socket.held, peer.heard], [nothing, []])
      })
    )

    it.scoped("interrupts the peer's handler also where that was registered in an uninterruptible region", () =>
      Effect.gen(function* () {
        const { far, near } = yield* makeEnds()
        const started = yield* Deferred.make<void>()
        const interrupted = yield* Deferred.make<void>()
        yield* Effect.uninterruptible(
          far.handle(Slow, () =>
            Deferred.succeed(started, undefined).pipe(
              Effect.zipRight(Effect.never),
              Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
            )
          )
        )
        const request = yield* Effect.fork(near.socket.request(Slow, 1))
        yield* Deferred.await(started)
        yield* Fiber.interrupt(request)
        yield* Deferred.await(interrupted)
      })
    )

    it.scoped("tells a plain peer nothing", () =>
      Effect.gen(function* () {
        const { peer, socket } = yield* makeEndAndPeer()
        const request = yield* Effect.fork(socket.request(Echo, 1))
        yield* peer.hears(1)
        yield* Fiber.interrupt(request)
        yield* settled
        assert.deepStrictEqual([socket.held, peer.heard], [nothing, ["r:1:echo:1"]])
      })
    )

    it.scoped("says nothing to the peer when the response has already come", () =>
      Effect.gen(function* () {
        const { peer, socket } = yield* makeEndAndPeer({ extended: true })
        const request = yield* Effect.fork(Effect.zipLeft(socket.request(Echo, 1), Effect.never))
        yield* peer.hears(1)
        peer.transport.send('s:1:echo:{"success":true}')
        yield* settled
        yield* Fiber.interrupt(request)
        yield* settled
        assert.deepStrictEqual(peer.heard, ["r:1:echo:1"])
      })
    )

    it.scoped("a cancellation of what isn't running, or never was, means nothing", () =>
      withLog((lines) =>
        Effect.gen(function* () {
          const { peer, socket, handle } = yield* makeEndAndPeer({ extended: true })
          yield* handle(Echo, Effect.succeed)
          peer.transport.send("c:1::")
          peer.transport.send("r:1:echo:1\nc:1::")
          peer.transport.send("c:9007199254740991::")
          assert.deepStrictEqual(yield* peer.hears(1), ['s:1:echo:{"success":true,"data":1}'])
          yield* settled
          assert.deepStrictEqual([lines, socket.state], [[], "open"])
        })
      )
    )
  })

  describe("handlers", () => {
    it.scoped("run each in its own fiber: a slow one delays no other", () =>
      Effect.gen(function* () {
        const { far, near } = yield* makeEnds()
        yield* far.handle(Slow, () => Effect.never)
        yield* far.handle(Echo, Effect.succeed)
        const slow = yield* Effect.fork(near.socket.request(Slow, 1))
        assert.strictEqual(yield* near.socket.request(Echo, "quick"), "quick")
        assert.isNull(slow.unsafePoll())
      })
    )

    it.scoped("answer a defect with its message, log its cause, and the connection lives", () =>
      withLog((lines) =>
        Effect.gen(function* () {
          const { far, near } = yield* makeEnds()
          const Defects = {
            dies: [IPCServer.defineRequest("dies"), () => Effect.die(new Error("boom in a fiber"))],
            throws: [
              IPCServer.defineRequest("throws"),
              () => {
                throw new Error("boom before any effect")
              }
            ],
            late: [
              IPCServer.defineRequest("late"),
              () => Effect.zipRight(Effect.yieldNow(), Effect.die("boom as text"))
            ],
            noEffect: [IPCServer.defineRequest("no effect"), () => undefined as never]
          } as const
          const answers: Record<string, unknown> = {}
          for (const [name, [request, handler]] of Object.entries(Defects)) {
            yield* far.handle(request, handler as () => Effect.Effect<void>)
            const error = yield* Effect.flip(near.socket.request(request, undefined))
            assert.instanceOf(error, RequestFailed)
            answers[name] = error.error
          }
          assert.deepStrictEqual(
            { dies: answers.dies, throws: answers.throws, late: answers.late },
            { dies: "boom in a fiber", throws: "boom before any effect", late: "boom as text" }
          )
          assert.match(String(answers.noEffect), /undefined/)
          yield* settled
          assert.deepStrictEqual(
            lines.filter((line) => !line.startsWith("DEBUG")),
            ["dies", "throws", "late", "no effect"].map(
              (name) => `ERROR The handler of "${name}" failed unexpectedly (Die)`
            )
          )
          yield* far.handle(Echo, Effect.succeed)
          assert.strictEqual(yield* near.socket.request(Echo, "alive"), "alive")
        })
      )
    )

    it.scoped("answer a defect whose message can't be read, and the process lives", () =>
      Effect.gen(function* () {
        const { far, near } = yield* makeEnds()
        const hostile = () =>
          Object.defineProperty(new Error(), "message", {
            get() {
              throw new Error("again")
            }
          })
        const Now = IPCServer.defineRequest("now")
        const Later = IPCServer.defineRequest("later")
        const Failing = IPCServer.defineRequest("failing")
        yield* far.handle(Now, () => Effect.die(hostile()))
        yield* far.handle(Later, () => Effect.zipRight(Effect.yieldNow(), Effect.die(hostile())))
        yield* far.handle(Failing, () => Effect.zipRight(Effect.yieldNow(), Effect.fail(hostile())))
        for (const request of [Now, Later, Failing]) {
          assert.deepStrictEqual(
            yield* Effect.flip(near.socket.request(request, undefined)),
            new RequestFailed({ request: request as string, target: "far", error: "an error that can't be shown" })
          )
        }
      })
    )

    it.scoped("answer a defect of which nothing can be read, log it, and the process lives", () => {
      const lines: Array<string> = []
      const logger = Logger.make<unknown, void>(({ cause, message }) => {
        lines.push(`${message}${Cause.isEmpty(cause) ? "" : Cause.pretty(cause).slice(0, 0)}`)
      })
      return Effect.gen(function* () {
        const { stackTraceLimit } = Error
        const { far, near } = yield* makeEnds()
        const again = () => {
          throw new Error("again")
        }
        const getters = ["success", "code", "name", "message"].map((name) => [name, { get: again }])
        const hostile = Object.defineProperties({}, Object.fromEntries(getters))
        const unreadable = new Proxy({}, { get: again, has: again, getPrototypeOf: again })
        const handlers = {
          now: () => Effect.die(hostile),
          later: () => Effect.zipRight(Effect.yieldNow(), Effect.die(hostile)),
          failing: () => Effect.fail(hostile as Error),
          throwing: () => {
            throw unreadable
          }
        }
        for (const [name, handler] of Object.entries(handlers)) {
          const request = IPCServer.defineRequest(name)
          yield* far.handle(request, handler)
          assert.deepStrictEqual(
            yield* Effect.flip(near.socket.request(request, undefined)),
            new RequestFailed({ request: name, target: "far", error: "an error that can't be shown" })
          )
        }
        assert.deepStrictEqual(lines, [
          'The handler of "now" failed unexpectedly',
          'The handler of "later" failed unexpectedly',
          `The handler of "throwing" failed unexpectedly: an error that can't be shown`
        ])
        assert.strictEqual(Error.stackTraceLimit, stackTraceLimit)
        assert.deepStrictEqual([near.socket.held, far.socket.held], [nothing, nothing])
      }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
    })

    it.scoped("are called whatever the tracer throws", () =>
      Effect.gen(function* () {
        for (const failing of ["span", "attribute", "end"]) {
          const fail = (where: string) => {
            if (where === failing) throw new Error(`the tracer's ${where}`)
          }
          const tracer = Tracer.make({
            span: (name, parent, context, links, startTime, kind) => {
              fail("span")
              const attribute = () => fail("attribute")
              const status = { _tag: "Started", startTime } as const
              const end = () => fail("end")
              const ids = { traceId: "1".repeat(32), spanId: "1".repeat(16), sampled: true }
              const rest = { attributes: new Map(), addLinks: () => {}, event: () => {} }
              return { _tag: "Span", name, parent, context, links, kind, status, attribute, end, ...ids, ...rest }
            },
            context: (f) => f()
          })
          const { far, near } = yield* makeEnds({ version: 2 })
          const Later = IPCServer.defineRequest("later")
          yield* Effect.withTracer(far.handle(Echo, Effect.succeed), tracer)
          yield* Effect.withTracer(
            far.handle(Later, () => Effect.yieldNow()),
            tracer
          )
          assert.deepStrictEqual(
            [yield* near.socket.request(Echo, 1), yield* near.socket.request(Later, undefined)],
            [1, undefined]
          )
          assert.deepStrictEqual([near.socket.held, far.socket.held], [nothing, nothing])
        }
      })
    )

    it.scoped("may fail with an error that looks like an Exit", () =>
      Effect.gen(function* () {
        class Failure extends Data.TaggedError("Failure")<{ readonly message: string }> {}
        class Success extends Data.TaggedError("Success")<{ readonly message: string }> {}
        const { far, near } = yield* makeEnds()
        yield* far.handle(Echo, (which) =>
          which === 1 ? new Failure({ message: "a" }) : new Success({ message: "b" })
        )
        const at = { request: "echo", target: "far" }
        assert.deepStrictEqual(
          yield* Effect.all([Effect.flip(near.socket.request(Echo, 1)), Effect.flip(near.socket.request(Echo, 2))]),
          [
            new RequestFailed({ ...at, error: "a", tag: "Failure" }),
            new RequestFailed({ ...at, error: "b", tag: "Success" })
          ]
        )
      })
    )

    it.scoped("answer NoHandler where there is none; a message without a handler is logged", () =>
      withLog((lines) =>
        Effect.gen(function* () {
          const { near } = yield* makeEnds()
          const error = yield* Effect.flip(near.socket.request(Echo, 1))
          assert.deepStrictEqual(error, new NoHandler({ request: "echo", target: "far" }))
          assert.strictEqual(
            (error as NoHandler).message,
            'far has no handler for request "echo". Register one there before the request is made.'
          )
          yield* near.socket.notify(Echo, 1)
          yield* settled
          assert.deepStrictEqual(lines, ['WARN Dropped a frame of near, since it has no handler here: "m::echo"'])
        })
      )
    )

    it.scoped("that an original says it doesn't have are NoHandler too", () =>
      Effect.gen(function* () {
        const { peer, socket } = yield* makeEndAndPeer()
        const request = yield* Effect.fork(Effect.flip(socket.request(Echo, 1)))
        yield* peer.hears(1)
        peer.transport.send('s:1:echo:{"success":false,"error":"No handler for: echo"}')
        assert.deepStrictEqual(yield* Fiber.join(request), new NoHandler({ request: "echo", target: "peer" }))
      })
    )

    it.scoped("answer the newest; when it goes, the one beneath is back, whatever the order they go in", () =>
      Effect.gen(function* () {
        const { far, near } = yield* makeEnds()
        const scopes = yield* Effect.all([Scope.make(), Scope.make(), Scope.make()])
        for (const [index, scope] of scopes.entries()) {
          yield* Scope.extend(
            far.handle(Echo, () => Effect.succeed(index)),
            scope
          )
        }
        const answers: Array<unknown> = []
        const ask = Effect.tap(Effect.merge(near.socket.request(Echo, 0)), (answer) => {
          answers.push(answer)
        })
        yield* ask
        yield* Scope.close(scopes[1], Exit.void)
        yield* ask
        yield* Scope.close(scopes[2], Exit.void)
        yield* ask
        yield* Scope.close(scopes[0], Exit.void)
        yield* ask
        assert.deepStrictEqual(answers, [2, 2, 0, new NoHandler({ request: "echo", target: "far" })])
      })
    )

    it.scoped("are interrupted when the scope of handle closes; the caller gets a failure", () =>
      Effect.gen(function* () {
        const { far, near } = yield* makeEnds()
        const scope = yield* Scope.make()
        const started = yield* Deferred.make<void>()
        yield* Scope.extend(
          far.handle(Slow, () => Effect.zipRight(Deferred.succeed(started, undefined), Effect.never)),
          scope
        )
        const request = yield* Effect.fork(Effect.flip(near.socket.request(Slow, 1)))
        yield* Deferred.await(started)
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(
          yield* Fiber.join(request),
          new RequestFailed({ request: "slow", target: "far", error: "the handler was interrupted" })
        )
        assert.deepStrictEqual(far.socket.held, nothing)
      })
    )

    it.scoped("that close their own scope before they first wait are interrupted too", () =>
      Effect.gen(function* () {
        const { far, near } = yield* makeEnds()
        const scope = yield* Scope.make()
        yield* Scope.extend(
          far.handle(Slow, () => Effect.zipRight(Scope.close(scope, Exit.void), Effect.never)),
          scope
        )
        assert.deepStrictEqual(
          yield* Effect.flip(near.socket.request(Slow, 1)),
          new RequestFailed({ request: "slow", target: "far", error: "the handler was interrupted" })
        )
        assert.deepStrictEqual(far.socket.held, nothing)
      })
    )

    it.scoped("have the services they require", () =>
      Effect.gen(function* () {
        class Factor extends Context.Tag("Factor")<Factor, number>() {}
        const { far, near } = yield* makeEnds()
        yield* Effect.provideService(
          far.handle(Slow, (n) => Effect.map(Factor, (factor) => n * factor)),
          Factor,
          3
        )
        assert.strictEqual(yield* near.socket.request(Slow, 14), 42)
      })
    )

    it.scoped("are not called a second time for an id that is in flight", () =>
      withLog((lines) =>
        Effect.gen(function* () {
          const { handle, peer, socket } = yield* makeEndAndPeer()
          let calls = 0
          yield* handle(Echo, () =>
            Effect.zipRight(
              Effect.sync(() => calls++),
              Effect.never
            )
          )
          peer.transport.send("r:1:echo:1")
          peer.transport.send("r:1:echo:2")
          yield* settled
          assert.deepStrictEqual(
            { calls, held: socket.held, lines },
            {
              calls: 1,
              held: { ...nothing, inFlight: 1 },
              lines: ['WARN Dropped a frame of peer, since its id is in flight already: "r:1:echo"']
            }
          )
        })
      )
    )
  })

  describe("a request with Schemas", () => {
    const born = new Date("2001-02-03T04:05:06.789Z")

    it.scoped("decodes and encodes at both ends", () =>
      Effect.gen(function* () {
        const { far, near } = yield* makeEnds()
        yield* far.handle(GetUser, ({ id }) => Effect.succeed({ id: id + 1, born }))
        assert.deepStrictEqual(yield* near.socket.request(GetUser, { id: 41 }), { id: 42, born })
      })
    )

    it.scoped("is on the wire as its Schemas encode it", () =>
      Effect.gen(function* () {
        const { peer, socket } = yield* makeEndAndPeer()
        const request = yield* Effect.fork(socket.request(GetUser, { id: 41 }))
        assert.deepStrictEqual(yield* peer.hears(1), ['r:1:users/get:{"id":"41"}'])
        peer.transport.send(`s:1:users/get:{"success":true,"data":{"id":1,"born":"${born.toISOString()}"}}`)
        assert.deepStrictEqual(yield* Fiber.join(request), { id: 1, born })
      })
    )

    it.scoped("fails typed: the same class, caught by its tag", () =>
      Effect.gen(function* () {
        const { far, near } = yield* makeEnds()
        yield* far.handle(GetUser, ({ id }) => new NotFound({ id }))
        const caught = yield* near.socket
          .request(GetUser, { id: 7 })
          .pipe(Effect.catchTag("NotFound", (error) => Effect.succeed(error)))
        assert.instanceOf(caught, NotFound)
        assert.deepStrictEqual(caught, new NotFound({ id: 7 }))
      })
    )

    it.scoped("sends a plain peer the typed failure's message too", () =>
      Effect.gen(function* () {
        const { handle, peer } = yield* makeEndAndPeer()
        yield* handle(GetUser, ({ id }) => new NotFound({ id }))
        peer.transport.send('r:5:users/get:{"id":"7"}')
        const [text] = yield* peer.hears(1)
        assert.isTrue(text?.startsWith("s:5:users/get:"))
        assert.deepStrictEqual(JSON.parse((text as string).slice("s:5:users/get:".length)), {
          success: false,
          error: "no user 7",
          tag: "NotFound",
          failure: { _tag: "NotFound", id: 7 }
        })
      })
    )

    it.scoped("crosses as its message where the failure isn't of the Schema, here or there", () =>
      Effect.gen(function* () {
        const { far, near } = yield* makeEnds()
        yield* far.handle(GetUser, () => Effect.fail(new Error("not declared") as never))
        assert.deepStrictEqual(
          yield* Effect.flip(near.socket.request(GetUser, { id: 1 })),
          new RequestFailed({ request: "users/get", target: "far", error: "not declared" })
        )
        const { peer, socket } = yield* makeEndAndPeer()
        const request = yield* Effect.fork(Effect.flip(socket.request(GetUser, { id: 1 })))
        yield* peer.hears(1)
        peer.transport.send('s:1:users/get:{"success":false,"error":"no","tag":"NotFound","failure":{"id":"x"}}')
        assert.deepStrictEqual(
          yield* Fiber.join(request),
          new RequestFailed({ request: "users/get", target: "peer", error: "no", tag: "NotFound" })
        )
      })
    )

    it.scoped("is refused by the caller where the payload doesn't fit: nothing is sent", () =>
      Effect.gen(function* () {
        const { peer, socket } = yield* makeEndAndPeer()
        for (const send of [socket.request(GetUser, { id: "x" }), socket.notify(GetUser, { id: "x" })]) {
          const error = (yield* Effect.flip(send)) as InvalidPayload
          assert.deepStrictEqual(
            { tag: error._tag, request: error.request, target: error.target, foundBy: error.foundBy },
            { tag: "InvalidPayload", request: "users/get", target: "peer", foundBy: "caller" }
          )
          assert.match(error.issue, /\["id"\]/)
        }
        yield* settled
        assert.deepStrictEqual([socket.held, peer.heard], [nothing, []])
      })
    )

    it.scoped("is refused by the peer where the payload doesn't fit: the handler isn't called", () =>
      Effect.gen(function* () {
        const { far, near } = yield* makeEnds()
        let called = false
        yield* far.handle(GetUser, () => {
          called = true
          return Effect.never
        })
        const Unchecked = IPCServer.defineRequest<unknown, unknown>("users/get")
        const error = (yield* Effect.flip(near.socket.request(Unchecked, { id: true }))) as InvalidPayload
        assert.deepStrictEqual(
          { tag: error._tag, request: error.request, target: error.target, foundBy: error.foundBy, called },
          { tag: "InvalidPayload", request: "users/get", target: "far", foundBy: "peer", called: false }
        )
        assert.match(error.issue, /\["id"\]/)
      })
    )

    it.scoped("reports a response that doesn't fit as InvalidResponse, and a result that doesn't as a failure", () =>
      Effect.gen(function* () {
        const { peer, socket } = yield* makeEndAndPeer()
        const answers = [
          '{"success":true,"data":{"id":"1"}}',
          '{"success":true}',
          '{"success":"yes"}',
          "null",
          "",
          '{"success":false}'
        ]
        const errors: Array<unknown> = []
        for (const [index, answer] of answers.entries()) {
          const request = yield* Effect.fork(Effect.flip(socket.request(GetUser, { id: 1 })))
          yield* peer.hears(index + 1)
          peer.transport.send(`s:${index + 1}:users/get:${answer}`)
          errors.push(yield* Fiber.join(request))
        }
        const shape = {
          request: "users/get",
          target: "peer",
          issue: 'it is neither {"success":true,…} nor {"success":false,"error":"…"}'
        }
        for (const error of errors) assert.instanceOf(error, InvalidResponse)
        assert.match((errors[0] as InvalidResponse).issue, /\["id"\]/)
        assert.deepStrictEqual(
          errors.slice(2),
          Array.from({ length: 4 }, () => new InvalidResponse(shape))
        )

        const { far, near } = yield* makeEnds()
        yield* far.handle(GetUser, () => Effect.succeed({ id: "no number" } as never))
        const error = (yield* Effect.flip(near.socket.request(GetUser, { id: 1 }))) as RequestFailed
        assert.match(error.error, /^the handler's result doesn't fit its Schema: /)
      })
    )

    it.scoped("whose Schema throws ends as a defect that is answered, not as a crash", () =>
      Effect.gen(function* () {
        const thrower = Schema.transform(Schema.String, Schema.String, {
          strict: true,
          decode: () => {
            throw new Error("decode threw")
          },
          encode: (text) => text
        })
        const Throws = IPCServer.defineRequest("throws", { payload: thrower })
        const { far, near } = yield* makeEnds()
        yield* far.handle(Throws, () => Effect.void)
        assert.deepStrictEqual(
          yield* Effect.flip(near.socket.request(Throws, "x")),
          new RequestFailed({ request: "throws", target: "far", error: "decode threw" })
        )
        assert.strictEqual(near.socket.state, "open")
      })
    )

    it.scoped("may have Schemas that take their time", () =>
      Effect.gen(function* () {
        const later = Schema.transformOrFail(Schema.String, Schema.String, {
          strict: true,
          decode: (text) => Effect.as(Effect.yieldNow(), `${text}>`),
          encode: (text) => Effect.as(Effect.yieldNow(), `<${text}`)
        })
        const Later = IPCServer.defineRequest("later", { payload: later, success: later })
        const { far, near } = yield* makeEnds()
        yield* far.handle(Later, Effect.succeed)
        assert.strictEqual(yield* near.socket.request(Later, "x"), "<<x>>")
      })
    )
  })

  describe("what can't be sent", () => {
    it.scoped("a payload that JSON can't hold is InvalidPayload; a result, a failure of the handler's end", () =>
      Effect.gen(function* () {
        const { far, near } = yield* makeEnds()
        for (const send of [near.socket.request(Echo, 1n), near.socket.notify(Echo, 1n)]) {
          assert.deepStrictEqual(
            yield* Effect.flip(send),
            new InvalidPayload({
              request: "echo",
              target: "far",
              foundBy: "caller",
              issue: "Do not know how to serialize a BigInt"
            })
          )
        }
        yield* far.handle(Echo, () => Effect.succeed(1n))
        assert.deepStrictEqual(
          yield* Effect.flip(near.socket.request(Echo, 1)),
          new RequestFailed({
            request: "echo",
            target: "far",
            error: "the response isn't JSON: Do not know how to serialize a BigInt"
          })
        )
        assert.deepStrictEqual([near.socket.held, far.socket.held], [nothing, nothing])
      })
    )

    it.scoped("a request over the limit is FrameTooLarge, counted in bytes of UTF-8", () =>
      Effect.gen(function* () {
        const { far, near } = yield* makeEnds({ near: { maxFrameBytes: 100 } })
        yield* far.handle(Echo, () => Effect.void)
        const head = 'r:1:echo:""'.length
        yield* near.socket.request(Echo, "x".repeat(100 - head))
        for (const [text, size] of [
          ["x".repeat(101 - head), 101],
          ["é".repeat(50), head + 100]
        ] as const) {
          const error = yield* Effect.flip(near.socket.request(Echo, text))
          assert.deepStrictEqual(error, new FrameTooLarge({ request: "echo", target: "far", size, limit: 100 }))
        }
        assert.instanceOf(yield* Effect.flip(near.socket.notify(Echo, "x".repeat(100))), FrameTooLarge)
        assert.deepStrictEqual(near.socket.held, nothing)
      })
    )

    it.scoped("a response over the limit is a failure that says so", () =>
      Effect.gen(function* () {
        const { far, near } = yield* makeEnds({ far: { maxFrameBytes: 200 } })
        yield* far.handle(Echo, () => Effect.succeed("x".repeat(1000)))
        assert.deepStrictEqual(
          yield* Effect.flip(near.socket.request(Echo, 1)),
          new RequestFailed({
            request: "echo",
            target: "far",
            error: "the response would be a frame of 1035 bytes; the limit is 200"
          })
        )
      })
    )

    it.scoped("a frame over the limit closes the connection it arrives on with 1009", () =>
      Effect.gen(function* () {
        const { far, near } = yield* makeEnds({ far: { maxFrameBytes: 100 } })
        yield* far.handle(Echo, () => Effect.void)
        yield* near.socket.request(Echo, "x".repeat(89))
        const error = yield* Effect.flip(near.socket.request(Echo, "x".repeat(90)))
        assert.deepStrictEqual(
          error,
          new ConnectionClosed({
            request: "echo",
            target: "far",
            code: 1009,
            reason: "a frame of 101 bytes; the limit is 100"
          })
        )
        assert.deepStrictEqual([near.socket.state, far.socket.state], ["closed", "closed"])
      })
    )
  })

  describe("frames that aren't", () => {
    it.scoped("are dropped with a log line of their first 100 characters, and the connection lives on", () =>
      withLog((lines) =>
        Effect.gen(function* () {
          const { handle, peer } = yield* makeEndAndPeer()
          yield* handle(Echo, Effect.succeed)
          const long = `x:1:${"y".repeat(500)}:`
          for (const text of ["hello", long, "c:1::", "", "r:1:echo:{"]) peer.transport.send(text)
          peer.transport.send("r:2:echo:1")
          assert.deepStrictEqual(yield* peer.hears(2), [
            's:1:echo:{"success":false,"error":"its data isn\'t JSON"}',
            's:2:echo:{"success":true,"data":1}'
          ])
          yield* settled
          const dropped = (why: string, text: string) =>
            `WARN Dropped a frame of peer, since ${why}: ${JSON.stringify(text)}`
          assert.deepStrictEqual(lines, [
            dropped("it isn't type:id:path:data", "hello"),
            dropped("its type is unknown", long.slice(0, 100)),
            dropped("its type is unknown", "c:1::"),
            dropped("it isn't type:id:path:data", ""),
            dropped("its data isn't JSON", "r:1:echo:{")
          ])
        })
      )
    )

    it.scoped("end the request that such a response is to, at once", () =>
      Effect.gen(function* () {
        const { peer, socket } = yield* makeEndAndPeer()
        const issues = {
          "{": "its data isn't JSON",
          [`${"[".repeat(3000)}${"]".repeat(3000)}`]: "its data has lists and objects nested more than 512 deep"
        }
        for (const [index, [data, issue]] of Object.entries(issues).entries()) {
          const request = yield* Effect.fork(Effect.flip(socket.request(Echo, 1)))
          yield* peer.hears(index + 1)
          peer.transport.send(`s:${index + 1}:echo:${data}`)
          assert.deepStrictEqual(
            yield* Fiber.join(request),
            new InvalidResponse({ request: "echo", target: "peer", issue })
          )
        }
        assert.deepStrictEqual(socket.held, nothing)
      })
    )

    it.scoped("are answered with a failure where they are requests whose id can be read", () =>
      Effect.gen(function* () {
        const { handle, peer } = yield* makeEndAndPeer()
        yield* handle(Echo, Effect.succeed)
        const answered = {
          "r:1": "s:1::",
          "r:1:": "s:1::",
          "r:1:echo": "s:1:echo:",
          "r:1:echo:": "s:1:echo:",
          "r:1:echo:{": "s:1:echo:",
          "r:01:echo:1": "s:01:echo:",
          "r:-1:echo:1": "s:-1:echo:",
          "r:1e3:echo:1": "s:1e3:echo:",
          "r:abc:echo": "s:abc:echo:",
          "r:9007199254740993:echo:1": "s:9007199254740993:echo:"
        }
        const silent = [
          "r",
          "r:",
          "r::echo:1",
          `r:${"9".repeat(65)}:echo:1`,
          "r:\n1:echo:1",
          "m::echo",
          "s:1:echo",
          "c:1"
        ]
        for (const text of [...silent, ...Object.keys(answered)]) peer.transport.send(text)
        const heard = yield* peer.hears(Object.keys(answered).length)
        yield* settled
        assert.deepStrictEqual(
          heard.map((text) => text.slice(0, text.indexOf("{"))),
          Object.values(answered)
        )
        assert.deepStrictEqual(
          heard.filter((text) => text.includes('"success":true')),
          ['s:1:echo:{"success":true}']
        )
      })
    )

    it.scoped("fill no log: after ten of a connection the rest are dropped in silence", () =>
      withLog((lines) =>
        Effect.gen(function* () {
          const { handle, peer } = yield* makeEndAndPeer({ extended: true })
          yield* handle(Echo, Effect.succeed)
          peer.transport.send(Array.from({ length: 1000 }, (_, n) => `rubbish ${n}`).join("\n"))
          peer.transport.send("r:1:echo:1")
          yield* peer.hears(1)
          yield* settled
          assert.strictEqual(lines.length, 10)
          assert.include(lines[9], "further ones of this connection are dropped in silence")
        })
      )
    )

    it.scoped("binary is one of them", () =>
      withLog((lines) =>
        Effect.gen(function* () {
          const transport = new ScriptedTransport(false)
          const { socket } = yield* makeEnd(transport, "peer")
          transport.listener.onBytes(new Uint8Array(12))
          yield* settled
          assert.deepStrictEqual(
            [socket.state, lines],
            ["open", ['WARN Dropped a frame of peer, since it isn\'t text: "12 bytes of binary"']]
          )
        })
      )
    )

    it.scoped("joined frames are taken apart only by an end that agreed to it, and only up to their limit", () =>
      Effect.gen(function* () {
        for (const extended of [true, false]) {
          const { handle, peer } = yield* makeEndAndPeer({ extended })
          yield* handle(Echo, Effect.succeed)
          peer.transport.send("r:1:echo:1\nr:2:echo:2")
          peer.transport.send("r:3:echo:[3,\n3]".replace(extended ? "\n" : "", ""))
          // Valid JSON all the same, and too long to be several frames.
          peer.transport.send(`r:4:echo:\n"${"x".repeat(200_000)}"`)
          peer.transport.send("r:5:echo:5")
          yield* peer.hears(extended ? 5 : 4)
          assert.deepStrictEqual(
            peer.heard.map((text) => text.slice(0, 20)),
            extended
              ? [1, 2, 3, 4, 5].map((id) => `s:${id}:echo:{"success":`.slice(0, 20))
              : [1, 3, 4, 5].map((id) => `s:${id}:echo:{"success":`.slice(0, 20))
          )
          assert.strictEqual(peer.heard[0]?.includes('"success":true'), extended)
        }
      })
    )
  })

  describe("heartbeat", () => {
    it.scoped("a peer silent for two is dropped: its requests end with the reason", () =>
      Effect.gen(function* () {
        const { far, near } = yield* makeEnds({ far: { heartbeat: "1 day" } })
        far.transport.freeze()
        const request = yield* Effect.fork(Effect.flip(near.socket.request(Echo, 1, { timeout: "1 hour" })))
        yield* TestClock.adjust("44999 millis")
        assert.strictEqual(near.socket.state, "open")
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(
          yield* Fiber.join(request),
          new ConnectionClosed({
            request: "echo",
            target: "far",
            code: CloseCode.Silent,
            reason: "silent for two heartbeats"
          })
        )
        assert.deepStrictEqual([near.socket.state, near.socket.held], ["closed", nothing])
      })
    )

    it.scoped("a silent peer is dropped by monotonic time: a wall clock that is set back doesn't keep it", () =>
      withWallClock((setBack) =>
        Effect.gen(function* () {
          const { far, near } = yield* makeEnds({ far: { heartbeat: "1 day" } })
          far.transport.freeze()
          setBack(3_600_000)
          yield* TestClock.adjust("45 seconds")
          assert.strictEqual(near.socket.state, "closed")
        })
      )
    )

    it.scoped("a stopped peer says nothing of its own either, and is found dead with the default options", () =>
      Effect.gen(function* () {
        const { far, near } = yield* makeEnds()
        far.transport.freeze()
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(near.socket.state, "closed")
      })
    )

    it.scoped(
      "a stopped peer is found dead though its requests are at the bound, and their handlers are interrupted",
      () =>
        Effect.gen(function* () {
          const { far, near } = yield* makeEnds({ near: { maxHandlersInFlight: 2 } })
          let interrupted = 0
          const count = Effect.sync(() => interrupted++)
          yield* near.handle(Echo, () => Effect.onInterrupt(Effect.never, () => count))
          for (let i = 0; i < 4; i++) yield* Effect.fork(far.socket.request(Echo, i, { timeout: "1 day" }))
          yield* settled
          assert.deepInclude(near.socket.held, { inFlight: 2, backlog: 2 })
          far.transport.freeze()
          yield* TestClock.adjust("1 minute")
          assert.deepStrictEqual([near.socket.state, interrupted], ["closed", 2])
        })
    )

    it.scoped("one that answers only pings lives, and so does one that is back before the second", () =>
      Effect.gen(function* () {
        const { peer, socket } = yield* makeEndAndPeer()
        yield* TestClock.adjust("10 minutes")
        assert.strictEqual(socket.state, "open")
        peer.transport.freeze()
        yield* TestClock.adjust("30 seconds")
        peer.transport.thaw()
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(socket.state, "open")
      })
    )

    it.scoped("a peer isn't silent while its requests wait", () =>
      Effect.gen(function* () {
        const { far, near } = yield* makeEnds({ far: { maxHandlersInFlight: 1 } })
        const gate = yield* Deferred.make<void>()
        yield* far.handle(Echo, () => Deferred.await(gate))
        const request = yield* Effect.fork(near.socket.request(Echo, 1, { timeout: "1 day" }))
        yield* TestClock.adjust("10 minutes")
        assert.deepStrictEqual([near.socket.state, far.socket.state], ["open", "open"])
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(request)
      })
    )

    it.scoped("and every other deadline is removed with the connection, not when it would have come", () =>
      Effect.gen(function* () {
        const waiting = new Set<object>()
        const deadlines = {
          add: (expiring: object) => void waiting.add(expiring),
          remove: (expiring: object) => void waiting.delete(expiring)
        }
        const context = yield* makeContext(Handlers.make<string>(), deadlines, { highWaterMark: 10 })
        const transport = new ScriptedTransport(true)
        const socket = new IPCSocket(context, transport, "peer", "peer")
        transport.stalled = true
        for (const payload of ["sent", "waits"]) {
          yield* Effect.fork(socket.request(Echo, payload))
          yield* Effect.fork(socket.notify(Echo, payload))
        }
        yield* settled
        assert.strictEqual(waiting.size, 5)
        transport.listener.onClosed(closeEvent)
        assert.strictEqual(waiting.size, 0)
      })
    )

    it.scoped("stops with the connection", () =>
      Effect.gen(function* () {
        const transport = new ScriptedTransport(false)
        const { socket } = yield* makeEnd(transport, "peer")
        yield* TestClock.adjust("15 seconds")
        const closing = yield* Effect.fork(socket.close(closeEvent))
        yield* TestClock.adjust("10 minutes")
        assert.deepStrictEqual(transport.calls, ["ping", "close 1000"])
        transport.listener.onClosed(closeEvent)
        yield* Fiber.join(closing)
        yield* TestClock.adjust("10 minutes")
        assert.deepStrictEqual(transport.calls, ["ping", "close 1000"])
      })
    )
  })

  describe("backpressure", () => {
    const stalledEnd = Effect.gen(function* () {
      const transport = new ScriptedTransport(true)
      const end = yield* makeEnd(transport, "peer", { highWaterMark: 100, heartbeat: "1 day" })
      transport.stalled = true
      yield* end.socket.notify(Echo, "x".repeat(100))
      return { ...end, transport }
    })

    it.scoped("past the mark senders wait, and go out in order when it drains", () =>
      Effect.gen(function* () {
        const { socket, transport } = yield* stalledEnd
        yield* Effect.fork(socket.request(Echo, 1))
        const message = yield* Effect.fork(socket.notify(Echo, 2))
        yield* Effect.fork(socket.request(Echo, 3))
        yield* settled
        assert.deepStrictEqual([transport.sent.length, socket.held.departures, message.unsafePoll()], [1, 3, null])
        transport.drain()
        yield* Fiber.join(message)
        assert.deepStrictEqual(transport.sent.slice(1), ["r:1:echo:1", "m::echo:2", "r:2:echo:3"])
        assert.deepStrictEqual(socket.held, { ...nothing, pending: 2 })
      })
    )

    it.scoped("a message that leaves while its fiber has yielded counts as sent", () =>
      Effect.gen(function* () {
        for (let step = 1; step <= 8; step++) {
          const { socket, transport } = yield* stalledEnd
          const exit = yieldingAt(step, socket.notify(Echo, 2), () => transport.drain())
          assert.deepStrictEqual([step, exit, transport.sent[1]], [step, Exit.void, "m::echo:2"])
        }
      })
    )

    it.scoped("a message that waits while its fiber has yielded fails where the connection ends", () =>
      Effect.gen(function* () {
        for (let step = 1; step <= 8; step++) {
          const { socket, transport } = yield* stalledEnd
          const exit = yieldingAt(step, socket.notify(Echo, 2), () => transport.terminate())
          const closed = new ConnectionClosed({ request: "echo", target: "peer", code: CloseCode.Abnormal, reason: "" })
          assert.deepStrictEqual([step, exit], [step, Exit.fail(closed)])
        }
      })
    )

    it.scoped("stops again at the mark when much waits", () =>
      Effect.gen(function* () {
        const { socket, transport } = yield* stalledEnd
        for (const letter of ["a", "b", "c"]) yield* Effect.fork(socket.notify(Echo, letter.repeat(150)))
        yield* settled
        const left: Array<number> = []
        for (let i = 0; i < 4; i++) {
          transport.drain()
          left.push(socket.held.departures)
        }
        assert.deepStrictEqual(left, [2, 1, 0, 0])
      })
    )

    it.scoped("what is sent after never overtakes what waits", () =>
      Effect.gen(function* () {
        const { socket, transport } = yield* stalledEnd
        const first = yield* Effect.fork(socket.notify(Echo, "first"))
        yield* settled
        // The bytes have left; the transport just hasn't said so yet.
        transport.unsentBytes = 0
        yield* socket.notify(Echo, "second")
        yield* Fiber.join(first)
        assert.deepStrictEqual(transport.sent.slice(1), ['m::echo:"first"', 'm::echo:"second"'])
      })
    )

    it.scoped("waits no longer than the timeout: then nothing is sent, and nothing cancelled", () =>
      Effect.gen(function* () {
        const { socket, transport } = yield* stalledEnd
        const request = yield* Effect.fork(Effect.flip(socket.request(Echo, 1, { timeout: 100 })))
        const message = yield* Effect.fork(Effect.flip(socket.notify(Echo, 2, { timeout: 200 })))
        yield* settled
        yield* TestClock.adjust(100)
        const timeout = { request: "echo", target: "peer" }
        assert.deepStrictEqual(yield* Fiber.join(request), new RequestTimeout({ ...timeout, millis: 100 }))
        assert.isNull(message.unsafePoll())
        yield* TestClock.adjust(100)
        assert.deepStrictEqual(yield* Fiber.join(message), new RequestTimeout({ ...timeout, millis: 200 }))
        transport.drain()
        assert.deepStrictEqual([transport.sent.length, socket.held], [1, nothing])
      })
    )

    it.scoped("what is interrupted while it waits isn't sent", () =>
      Effect.gen(function* () {
        const { socket, transport } = yield* stalledEnd
        const fibers = yield* Effect.all([Effect.fork(socket.request(Echo, 1)), Effect.fork(socket.notify(Echo, 2))])
        yield* settled
        yield* Fiber.interruptAll(fibers)
        assert.deepStrictEqual(socket.held, nothing)
        transport.drain()
        assert.strictEqual(transport.sent.length, 1)
      })
    )

    it.scoped("what waits fails when the connection ends", () =>
      Effect.gen(function* () {
        const { socket, transport } = yield* stalledEnd
        const request = yield* Effect.fork(Effect.flip(socket.request(Echo, 1)))
        const message = yield* Effect.fork(Effect.flip(socket.notify(Echo, 2)))
        yield* settled
        transport.listener.onClosed({ code: 1006, reason: "" })
        const closed = new ConnectionClosed({ request: "echo", target: "peer", code: 1006, reason: "" })
        assert.deepStrictEqual([yield* Fiber.join(request), yield* Fiber.join(message)], [closed, closed])
        assert.deepStrictEqual([transport.sent.length, socket.held], [1, nothing])
      })
    )

    it.scoped("responses wait too, and requests behind them, each answered in order, whatever it is", () =>
      Effect.gen(function* () {
        const transport = new ScriptedTransport(true)
        const { handle, socket } = yield* makeEnd(transport, "peer", { highWaterMark: 1000, maxFrameBytes: 2000 })
        yield* handle(Echo, Effect.succeed)
        transport.stalled = true
        transport.listener.onText(`r:1:echo:"${"x".repeat(980)}"`)
        transport.listener.onText('r:2:echo:"waits"')
        transport.listener.onText("r:3:nobody:")
        transport.listener.onText(`r:4:echo:"${"y".repeat(980)}"`)
        assert.deepStrictEqual(
          { sent: transport.sent.length, held: socket.held, calls: transport.calls },
          { sent: 1, held: { ...nothing, departures: 1, backlog: 2 }, calls: [] }
        )
        transport.stalled = false
        transport.drain()
        assert.deepStrictEqual(
          transport.sent.map((text) => text.slice(0, 4)),
          ["s:1:", "s:4:", "s:2:", "s:3:"]
        )
        assert.deepStrictEqual([socket.held, socket.heldBytes], [nothing, 0])
      })
    )

    it.scoped("past the limit of handlers requests wait; when one ends the next begins", () =>
      Effect.gen(function* () {
        const { far, near } = yield* makeEnds({ far: { maxHandlersInFlight: 3 } })
        let running = 0
        let most = 0
        const gates = yield* Effect.all(Array.from({ length: 10 }, () => Deferred.make<void>()))
        yield* far.handle(Slow, (n) =>
          Effect.suspend(() => {
            most = Math.max(most, ++running)
            return Deferred.await(gates[n] as Deferred.Deferred<void>)
          }).pipe(Effect.ensuring(Effect.sync(() => running--)), Effect.as(n))
        )
        const requests = yield* Effect.fork(
          Effect.forEach(gates, (_, n) => near.socket.request(Slow, n), { concurrency: "unbounded" })
        )
        const counts: Array<number> = []
        for (const gate of gates) {
          yield* settled
          counts.push(far.socket.held.inFlight)
          yield* Deferred.succeed(gate, undefined)
        }
        assert.deepStrictEqual(
          yield* Fiber.join(requests),
          gates.map((_, n) => n)
        )
        assert.deepStrictEqual({ most, counts }, { most: 3, counts: [3, 3, 3, 3, 3, 3, 3, 3, 2, 1] })
        assert.deepStrictEqual(far.socket.held, nothing)
      })
    )

    it.scoped("the limit holds within one joined message, whose rest is read in order", () =>
      Effect.gen(function* () {
        const transport = new ScriptedTransport(true)
        const { handle, socket } = yield* makeEnd(transport, "peer", { maxHandlersInFlight: 2 })
        const gates = yield* Effect.all(Array.from({ length: 6 }, () => Deferred.make<void>()))
        const order: Array<number> = []
        yield* handle(Slow, (n) => {
          order.push(n)
          return Effect.as(Deferred.await(gates[n] as Deferred.Deferred<void>), n)
        })
        transport.listener.onText([0, 1, 2, 3].map((n) => `r:${n}:slow:${n}`).join("\n"))
        transport.listener.onText("r:4:slow:4\nr:5:slow:5")
        const inFlight: Array<number> = []
        for (const gate of gates) {
          inFlight.push(socket.held.inFlight)
          yield* Deferred.succeed(gate, undefined)
          yield* settled
        }
        assert.deepStrictEqual({ inFlight, order }, { inFlight: [2, 2, 2, 2, 2, 1], order: [0, 1, 2, 3, 4, 5] })
        assert.deepStrictEqual(
          transport.sent.map((text) => text.slice(0, 4)),
          [0, 1, 2, 3, 4, 5].map((n) => `s:${n}:`)
        )
        assert.deepStrictEqual([socket.held, socket.heldBytes], [nothing, 0])
      })
    )

    it.scoped("what waits to be handled is gone with the connection", () =>
      Effect.gen(function* () {
        const transport = new ScriptedTransport(true)
        const { handle, socket } = yield* makeEnd(transport, "peer", { maxHandlersInFlight: 1 })
        let calls = 0
        yield* handle(Slow, () =>
          Effect.zipRight(
            Effect.sync(() => calls++),
            Effect.never
          )
        )
        transport.listener.onText("r:1:slow:1\nr:2:slow:2")
        transport.listener.onText("r:3:slow:3")
        assert.deepStrictEqual(socket.held, { ...nothing, inFlight: 1, backlog: 2 })
        const closing = yield* Effect.fork(socket.close(closeEvent))
        yield* settled
        assert.deepStrictEqual([calls, socket.held, transport.calls], [1, nothing, ["close 1000"]])
        transport.listener.onClosed(closeEvent)
        yield* Fiber.join(closing)
        yield* settled
        assert.deepStrictEqual([calls, transport.calls], [1, ["close 1000"]])
      })
    )

    for (const extended of [true, false]) {
      const peerKind = extended ? "a peer of ours" : "a plain peer"

      it.scoped(`handlers that ask their caller back are all answered, with ${peerKind}`, () =>
        Effect.gen(function* () {
          const limits = { maxHandlersInFlight: 16, heartbeat: "1 day" } as const
          const { far, near } = yield* makeEnds({ extended, near: limits, far: limits })
          yield* near.handle(Slow, (n) => Effect.as(Effect.yieldNow(), n * 2))
          yield* far.handle(Echo, (n) => Effect.orDie(far.socket.request(Slow, Number(n))))
          const numbers = Array.from({ length: 200 }, (_, n) => n)
          const answers = yield* Effect.forEach(numbers, (n) => near.socket.request(Echo, n), {
            concurrency: "unbounded"
          })
          assert.deepStrictEqual(
            answers,
            numbers.map((n) => n * 2)
          )
          assert.deepStrictEqual(
            [near.socket.held, near.socket.heldBytes, far.socket.held, far.socket.heldBytes],
            [nothing, 0, nothing, 0]
          )
        })
      )

      it.scoped(`two ends that flood each other with requests for large answers get them all, with ${peerKind}`, () =>
        Effect.gen(function* () {
          const limits = { highWaterMark: 100_000, maxHandlersInFlight: 64, heartbeat: "1 day" } as const
          const { far, near } = yield* makeEnds({ extended, near: limits, far: limits })
          const Now = IPCServer.defineRequest<number, string>("now")
          const Later = IPCServer.defineRequest<number, string>("later")
          const answer = (n: number) => String(n).padEnd(4000, "x")
          for (const { handle } of [near, far]) {
            yield* handle(Now, (n) => Effect.succeed(answer(n)))
            yield* handle(Later, (n) => Effect.as(Effect.yieldNow(), answer(n)))
          }
          const numbers = Array.from({ length: 250 }, (_, n) => n)
          const flood = ({ socket }: typeof near) =>
            Effect.forEach(
              numbers.flatMap((n) => [socket.request(Now, n), socket.request(Later, n)]),
              (request) => request,
              { concurrency: "unbounded" }
            )
          const all = yield* Effect.all([flood(near), flood(far)], { concurrency: "unbounded" })
          const expected = numbers.flatMap((n) => [answer(n), answer(n)])
          assert.deepStrictEqual(all, [expected, expected])
          assert.deepStrictEqual([near.socket.heldBytes, far.socket.heldBytes], [0, 0])
        })
      )
    }

    it.scoped("a cancellation is read at the bound: of handlers that run, and of requests that wait", () =>
      Effect.gen(function* () {
        const { far, near } = yield* makeEnds({ near: { requestTimeout: 1000 }, far: { maxHandlersInFlight: 10 } })
        let interrupted = 0
        yield* far.handle(Slow, () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++)))
        yield* far.handle(Ping, () => Effect.void)
        const requests = yield* Effect.fork(
          Effect.forEach(Array.from({ length: 100 }), () => Effect.flip(near.socket.request(Slow, 1)), {
            concurrency: "unbounded"
          })
        )
        yield* settled
        assert.deepStrictEqual(far.socket.held, { ...nothing, inFlight: 10, backlog: 90 })
        yield* TestClock.adjust(1000)
        for (const error of yield* Fiber.join(requests)) assert.instanceOf(error, RequestTimeout)
        yield* near.socket.request(Ping, undefined)
        assert.deepStrictEqual([interrupted, far.socket.held, far.socket.heldBytes], [10, nothing, 0])
      })
    )

    it.scoped("requests beyond what may wait are answered at once, with a failure that says so", () =>
      Effect.gen(function* () {
        for (const extended of [true, false]) {
          const limits = { maxHandlersInFlight: 1, highWaterMark: 2000, heartbeat: "1 day" } as const
          const { far, near } = yield* makeEnds({ extended, far: limits })
          const gate = yield* Deferred.make<void>()
          yield* far.handle(Echo, (text) => Effect.as(Deferred.await(gate), text))
          const requests = yield* Effect.fork(
            Effect.forEach(
              Array.from({ length: 20 }, (_, n) => String(n).padEnd(400, "x")),
              (text) => Effect.either(near.socket.request(Echo, text)),
              { concurrency: "unbounded" }
            )
          )
          yield* settled
          assert.isAtMost(far.socket.heldBytes, 2 * 2000)
          const waiting = near.socket.held.pending
          yield* Deferred.succeed(gate, undefined)
          const results = yield* Fiber.join(requests)
          const refused = results.filter(Either.isLeft).map(({ left }) => left)
          assert.strictEqual(waiting, 20 - refused.length)
          assert.isAtLeast(waiting, 3)
          for (const error of refused) {
            assert.deepInclude(error, { _tag: "RequestFailed", tag: "Overloaded" })
            assert.match(String(error.message), /too many requests wait: this connection holds \d+ bytes/)
          }
          // Those that came first are the ones that are answered.
          assert.isTrue(results.slice(0, waiting).every(Either.isRight))
        }
      })
    )

    it.scoped("a peer that never reads holds no more than its bound, and is dropped if it sends on for ever", () =>
      Effect.gen(function* () {
        const transport = new ScriptedTransport(true)
        const { handle, socket } = yield* makeEnd(transport, "peer", { highWaterMark: 10_000, heartbeat: "1 day" })
        yield* handle(Echo, Effect.succeed)
        yield* handle(Slow, (n) => Effect.as(Effect.yieldNow(), n))
        transport.stalled = true
        let most = 0
        let sent = 0
        while (socket.state === "open" && sent < 100_000) {
          transport.listener.onText(`r:${sent++}:echo:"${"x".repeat(2000)}"\nr:${sent++}:slow:${sent}`)
          most = Math.max(most, socket.heldBytes)
          if (sent % 100 === 0) yield* Effect.yieldNow()
        }
        assert.deepStrictEqual([socket.state, transport.calls], ["closing", ["close 4003"]])
        // Twice the mark, the frames that went over it, and a mebibyte of refusals.
        assert.isBelow(most, 2 * 10_000 + 2 * 2100 + 1024 * 1024)
      })
    )

    it.scoped("a response that is too much beside what is unread already becomes a failure", () =>
      Effect.gen(function* () {
        const transport = new ScriptedTransport(true)
        const { handle, socket } = yield* makeEnd(transport, "peer", { highWaterMark: 1000, heartbeat: "1 day" })
        const gate = yield* Deferred.make<void>()
        yield* handle(Slow, () => Effect.as(Deferred.await(gate), 1))
        yield* handle(Echo, (text) => Effect.as(Deferred.await(gate), String(text).repeat(900)))
        transport.stalled = true
        for (let id = 0; id < 20; id++) transport.listener.onText(`r:${id}:echo:"x"`)
        yield* Deferred.succeed(gate, undefined)
        yield* settled
        assert.isBelow(socket.heldBytes, 4 * 1000 + 20 * 200)
        transport.stalled = false
        transport.drain()
        const failed = transport.sent.filter((text) => text.includes('"success":false'))
        assert.deepStrictEqual([transport.sent.length, socket.held, socket.heldBytes], [20, nothing, 0])
        assert.isTrue(failed.length > 10 && failed.length < 18)
        assert.match(failed[0] ?? "", /the response of \d+ bytes was dropped: \d+ bytes are unread already/)
        // It knows by now how large they are, and lets in no more than have room.
        for (let id = 20; id < 28; id++) transport.listener.onText(`r:${id}:echo:"x"`)
        yield* settled
        assert.strictEqual(transport.sent.slice(20).filter((text) => text.includes('"success":true')).length, 8)
      })
    )

    it.scoped("past the bound of the process each connection has its share, and each is served", () =>
      Effect.gen(function* () {
        const budget = new Budget(400_000)
        const options = { highWaterMark: 300_000, heartbeat: "1 day" } as const
        const ends: Array<{ readonly transport: ScriptedTransport; readonly socket: IPCSocket<string> }> = []
        for (let i = 0; i < 10; i++) {
          const transport = new ScriptedTransport(true)
          const end = yield* Effect.provideService(makeEnd(transport, `peer ${i}`, options), MemoryBudget, budget)
          yield* end.handle(Echo, Effect.succeed)
          ends.push(end)
        }
        const request = `r:1:echo:"${"x".repeat(20_000)}"`
        for (const { transport } of ends.slice(1)) {
          transport.stalled = true
          for (let n = 0; n < 30; n++) transport.listener.onText(request.replace("r:1", `r:${n}`))
        }
        const greedy = ends.slice(1).map(({ socket }) => socket.heldBytes)
        assert.isTrue(budget.isExceeded)
        assert.isBelow(budget.heldBytes, 2 * 400_000)
        assert.isBelow(Math.max(...greedy), 2 * 300_000 + 30_000)
        const quiet = ends[0] as (typeof ends)[0]
        quiet.transport.listener.onText(request)
        assert.include(quiet.transport.sent[0], '"success":true')
        for (const { transport } of ends) transport.listener.onClosed(closeEvent)
        assert.strictEqual(budget.heldBytes, 0)
      })
    )

    it.scoped("counts a payload as what is parsed of it, and refuses another connection's before it is parsed", () =>
      Effect.gen(function* () {
        const budget = new Budget(1_500_000)
        let handled = 0
        const connected = Effect.gen(function* () {
          const transport = new ScriptedTransport(1)
          const end = yield* Effect.provideService(makeEnd(transport, "peer"), MemoryBudget, budget)
          yield* end.handle(Echo, () =>
            Effect.zipRight(
              Effect.sync(() => handled++),
              Effect.never
            )
          )
          return { ...end, hears: (text: string) => transport.listener.onText(text), sent: transport.sent }
        })
        const [first, second] = [yield* connected, yield* connected]
        const payload = JSON.stringify(Object.fromEntries(Array.from({ length: 7500 }, (_, i) => [`k${i}`, i])))
        first.hears(`r:1:echo:${payload}`)
        assert.isAbove(first.socket.heldBytes, 8 * payload.length)
        first.hears(`r:2:echo:${payload}`)
        second.hears(`r:3:echo:${payload}`)
        second.hears(`m::echo:${payload}`)
        assert.match(
          second.sent.join(),
          /^s:3:echo:\{"success":false,"error":"it takes about \d+ bytes once it is parsed; the process holds \d+ bytes for its peers, and may hold 2250000","tag":"Overloaded"\}$/
        )
        assert.strictEqual(handled, 2)
        assert.isAtMost(budget.heldBytes, 2_250_000)
        first.hears("c:1::\nc:2::")
        yield* settled
        assert.deepStrictEqual([first.socket.heldBytes, budget.heldBytes], [0, 0])
        second.hears(`r:4:echo:${payload}`)
        assert.strictEqual(handled, 3)
        // Many small ones count as well.
        for (let id = 1; id <= 100; id++) first.hears(`r:${id}:echo:"${"x".repeat(4000)}"`)
        assert.isAbove(budget.heldBytes - second.socket.heldBytes, 300_000)
      })
    )

    it.scoped("well past the bound of the process nothing larger than a share is answered, sent or received", () =>
      Effect.gen(function* () {
        const budget = new Budget(200_000)
        const ends: Array<{ readonly transport: ScriptedTransport; readonly socket: IPCSocket<string> }> = []
        for (let i = 0; i < 20; i++) {
          const transport = new ScriptedTransport(true)
          const end = yield* Effect.provideService(makeEnd(transport, `peer ${i}`), MemoryBudget, budget)
          yield* end.handle(Echo, (length) => Effect.succeed("e".repeat(Number(length))))
          transport.stalled = true
          ends.push(end)
        }
        // Each asks for one response, which alone would be let out.
        for (const { transport } of ends) transport.listener.onText("r:1:echo:90000")
        assert.isTrue(budget.isFull)
        assert.isBelow(budget.heldBytes, 1.5 * 200_000 + 100_000)
        const last = ends[19] as (typeof ends)[0]
        const { listener, sent } = last.transport
        assert.match(
          sent[0] ?? "",
          /the response of 900\d\d bytes was dropped: the process holds \d+ bytes for its peers"/
        )
        // By now it is known how large its responses are.
        listener.onText("r:2:echo:90000")
        assert.match(sent[1] ?? "", /"error":"the process holds \d+ bytes for its peers","tag":"Overloaded"/)
        listener.onText("m::echo:1")
        assert.deepStrictEqual([last.socket.state, sent.length], ["open", 2])

        listener.onReceiving(16 * 1024)
        assert.strictEqual(last.socket.state, "open")
        listener.onReceiving(16 * 1024 + 1)
        assert.deepStrictEqual([last.socket.state, last.transport.calls], ["closing", ["close 1013"]])
        for (const { transport } of ends) transport.listener.onClosed(closeEvent)
        assert.strictEqual(budget.heldBytes, 0)
      })
    )

    it.scoped("a frame that arrives bit by bit is counted until it is whole", () =>
      Effect.gen(function* () {
        const transport = new ScriptedTransport(true)
        const { handle, socket } = yield* makeEnd(transport, "peer", {})
        yield* handle(Echo, Effect.succeed)
        transport.listener.onReceiving(300_000)
        assert.strictEqual(socket.heldBytes, 300_000)
        transport.listener.onReceiving(0)
        transport.listener.onText(`r:1:echo:"${"x".repeat(300_000)}"`)
        assert.strictEqual(socket.heldBytes, 0)
      })
    )

    it.scoped("a connection that stays at its bound is logged, once", () =>
      withLog((lines) =>
        Effect.gen(function* () {
          const { far, near } = yield* makeEnds({ far: { maxHandlersInFlight: 1 } })
          const gate = yield* Deferred.make<void>()
          yield* far.handle(Echo, () => Deferred.await(gate))
          const requests = yield* Effect.fork(
            Effect.all([near.socket.request(Echo, 1, { timeout: "1 day" }), near.socket.request(Echo, 2)], {
              concurrency: "unbounded",
              mode: "either"
            })
          )
          yield* Effect.forkScoped(near.socket.request(Echo, 3, { timeout: "1 day" }))
          yield* TestClock.adjust("10 minutes")
          assert.deepStrictEqual(
            lines.filter((line) => line.startsWith("WARN")),
            [
              "WARN The connection to near stays at its bound: 1 handlers in flight, 1 requests and 0 frames waiting, 0 bytes unread"
            ]
          )
          yield* Deferred.succeed(gate, undefined)
          yield* Fiber.join(requests)
        })
      )
    )

    it.scoped("a peer that dies at the bound is noticed by its silence", () =>
      Effect.gen(function* () {
        const { far, near } = yield* makeEnds({ far: { maxHandlersInFlight: 4 }, near: { heartbeat: "1 day" } })
        yield* far.handle(Slow, () => Effect.never)
        for (let n = 0; n < 8; n++) yield* Effect.forkScoped(near.socket.request(Slow, n, { timeout: "1 day" }))
        yield* settled
        assert.deepStrictEqual(far.socket.held, { ...nothing, inFlight: 4, backlog: 4 })
        near.transport.freeze()
        yield* TestClock.adjust("45 seconds")
        assert.deepStrictEqual([far.socket.state, far.socket.held], ["closed", nothing])
      })
    )
  })

  describe("each event in each state", () => {
    const scripted = Effect.gen(function* () {
      const transport = new ScriptedTransport(true)
      const end = yield* makeEnd(transport, "peer", { heartbeat: "1 day" })
      const interrupted = yield* Deferred.make<void>()
      yield* end.handle(Slow, () => Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined)))
      yield* end.handle(Echo, Effect.succeed)
      return { ...end, interrupted }
    })

    const sends = (socket: IPCSocket<string>) =>
      Effect.all([Effect.flip(socket.request(Echo, 1)), Effect.flip(socket.notify(Echo, 1))])

    it.scoped(
      "open: close fails what is pending, interrupts handlers, sends the close event and waits for the end",
      () =>
        Effect.gen(function* () {
          const { interrupted, socket, transport } = yield* scripted
          transport.listener.onText("r:1:slow:1")
          const request = yield* Effect.fork(Effect.flip(socket.request(Echo, 1)))
          yield* settled
          const closing = yield* Effect.fork(socket.close(closeEvent))
          yield* Deferred.await(interrupted)
          assert.deepStrictEqual(
            yield* Fiber.join(request),
            new ConnectionClosed({ request: "echo", target: "peer", ...closeEvent })
          )
          yield* settled
          assert.deepStrictEqual(
            { state: socket.state, calls: transport.calls, closing: closing.unsafePoll(), held: socket.held },
            { state: "closing", calls: ["close 1000"], closing: null, held: nothing }
          )
          transport.listener.onClosed({ code: 1005, reason: "" })
          yield* Fiber.join(closing)
          assert.deepStrictEqual([socket.state, yield* socket.closed], ["closed", closeEvent])
          assert.deepStrictEqual(transport.sent, ["r:1:echo:1"])
        })
    )

    it.scoped("open: the end of the transport fails what is pending and interrupts handlers", () =>
      Effect.gen(function* () {
        const { interrupted, socket, transport } = yield* scripted
        transport.listener.onText("r:1:slow:1")
        const request = yield* Effect.fork(Effect.flip(socket.request(Echo, 1)))
        const closed = yield* Effect.fork(socket.closed)
        yield* settled
        const event = { code: 1001, reason: "going" }
        transport.listener.onClosed(event)
        yield* Deferred.await(interrupted)
        assert.deepStrictEqual(
          [yield* Fiber.join(request), yield* Fiber.join(closed), socket.state],
          [new ConnectionClosed({ request: "echo", target: "peer", ...event }), event, "closed"]
        )
        yield* settled
        assert.deepStrictEqual([socket.held, transport.sent, transport.calls], [nothing, ["r:1:echo:1"], []])
      })
    )

    it.scoped("closing: nothing goes out, frames are ignored, a second close waits for the same end", () =>
      Effect.gen(function* () {
        const { socket, transport } = yield* scripted
        const first = yield* Effect.fork(socket.close(closeEvent))
        yield* settled
        const second = yield* Effect.fork(socket.close({ code: 1001, reason: "again" }))
        const error = new ConnectionClosed({ request: "echo", target: "peer", ...closeEvent })
        assert.deepStrictEqual(yield* sends(socket), [error, error])
        transport.listener.onText("r:1:echo:1")
        transport.listener.onText("m::echo:1")
        transport.listener.onText('s:1:echo:{"success":true}')
        transport.listener.onDrain()
        transport.listener.onAlive()
        yield* TestClock.adjust("3 days")
        assert.deepStrictEqual(
          { state: socket.state, sent: transport.sent, calls: transport.calls, second: second.unsafePoll() },
          { state: "closing", sent: [], calls: ["close 1000"], second: null }
        )
        transport.listener.onClosed({ code: 1006, reason: "" })
        yield* Fiber.joinAll([first, second])
        assert.deepStrictEqual(yield* socket.closed, closeEvent)
      })
    )

    it.scoped("closed: nothing goes out, frames are ignored, close and closed are done at once", () =>
      Effect.gen(function* () {
        const { socket, transport } = yield* scripted
        let ends = 0
        socket.onceClosed(() => ends++)
        transport.listener.onClosed(closeEvent)
        transport.listener.onClosed({ code: 1006, reason: "a second end" })
        const error = new ConnectionClosed({ request: "echo", target: "peer", ...closeEvent })
        assert.deepStrictEqual(yield* sends(socket), [error, error])
        transport.listener.onText("r:1:echo:1")
        transport.listener.onDrain()
        yield* socket.close({ code: 1001, reason: "too late" })
        yield* TestClock.adjust("3 days")
        assert.deepStrictEqual(
          { closed: yield* socket.closed, ends, sent: transport.sent, calls: transport.calls },
          { closed: closeEvent, ends: 1, sent: [], calls: [] }
        )
      })
    )

    it.scoped("a handler that ends after the close has its response dropped", () =>
      Effect.gen(function* () {
        const { handle, socket, transport } = yield* scripted
        const gate = yield* Deferred.make<void>()
        const Stubborn = IPCServer.defineRequest("stubborn")
        yield* handle(Stubborn, () => Effect.uninterruptible(Deferred.await(gate)))
        transport.listener.onText("r:1:stubborn:")
        const closing = yield* Effect.fork(socket.close(closeEvent))
        yield* settled
        yield* Deferred.succeed(gate, undefined)
        yield* settled
        assert.deepStrictEqual([transport.sent, socket.held], [[], nothing])
        transport.listener.onClosed(closeEvent)
        yield* Fiber.join(closing)
      })
    )

    it.scoped("a handler that closes its own connection is interrupted, waiting or not, and answers nothing", () =>
      Effect.gen(function* () {
        for (const before of [Effect.void, Effect.yieldNow()]) {
          const { handle, socket, transport } = yield* scripted
          const outcome = yield* Deferred.make<string>()
          const Quit = IPCServer.defineRequest("quit")
          yield* handle(Quit, () =>
            before.pipe(
              Effect.zipRight(socket.close(closeEvent)),
              Effect.zipRight(Deferred.succeed(outcome, "went on")),
              Effect.onInterrupt(() => Deferred.succeed(outcome, "interrupted"))
            )
          )
          transport.listener.onText("r:1:quit:\nr:2:echo:1")
          assert.strictEqual(yield* Deferred.await(outcome), "interrupted")
          transport.listener.onClosed(closeEvent)
          yield* settled
          assert.deepStrictEqual([transport.sent, socket.held], [before === Effect.void ? [] : transport.sent, nothing])
        }
      })
    )

    it.scoped("a handler that closes the connection as it is called answers nothing", () =>
      Effect.gen(function* () {
        const { handle, socket, transport } = yield* scripted
        const Quit = IPCServer.defineRequest("quit")
        yield* handle(Quit, () => {
          Effect.runFork(socket.close(closeEvent))
          return Effect.succeed(undefined)
        })
        transport.listener.onText("r:1:quit:")
        assert.deepStrictEqual([socket.state, transport.sent], ["closing", []])
      })
    )

    it.scoped("an interrupted close has closed all the same", () =>
      Effect.gen(function* () {
        const { socket, transport } = yield* scripted
        const closing = yield* Effect.fork(socket.close(closeEvent))
        yield* settled
        yield* Fiber.interrupt(closing)
        transport.listener.onClosed({ code: 1006, reason: "" })
        assert.strictEqual(socket.state, "closed")
      })
    )

    it.scoped("both ends may close at once", () =>
      Effect.gen(function* () {
        const { far, near } = yield* makeEnds()
        yield* Effect.all([near.socket.close(closeEvent), far.socket.close(closeEvent)], { concurrency: "unbounded" })
        assert.deepStrictEqual([near.socket.state, far.socket.state], ["closed", "closed"])
      })
    )
  })

  describe("called by the code that it calls", () => {
    const scriptedWith = Effect.fnUntraced(function* (options: IPCSocketOptions) {
      const transport = new ScriptedTransport(2)
      const end = yield* makeEnd(transport, "peer", { heartbeat: "1 day", ...options })
      transport.listener.onText('v::hello:{"maxFrameBytes":1000000,"credit":{"requests":100,"bytes":1000000}}')
      transport.sent.length = 0
      return end
    })
    const scripted = scriptedWith({})

    it.scoped("sends nothing whose payload closes the connection while it is printed", () =>
      Effect.gen(function* () {
        const Items = untypedStream(IPCServer.defineStream<unknown, number>("items"))
        for (const [name, send] of [
          ["echo", (socket: IPCSocket<string>, payload: unknown) => socket.request(Echo, payload)],
          ["echo", (socket: IPCSocket<string>, payload: unknown) => socket.notify(Echo, payload)],
          [
            "items",
            (socket: IPCSocket<string>, payload: unknown) =>
              Stream.runDrain(socket.stream(Items, payload, undefined, undefined)) as Effect.Effect<void, unknown>
          ]
        ] as const) {
          const { socket, transport } = yield* scripted
          const payload = {
            get closing() {
              transport.terminate()
              return 1
            }
          }
          const error = yield* Effect.flip(send(socket, payload))
          assert.deepStrictEqual(
            [error, socket.held, transport.sent],
            [new ConnectionClosed({ request: name, target: "peer", code: CloseCode.Abnormal, reason: "" }), nothing, []]
          )
        }
      })
    )

    it.scoped("sends no elements of which one closes the connection while they are printed", () =>
      Effect.gen(function* () {
        const { handlers, socket, transport } = yield* scripted
        const Items = IPCServer.defineStream<void, unknown>("items")
        const closing = {
          toJSON: () => {
            Effect.runFork(socket.close(closeEvent))
            return 2
          }
        }
        yield* handlers.handleStream(Items, () => Stream.make<Array<unknown>>(1, closing, 3))
        transport.listener.onText("q:1:items:")
        transport.listener.onText('w:1::{"items":100,"bytes":1000}')
        yield* settled
        assert.deepStrictEqual(
          [transport.sent, transport.calls, socket.streams, socket.held],
          [["o:1::"], ["close 1000"], 0, nothing]
        )
      })
    )

    it.scoped("counts the payload of a handler that ends another one, in whose place a third begins", () =>
      Effect.gen(function* () {
        const { handle, socket, transport } = yield* scriptedWith({ maxHandlersInFlight: 2 })
        const ended: Array<OnEnd<void, never>> = []
        const Wait = IPCServer.defineRequest("wait")
        yield* handle(Wait, () => new CallbackEffect((onEnd) => void ended.push(onEnd)))
        const Ending = IPCServer.defineRequest<unknown>("ending")
        yield* handle(Ending, () => {
          ended.shift()?.(Exit.void)
          return Effect.never
        })
        for (const id of [1, 2]) transport.listener.onText(`r:${id}:wait:`)
        // Some 160,000 bytes once it is parsed.
        transport.listener.onText(`r:3:ending:[${"{},".repeat(2000)}{}]`)
        transport.listener.onText("r:4:wait:")
        ended.shift()?.(Exit.void)
        assert.deepStrictEqual(socket.held, { ...nothing, inFlight: 2 })
        assert.isAbove(socket.heldBytes, 100_000)
      })
    )

    it.scoped("counts a request once that is abandoned while another one is told of the connection's end", () =>
      Effect.gen(function* () {
        const { socket, transport } = yield* scripted
        const before = gauge("effect_ipc.client.active_requests")
        const [first, second] = [socket.request(Echo, 1), socket.request(Echo, 2)].map((request) =>
          Execution.start<unknown, unknown>(request, (effect) => Effect.runFork(effect))
        )
        first?.observe(() => second?.interrupt())
        transport.listener.onClosed(closeEvent)
        assert.deepStrictEqual(
          [gauge("effect_ipc.client.active_requests"), socket.held, second?.exit],
          [before, nothing, Exit.interrupt(FiberId.none)]
        )
      })
    )

    it.scoped("keeps no credit for a peer whose connection has ended", () =>
      Effect.gen(function* () {
        const { handle, socket, transport } = yield* scriptedWith({ highWaterMark: 100, maxHandlersInFlight: 1 })
        yield* handle(Echo, () => Effect.uninterruptible(Effect.delay(Effect.void, 1000)))
        transport.listener.onText("r:1:echo:1")
        transport.unsentBytes = 1000
        transport.listener.onClosed(closeEvent)
        yield* TestClock.adjust(1000)
        assert.deepStrictEqual(socket.held, nothing)
      })
    )

    it.scoped("counts no memory of handlers that end after the connection", () =>
      Effect.gen(function* () {
        const { handle, transport } = yield* scripted
        const before = gauge("effect_ipc.memory.usage")
        yield* handle(Echo, () => Effect.uninterruptible(Effect.delay(Effect.void, 1000)))
        for (const id of [1, 2]) transport.listener.onText(`r:${id}:echo:"${"x".repeat(100_000)}"`)
        transport.listener.onReceiving(100_000)
        transport.listener.onClosed(closeEvent)
        transport.listener.onReceiving(200_000)
        yield* TestClock.adjust(1000)
        transport.listener.onReceiving(0)
        assert.strictEqual(gauge("effect_ipc.memory.usage"), before)
      })
    )
  })

  it.scoped("holds nothing after much of everything", () =>
    Effect.gen(function* () {
      const { far, near } = yield* makeEnds({ near: { requestTimeout: 50 } })
      yield* far.handle(Echo, (n) => {
        switch (Number(n) % 5) {
          case 0:
            return Effect.succeed(n)
          case 1:
            return Effect.as(Effect.yieldNow(), n)
          case 2:
            return Effect.fail("no")
          case 3:
            return Effect.die("broken")
          default:
            return Effect.never
        }
      })
      const fibers = yield* Effect.forEach(Array.from({ length: 500 }), (_, n) =>
        Effect.fork(Effect.either(near.socket.request(Echo, n)))
      )
      yield* settled
      for (const fiber of fibers.slice(0, 250)) yield* Fiber.interruptFork(fiber)
      yield* settled
      yield* TestClock.adjust(50)
      const exits = yield* Effect.forEach(fibers, Fiber.await)
      const kinds = exits.map((exit) =>
        Exit.match(exit, {
          onFailure: (cause) => (Cause.isInterruptedOnly(cause) ? "interrupted" : "?"),
          onSuccess: Either.match({
            onLeft: (error) => (error as { readonly _tag: string })._tag,
            onRight: () => "answered"
          })
        })
      )
      const expected = Array.from({ length: 500 }, (_, n) => {
        if (n % 5 === 4) return n < 250 ? "interrupted" : "RequestTimeout"
        return n % 5 < 2 ? "answered" : "RequestFailed"
      })
      assert.deepStrictEqual(kinds, expected)
      yield* settled
      assert.deepStrictEqual([near.socket.held, far.socket.held], [nothing, nothing])
    })
  )
})
