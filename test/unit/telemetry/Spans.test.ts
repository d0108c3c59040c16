import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as MetricState from "effect/MetricState"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Tracer from "effect/Tracer"
import { IPCClient, IPCPeer, IPCServer } from "effect-ipc"
import { MemoryIPC } from "effect-ipc/testing"
import { makePair } from "../../../src/connection/MemoryTransport.js"
import * as ReconnectingClient from "../../../src/connection/ReconnectingClient.js"
import * as Subprotocol from "../../../src/connection/Subprotocol.js"
import * as InnerScope from "../../../src/internal/InnerScope.js"
import * as MemoryElection from "../../support/MemoryElection.js"
import { makeRecorder, recordedBy } from "../../support/spans.js"

const Square = IPCServer.defineRequest<number, number>("square")
const Nobody = IPCServer.defineRequest<void, void>("nobody")
const Count = IPCClient.defineRequest<string, number>("count")
const Note = IPCServer.defineRequest<string, void>("note")
const Numbers = IPCServer.defineStream<number, number>("numbers")
class TooLarge extends Schema.TaggedError<TooLarge>()("TooLarge", {}) {}
const Checked = IPCServer.defineRequest("checked", {
  payload: Schema.Number,
  success: Schema.Number,
  failure: TooLarge
})

/** With a client that is named `client`, all of whose and whose server's spans are recorded. */
const traced = <A, E>(
  test: (context: {
    readonly recorder: ReturnType<typeof makeRecorder>
    readonly client: IPCClient.Service
    readonly peer: IPCPeer
    readonly network: MemoryIPC.MemoryIPC.Service
  }) => Effect.Effect<A, E, Scope.Scope>
) =>
  Effect.suspend(() => {
    const recorder = makeRecorder()
    return Effect.gen(function* () {
      const client = yield* IPCClient
      const peer = yield* IPCPeer
      return yield* test({ recorder, client, peer, network: yield* MemoryIPC.MemoryIPC })
    }).pipe(Effect.provide(MemoryIPC.layer()), recordedBy(recorder))
  })

describe("A traced request", () => {
  it.scoped("has a client span, and below that the server span under which its handler runs", () =>
    traced(({ client, peer, recorder }) =>
      Effect.gen(function* () {
        yield* peer.handle(Square, (n) => Effect.withSpan(Effect.succeed(n * n), "multiply"))
        assert.strictEqual(yield* Effect.withSpan(client.request(Square, 3), "caller"), 9)
        assert.deepStrictEqual(recorder.tree(), [
          "internal caller",
          "  client square",
          "    server square",
          "      internal multiply"
        ])
      })
    )
  )

  it.scoped("is a trace of its own where its caller has no span", () =>
    traced(({ client, peer, recorder }) =>
      Effect.gen(function* () {
        yield* peer.handle(Square, (n) => Effect.succeed(n * n))
        yield* client.request(Square, 3)
        yield* client.request(Square, 4)
        assert.deepStrictEqual(recorder.tree(), [
          "client square",
          "  server square",
          "client square",
          "  server square"
        ])
      })
    )
  )

  it.scoped("never hangs under the ended span in which the handler was registered", () =>
    traced(({ client, peer, recorder }) =>
      Effect.gen(function* () {
        yield* Effect.withSpan(
          peer.handle(Square, (n) => Effect.withSpan(Effect.succeed(n * n), "multiply")),
          "start-up"
        )
        yield* client.request(Square, 3)
        assert.deepStrictEqual(recorder.tree(), [
          "internal start-up",
          "client square",
          "  server square",
          "    internal multiply"
        ])
      })
    )
  )

  it.scoped("goes on in the requests that its handler makes, back to the caller too", () =>
    traced(({ client, peer, recorder }) =>
      Effect.gen(function* () {
        yield* client.handle(Count, (text) => Effect.succeed(text.length))
        // The handler's own effect is that of the request: no fiber is needed for it where nothing is traced.
        yield* peer.handle(Square, (n) => Effect.orDie(peer.request("client", Count, "x".repeat(n))))
        assert.strictEqual(yield* client.request(Square, 5), 5)
        assert.deepStrictEqual(recorder.tree(), [
          "client square",
          "  server square",
          "    client count",
          "      server count"
        ])
      })
    )
  )

  it.scoped("fails with its handler, which both spans show", () =>
    traced(({ client, peer, recorder }) =>
      Effect.gen(function* () {
        yield* peer.handle(Checked, () => new TooLarge())
        yield* peer.handle(Square, () => Effect.dieMessage("no"))
        assert.instanceOf(yield* Effect.flip(client.request(Checked, 1)), TooLarge)
        yield* Effect.flip(client.request(Square, 1))
        yield* Effect.flip(client.request(Nobody))
        assert.deepStrictEqual(recorder.tree(), [
          "client checked !",
          "  server checked !",
          "client square !",
          "  server square !",
          "client nobody !"
        ])
        assert.deepStrictEqual(
          recorder.spans.map((span) => span.attributes.get("error.type")),
          ["TooLarge", "TooLarge", "RequestFailed", "RuntimeException", "NoHandler"]
        )
      })
    )
  )

  it.scoped("ends with its caller's interruption, and with its deadline", () =>
    traced(({ client, network, peer, recorder }) =>
      Effect.gen(function* () {
        yield* peer.handle(Square, () => Effect.never)
        const fiber = yield* Effect.fork(client.request(Square, 1))
        yield* TestClock.adjust("1 millis")
        yield* Fiber.interrupt(fiber)
        const late = yield* Effect.fork(Effect.exit(client.request(Square, 1, { timeout: "1 second" })))
        yield* TestClock.adjust("2 seconds")
        assert.isTrue(Exit.isFailure(yield* Fiber.join(late)))
        yield* network.goOffline
        const waiting = yield* Effect.fork(Effect.exit(client.request(Square, 1, { timeout: "1 second" })))
        yield* TestClock.adjust("2 seconds")
        assert.isTrue(Exit.isFailure(yield* Fiber.join(waiting)))
        assert.deepStrictEqual(recorder.tree(), [
          "client square !",
          "  server square !",
          "client square !",
          "  server square !",
          "client square !"
        ])
        const last = recorder.spans.at(-1)
        assert.strictEqual(last?.attributes.get("error.type"), "RequestTimeout")
        assert.deepStrictEqual(
          last?.status._tag === "Ended" && last.status.endTime - last.status.startTime,
          1_000_000_000n
        )
      })
    )
  )

  it.scoped("is traced by the default Tracer too where its caller has a span", () =>
    Effect.gen(function* () {
      const client = yield* IPCClient
      const peer = yield* IPCPeer
      const Trace = IPCServer.defineRequest<void, { traceId: string; parent: string | undefined }>("trace")
      yield* peer.handle(Trace, () =>
        Effect.map(Effect.orDie(Effect.currentSpan), ({ parent, traceId }) => ({
          traceId,
          parent: Option.getOrUndefined(parent)?.spanId
        }))
      )
      const span = Tracer.externalSpan({ traceId: "a".repeat(32), spanId: "b".repeat(16) })
      const { parent, traceId } = yield* Effect.withParentSpan(client.request(Trace), span)
      assert.strictEqual(traceId, span.traceId)
      assert.match(parent ?? "", /^[0-9a-f]{16}$/)
      assert.notStrictEqual(parent, span.spanId)
    }).pipe(Effect.provide(MemoryIPC.layer()))
  )

  it.scoped("passes its caller's context on unchanged where the tracer is turned off", () =>
    Effect.gen(function* () {
      const client = yield* IPCClient
      const peer = yield* IPCPeer
      const Parent = IPCServer.defineRequest<void, string>("parent")
      yield* peer.handle(Parent, () => Effect.map(Effect.orDie(Effect.currentParentSpan), ({ spanId }) => spanId))
      const span = Tracer.externalSpan({ traceId: "a".repeat(32), spanId: "b".repeat(16) })
      assert.strictEqual(yield* Effect.withParentSpan(client.request(Parent), span), span.spanId)
    }).pipe(Effect.withTracerEnabled(false), Effect.provide(MemoryIPC.layer()))
  )
})

describe("A peer of an earlier version", () => {
  for (const version of [0, 1] as const) {
    it.scoped(
      `${version === 0 ? "with plain frames" : "of effect-ipc.1"} gets no trace context, and the caller's span is made`,
      () =>
        Effect.gen(function* () {
          const recorder = makeRecorder()
          const [left, right] = makePair(version === 0 ? Subprotocol.plain : Subprotocol.extended)
          const heard: Array<string> = []
          right.listen({
            onText: (text) => {
              heard.push(text)
              right.send('s:1:square:{"success":true,"data":9}')
            },
            onBytes: () => {},
            onReceiving: () => {},
            onAlive: () => {},
            onDrain: () => {},
            onClosed: () => {}
          })
          const client = yield* ReconnectingClient.make(
            "http://127.0.0.1:9000",
            (onOpen) => Effect.sync(() => onOpen(left)),
            {}
          )
          const asked = recordedBy(recorder)(client.request(Square, 3))
          assert.strictEqual(yield* asked, 9)
          assert.deepStrictEqual(heard, ["r:1:square:3"])
          assert.deepStrictEqual(recorder.tree(), ["client square"])
          assert.deepStrictEqual(Object.fromEntries(recorder.spans[0]?.attributes ?? []), {
            "rpc.system.name": "effect-ipc",
            "rpc.method": "square",
            "server.address": "127.0.0.1",
            "server.port": 9000
          })
        })
    )
  }
})

describe("A traced message", () => {
  it.scoped("has a producer and a consumer span", () =>
    traced(({ client, peer, recorder }) =>
      Effect.gen(function* () {
        yield* client.handle(Count, (text) => Effect.succeed(text.length))
        yield* peer.handle(Note, () => Effect.asVoid(Effect.orDie(peer.notify("client", Count, "x"))))
        yield* Effect.withSpan(client.notify(Note, "hello"), "caller")
        yield* peer.broadcast(Count, "all")
        yield* Effect.yieldNow()
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(recorder.tree(), [
          "internal caller",
          "  producer note",
          "    consumer note",
          "      producer count",
          "        consumer count",
          "producer count",
          "  consumer count"
        ])
      })
    )
  )
})

describe("A traced stream", () => {
  it.scoped("has a client and a server span for as long as it is open", () =>
    traced(({ client, peer, recorder }) =>
      Effect.gen(function* () {
        yield* peer.handleStream(Numbers, (n) =>
          n < 0
            ? Stream.fail(new TooLarge())
            : Stream.mapEffect(Stream.range(1, n), (i) => Effect.withSpan(Effect.succeed(i), `element ${i}`))
        )
        const numbers = client.stream(Numbers, 2)
        assert.deepStrictEqual([...(yield* Effect.withSpan(Stream.runCollect(numbers), "caller"))], [1, 2])
        yield* Effect.exit(Stream.runDrain(client.stream(Numbers, -1)))
        assert.deepStrictEqual(recorder.tree(), [
          "internal caller",
          "  client numbers",
          "    server numbers",
          "      internal element 1",
          "      internal element 2",
          "client numbers !",
          "  server numbers !"
        ])
      })
    )
  )
})

describe("The terms of an election", () => {
  it.scoped("have a span each, which isn't part of the start-up's, and count as roles", () =>
    Effect.gen(function* () {
      const recorder = makeRecorder()
      const place = MemoryElection.make()
      const join = Effect.fnUntraced(function* (name: string) {
        const scope = yield* InnerScope.make
        const election = yield* Scope.extend(place.participant(name, Schedule.spaced("100 millis")), scope)
        return { election, leave: Scope.close(scope, Exit.void) }
      })
      const before = rolesNow()
      yield* Effect.gen(function* () {
        const first = yield* Effect.withSpan(join("first"), "start-up")
        const second = yield* join("second")
        assert.deepStrictEqual(rolesSince(before), { leader: 1, follower: 1 })
        yield* Effect.fork(first.leave)
        const leads = Stream.runHead(Stream.filter(second.election.roles, (role) => role === "leader"))
        yield* Effect.raceFirst(leads, Effect.forever(TestClock.adjust("100 millis")))
        assert.deepStrictEqual(rolesSince(before), { leader: 1 })
        yield* second.leave
      }).pipe(recordedBy(recorder))
      assert.deepStrictEqual(rolesSince(before), {})
      assert.deepStrictEqual(
        recorder.spans.map(({ attributes, name }) => [name, attributes.get("effect_ipc.role")]),
        [
          ["start-up", undefined],
          ["effect_ipc.election.term", "leader"],
          ["effect_ipc.election.term", "follower"],
          ["effect_ipc.election.term", "leader"]
        ]
      )
      assert.deepStrictEqual(recorder.tree(), [
        "internal start-up",
        ...Array.from({ length: 3 }, () => "internal effect_ipc.election.term")
      ])
    })
  )
})

/** How many participants there are, by role. */
const rolesNow = (): Record<string, number> =>
  Object.fromEntries(
    Metric.unsafeSnapshot().flatMap(({ metricKey, metricState }) =>
      metricKey.name === "effect_ipc.election.participants" && MetricState.isCounterState(metricState)
        ? [[metricKey.tags.find(({ key }) => key === "effect_ipc.role")?.value ?? "", Number(metricState.count)]]
        : []
    )
  )

const rolesSince = (before: Record<string, number>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(rolesNow()).flatMap(([role, count]) => {
      const change = count - (before[role] ?? 0)
      return change === 0 ? [] : [[role, change]]
    })
  )
