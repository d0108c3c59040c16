import { assert, describe } from "@effect/vitest"
import { connect } from "@nats-io/transport-node"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as NatsDiscovery from "../../../layers/nats/NatsDiscovery.js"
import { version } from "../../../layers/process/PackageVersion.js"
import { IPCServer } from "../../../src/IPCServer.js"
import * as InnerScope from "../../../src/internal/InnerScope.js"
import * as ServiceClient from "../../../src/ServiceClient.js"
import * as ServiceServer from "../../../src/ServiceServer.js"
import * as TraceContext from "../../../src/telemetry/TraceContext.js"
import { live, told } from "../../support/live.js"
import * as NatsServer from "../../support/NatsServer.js"
import { makeRecorder, recordedBy } from "../../support/spans.js"
import { untilSo } from "../../support/turns.js"

class TooBig extends Schema.TaggedError<TooBig>()("TooBig", { limit: Schema.Number }) {}

const Echo = IPCServer.defineRequest<string, string>("users/echo")
const Refuse = IPCServer.defineRequest("users/refuse", { payload: Schema.Number, failure: TooBig })
const Never = IPCServer.defineRequest<void, void>("users/never")
const Count = IPCServer.defineStream<number, number>("users/count")

class Users extends ServiceClient.Tag("users") {}

const connected = (servers: string) =>
  Effect.acquireRelease(
    Effect.promise(() => connect({ servers })),
    (open) => Effect.promise(() => open.close())
  )

const options = (servers: string, runtimeId: string) => ({ servers, runtimeId, lease: "1 second" as const })

/** A process's services, and how it ends. */
const started = <A, E>(layer: Layer.Layer<A, E>) =>
  Effect.gen(function* () {
    const scope = yield* InnerScope.make
    const context = yield* Layer.buildWithScope(layer, scope)
    return { context, leave: Scope.close(scope, Exit.void) }
  })

const serving = (servers: string, runtimeId: string, interrupted?: Deferred.Deferred<void>) =>
  started(
    ServiceServer.layer("users", (server) =>
      Effect.all([
        server.handle(Echo, (text) => Effect.succeed(`${runtimeId}:${text}`)),
        server.handle(Refuse, (limit) => Effect.fail(new TooBig({ limit }))),
        server.handle(Never, () =>
          Effect.onInterrupt(Effect.never, () =>
            interrupted === undefined ? Effect.void : Deferred.succeed(interrupted, undefined)
          )
        ),
        server.handleStream(Count, (end) => Stream.range(1, end))
      ])
    ).pipe(Layer.provide(NatsDiscovery.layer(options(servers, runtimeId))))
  )

const calling = (servers: string) =>
  Effect.map(started(Users.layer.pipe(Layer.provide(NatsDiscovery.layer(options(servers, "caller"))))), ({ context }) =>
    Context.get(context, Users)
  )

describe("Services that ask each other by name on NATS", () => {
  live("have requests, typed failures, deadlines, cancellation and streams as on one machine", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.start({ config: "max_payload: 65536" })
      const interrupted = yield* Deferred.make<void>()
      yield* serving(url, "a", interrupted)
      const users = yield* calling(url)
      assert.strictEqual(yield* users.request(Echo, "hi"), "a:hi")
      assert.deepStrictEqual(yield* Effect.flip(users.request(Refuse, 7)), new TooBig({ limit: 7 }))
      // Above what the server takes as one message.
      const large = "ü".repeat(300_000)
      assert.strictEqual((yield* users.request(Echo, large)).length, large.length + 2)
      assert.strictEqual((yield* told(users.request(Never, undefined, { timeout: "50 millis" }))).tag, "RequestTimeout")
      yield* Deferred.await(interrupted)
      assert.strictEqual(Chunk.size(yield* Stream.runCollect(users.stream(Count, 5000))), 5000)
    })
  )

  live("take another instance once one is withdrawn, and wait for one where there is none", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.start()
      const users = yield* calling(url)
      const early = yield* Effect.fork(users.request(Echo, "early"))
      const a = yield* serving(url, "a")
      assert.strictEqual(yield* Fiber.join(early), "a:early")
      yield* serving(url, "b")
      yield* a.leave
      assert.strictEqual(yield* users.request(Echo, "late"), "b:late")
    })
  )

  live(
    "end what is in flight when the connection to NATS breaks, and go on by themselves",
    () =>
      Effect.gen(function* () {
        const server = yield* NatsServer.start()
        yield* serving(server.url, "a")
        const users = yield* calling(server.url)
        yield* users.request(Echo, "1")
        const pending = yield* Effect.fork(Effect.flip(users.request(Never)))
        yield* users.request(Echo, "2")
        yield* server.kill
        assert.strictEqual((yield* Fiber.join(pending))._tag, "ConnectionClosed")
        yield* server.restart
        assert.strictEqual(yield* users.request(Echo, "3", { timeout: "15 seconds", idempotent: true }), "a:3")
      }),
    30_000
  )

  live("end a connection of which a message was lost", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.start()
      yield* serving(url, "a")
      const users = yield* calling(url)
      yield* users.request(Echo, "1")
      const other = yield* connected(url)
      // A message that isn't the next one, at every inbox that is written to.
      const inboxes = new Set<string>()
      const seen = yield* Deferred.make<void>()
      other.subscribe("effect-ipc.default.to.*", {
        callback: (_, { subject }) => {
          inboxes.add(subject)
          if (inboxes.size === 2) Deferred.unsafeDone(seen, Effect.void)
        }
      })
      yield* Effect.promise(() => other.flush())
      const pending = yield* Effect.fork(Effect.flip(users.request(Never)))
      yield* users.request(Echo, "2")
      yield* Deferred.await(seen)
      for (const inbox of [...inboxes]) other.publish(inbox, new Uint8Array([3, 0, 0, 255, 255]))
      assert.strictEqual((yield* Fiber.join(pending))._tag, "ConnectionClosed")
      assert.strictEqual(yield* users.request(Echo, "3"), "a:3")
    })
  )

  live("answer what tools for NATS ask of services", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.start()
      yield* serving(url, "a")
      const users = yield* calling(url)
      yield* users.request(Echo, "1")
      yield* Effect.flip(users.request(Refuse, 7))
      yield* Stream.runDrain(users.stream(Count, 3))
      const other = yield* connected(url)
      const ask = (subject: string) =>
        Effect.promise(async () => (await other.request(subject)).json<Record<string, unknown>>())
      const { id, ...ping } = yield* ask("$SRV.PING")
      const identity = { name: "users", version: version(), metadata: { api: "users", runtimeId: "a" } }
      assert.deepStrictEqual(ping, { type: "io.nats.micro.v1.ping_response", ...identity })
      const at = { subject: `effect-ipc.default.at.${id}`, queue_group: "" }
      assert.deepStrictEqual(yield* ask(`$SRV.INFO.users.${id}`), {
        type: "io.nats.micro.v1.info_response",
        ...identity,
        id,
        description: "users, for clients of effect-ipc",
        endpoints: [
          { name: "users/echo", ...at, metadata: { kind: "request" } },
          { name: "users/refuse", ...at, metadata: { kind: "request" } },
          { name: "users/never", ...at, metadata: { kind: "request" } },
          { name: "users/count", ...at, metadata: { kind: "stream" } }
        ]
      })
      const { endpoints, started, ...statistics } = yield* ask("$SRV.STATS.users")
      assert.deepStrictEqual(statistics, { type: "io.nats.micro.v1.stats_response", ...identity, id })
      assert.isAtMost(Date.parse(String(started)), Date.now())
      const counts = (endpoints as ReadonlyArray<Record<string, number | string>>).map((endpoint) => {
        const { average_processing_time, last_error, name, num_errors, num_requests, processing_time } = endpoint
        const average = Math.floor(Number(processing_time) / Math.max(Number(num_requests), 1))
        assert.strictEqual(average_processing_time, average)
        return [name, num_requests, num_errors, last_error]
      })
      assert.deepStrictEqual(counts, [
        ["users/echo", 1, 0, ""],
        ["users/refuse", 1, 1, "TooBig"],
        ["users/never", 0, 0, ""],
        ["users/count", 1, 0, ""]
      ])
    })
  )

  live("serve clients where they may not answer those tools", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.start({
        config: `authorization { users: [{ user: "u", password: "p@", permissions: { publish: { deny: ["$SRV.>"] }, subscribe: { deny: ["$SRV.>"] } } }] }`
      })
      const servers = url.replace("//", "//u:p%40@")
      yield* serving(servers, "a")
      assert.strictEqual(yield* (yield* calling(servers)).request(Echo, "1"), "a:1")
    })
  )

  live("name the trace of a request in the headers of its message", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.start()
      yield* serving(url, "a")
      const users = yield* calling(url)
      const other = yield* connected(url)
      const found: Array<ReadonlyArray<string | undefined>> = []
      other.subscribe("effect-ipc.default.to.*", {
        callback: (_, { data, headers }) => {
          const text = new TextDecoder().decode(data.subarray(5))
          if (text.startsWith("r:")) found.push([headers?.get("traceparent"), headers?.get("tracestate")])
        }
      })
      yield* Effect.promise(() => other.flush())
      yield* users.request(Echo, "untraced")
      const traceId = "0af7651916cd43dd8448eb211c80319c"
      const parent = TraceContext.toSpan({ traceparent: `00-${traceId}-b7ad6b7169203331-01`, tracestate: "vendor=1" })
      assert.isDefined(parent)
      const recorder = makeRecorder()
      const ask = (text: string) => users.request(Echo, text).pipe(Effect.withParentSpan(parent), recordedBy(recorder))
      yield* ask("traced")
      // More of it than goes in one message.
      yield* ask("x".repeat(2_000_000))
      yield* untilSo(() => found.length === 3)
      const [untraced, ...traced] = found
      assert.deepStrictEqual(untraced, [undefined, undefined])
      for (const [traceparent, tracestate] of traced) {
        assert.match(String(traceparent), new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`))
        assert.strictEqual(tracestate, "vendor=1")
      }
    })
  )
})
