import * as Headers from "@effect/platform/Headers"
import * as Rpc from "@effect/rpc/Rpc"
import * as RpcClient from "@effect/rpc/RpcClient"
import * as RpcGroup from "@effect/rpc/RpcGroup"
import * as RpcSchema from "@effect/rpc/RpcSchema"
import * as RpcServer from "@effect/rpc/RpcServer"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as ServiceRpcClient from "../../../layers/rpc/ServiceRpcClient.js"
import * as ServiceRpcServer from "../../../layers/rpc/ServiceRpcServer.js"
import { Discovery } from "../../../src/Discovery.js"
import * as MemoryPort from "../../support/MemoryPort.js"
import { settled } from "../../support/pair.js"

class NoTea extends Schema.TaggedError<NoTea>("test/rpc/NoTea")("NoTea", { left: Schema.Number }) {}

const Kitchen = RpcGroup.make(
  Rpc.make("brew", { payload: { cups: Schema.NumberFromString }, success: Schema.Date, error: NoTea }),
  Rpc.make("break"),
  Rpc.make("note", { payload: { text: Schema.String } }),
  Rpc.make("guest", { success: Schema.String }),
  Rpc.make("wait", { success: Schema.String }),
  Rpc.make("pour", {
    payload: { cups: Schema.Number },
    success: RpcSchema.Stream({ success: Schema.Date, failure: NoTea })
  }),
  Rpc.make("drip", { success: RpcSchema.Stream({ success: Schema.Number, failure: Schema.Never }) })
)

/** What the handlers report. */
type Log = Queue.Queue<string>

const handlers = (name: string, log: Log) =>
  Kitchen.toLayer({
    brew: ({ cups }) => (cups > 2 ? Effect.fail(new NoTea({ left: 2 })) : Effect.succeed(new Date(cups))),
    break: () => Effect.die(new Error("the pot broke")),
    note: ({ text }) => Effect.asVoid(log.offer(text)),
    guest: (_, { headers }) => Effect.succeed(Headers.get(headers, "guest").pipe((found) => JSON.stringify(found))),
    wait: () =>
      Effect.zipRight(
        log.offer(`${name} waits`),
        Effect.onInterrupt(Effect.never, () => log.offer(`${name} interrupted`))
      ),
    pour: ({ cups }) =>
      Stream.concat(
        Stream.map(Stream.range(1, cups), (cup) => new Date(cup)),
        Stream.fail(new NoTea({ left: 0 }))
      ),
    drip: () =>
      Stream.iterate(1, (drop) => drop + 1).pipe(
        Stream.rechunk(1),
        Stream.tap((drop) => log.offer(`${drop}`)),
        Stream.ensuring(log.offer(`${name} dry`))
      )
  })

const start = Effect.gen(function* () {
  const port = MemoryPort.make()
  const leader = yield* port.participant({ runtimeId: "leader" })
  const follower = yield* port.participant({ runtimeId: "follower" })
  const log = yield* Queue.unbounded<string>()
  const serve = (name: string) =>
    Layer.build(
      RpcServer.layer(Kitchen).pipe(
        Layer.provide(handlers(name, log)),
        Layer.provide(ServiceRpcServer.layer("kitchen")),
        Layer.provide(Layer.succeed(Discovery, leader.discovery))
      )
    )
  yield* serve("a")
  const protocol = Layer.provide(ServiceRpcClient.layer("kitchen"), Layer.succeed(Discovery, follower.discovery))
  const kitchen = yield* RpcClient.make(Kitchen).pipe(Effect.provide(yield* Layer.build(protocol)))
  return { port, log, serve, kitchen }
})

/** Both ends' options are Configs of the same variable. */
const configured = (variables: ReadonlyMap<string, string>) =>
  Effect.gen(function* () {
    const port = MemoryPort.make()
    const { discovery } = yield* port.participant({ runtimeId: "leader" })
    const log = yield* Queue.unbounded<string>()
    const options = { requestTimeout: Config.duration("PATIENCE") }
    const protocols = Layer.mergeAll(
      RpcServer.layer(Kitchen).pipe(
        Layer.provide(handlers("a", log)),
        Layer.provide(ServiceRpcServer.layerConfig("kitchen", options))
      ),
      ServiceRpcClient.layerConfig("kitchen", options)
    )
    const context = yield* Layer.build(Layer.provide(protocols, Layer.succeed(Discovery, discovery)))
    const kitchen = yield* RpcClient.make(Kitchen).pipe(Effect.provide(context))
    return yield* kitchen.brew({ cups: 1 })
  }).pipe(Effect.withConfigProvider(ConfigProvider.fromMap(new Map(variables))))

const silent = Effect.provide(Logger.remove(Logger.defaultLogger))

describe("An RpcGroup on a service", () => {
  it.scoped("answers, with the types of its Schemas, and fails typed", () =>
    Effect.gen(function* () {
      const { kitchen } = yield* start
      assert.deepStrictEqual(yield* kitchen.brew({ cups: 1 }), new Date(1))
      assert.deepStrictEqual(yield* Effect.flip(kitchen.brew({ cups: 3 })), new NoTea({ left: 2 }))
      const guest = yield* kitchen.guest(undefined, { headers: { guest: "Ada" } })
      assert.deepStrictEqual(JSON.parse(guest).value, "Ada")
    })
  )

  it.scoped("has options from Config, and fails where they are missing", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* configured(new Map([["PATIENCE", "1 second"]])), new Date(1))
      const missing = yield* Effect.flip(configured(new Map()))
      assert.isTrue(ConfigError.isConfigError(missing) && ConfigError.isMissingData(missing))
    })
  )

  it.scoped("has a handler's defect as the defect of that request, and of no other", () =>
    Effect.gen(function* () {
      const { kitchen, log } = yield* start
      const other = yield* Effect.fork(kitchen.wait())
      assert.strictEqual(yield* log.take, "a waits")
      const exit = yield* Effect.exit(kitchen.break())
      assert.match(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "", /the pot broke/)
      assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      yield* settled
      assert.isNull(other.unsafePoll())
      yield* Fiber.interrupt(other)
    }).pipe(silent)
  )

  it.scoped("streams, and fails after the elements that came before", () =>
    Effect.gen(function* () {
      const { kitchen } = yield* start
      const poured: Array<number> = []
      const failure = yield* kitchen.pour({ cups: 100 }).pipe(
        Stream.runForEach((cup) => Effect.sync(() => poured.push(cup.getTime()))),
        Effect.flip
      )
      assert.deepStrictEqual(failure, new NoTea({ left: 0 }))
      assert.deepStrictEqual(
        poured,
        Array.from({ length: 100 }, (_, index) => index + 1)
      )
    })
  )

  it.scoped("holds a stream that isn't consumed by acknowledgements, and ends one that is left", () =>
    Effect.gen(function* () {
      const { kitchen, log } = yield* start
      const gate = yield* Deferred.make<void>()
      const drops = yield* kitchen.drip().pipe(
        Stream.tap((drop) => (drop === 3 ? Deferred.await(gate) : Effect.void)),
        Stream.take(5),
        Stream.runCollect,
        Effect.fork
      )
      for (let i = 0; i < 5; i++) yield* settled
      assert.isBelow(yield* log.size, 64)
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Fiber.join(drops)), [1, 2, 3, 4, 5])
      yield* Effect.repeat(log.take, { until: (line) => line === "a dry" })
    })
  )

  it.scoped("interrupts a handler with its request", () =>
    Effect.gen(function* () {
      const { kitchen, log } = yield* start
      const waiting = yield* Effect.fork(kitchen.wait())
      assert.strictEqual(yield* log.take, "a waits")
      yield* Fiber.interrupt(waiting)
      assert.strictEqual(yield* log.take, "a interrupted")
    })
  )

  it.scoped("runs a request whose answer is discarded", () =>
    Effect.gen(function* () {
      const { kitchen, log } = yield* start
      yield* kitchen.note({ text: "tea at four" }, { discard: true })
      assert.strictEqual(yield* log.take, "tea at four")
    })
  )

  it.scoped("fails what an instance has when that dies, typed and at once, and asks another from then on", () =>
    Effect.gen(function* () {
      const { kitchen, log, port, serve } = yield* start
      const stays = yield* Effect.fork(kitchen.wait())
      assert.strictEqual(yield* log.take, "a waits")
      yield* serve("b")
      const onB = Effect.repeat(
        Effect.gen(function* () {
          const fiber = yield* Effect.fork(kitchen.wait())
          const name = yield* log.take
          return { fiber, name }
        }),
        { until: ({ name }) => name === "b waits" }
      )
      const { fiber } = yield* onB
      const dripping = yield* Effect.fork(Effect.flip(Stream.runDrain(kitchen.drip())))
      yield* log.take
      const [, b] = port.endpoints.addresses() as [string, string]
      yield* port.endpoints.kill(b)
      const lost = yield* Effect.flip(Fiber.join(fiber))
      assert.strictEqual(lost._tag, "RpcClientError")
      assert.match(
        lost.message,
        /^Stream "rpc\/request" of kitchen at http:\/\/memory:2 broke off: the connection closed/
      )
      yield* Fiber.interrupt(dripping)
      assert.deepStrictEqual(yield* kitchen.brew({ cups: 1 }), new Date(1))
      assert.deepStrictEqual(yield* kitchen.brew({ cups: 2 }), new Date(2))
      assert.isNull(stays.unsafePoll())
      yield* Fiber.interrupt(stays)
    }).pipe(silent)
  )
})
