import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as MetricState from "effect/MetricState"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Discovery } from "../../../src/Discovery.js"
import { IPCClient } from "../../../src/IPCClient.js"
import type { IPCPeer } from "../../../src/IPCPeer.js"
import { IPCServer } from "../../../src/IPCServer.js"
import * as InnerScope from "../../../src/internal/InnerScope.js"
import * as RoutingStrategy from "../../../src/RoutingStrategy.js"
import * as ServiceClient from "../../../src/ServiceClient.js"
import * as ServiceServer from "../../../src/ServiceServer.js"
import { told } from "../../support/live.js"
import * as MemoryPort from "../../support/MemoryPort.js"
import { settled } from "../../support/pair.js"

class NoSuchUser extends Schema.TaggedError<NoSuchUser>("test/services/NoSuchUser")("NoSuchUser", {
  id: Schema.Number
}) {}

const Whose = IPCServer.defineRequest<void, string>("users/whose")
const Hang = IPCServer.defineRequest<void, string>("users/hang")
const AskBack = IPCServer.defineRequest<string, string>("users/askBack")
const Note = IPCServer.defineRequest<string>("users/note")
const Get = IPCServer.defineRequest("users/get", {
  payload: Schema.Struct({ id: Schema.NumberFromString }),
  success: Schema.Struct({ since: Schema.Date }),
  failure: NoSuchUser
})
const Count = IPCServer.defineStream<number, number>("users/count")
const Endless = IPCServer.defineStream<void, string>("users/endless")
const Shout = IPCClient.defineRequest<string, string>("shout")

class Users extends ServiceClient.Tag("users") {}

/** Answers as the instance of this name. */
const answerAs = (name: string, notes?: Queue.Enqueue<string>, hanging?: Queue.Enqueue<string>) => (server: IPCPeer) =>
  Effect.all([
    server.handle(Whose, () => Effect.succeed(name)),
    server.handle(Hang, () =>
      Effect.zipRight(
        hanging?.offer(name) ?? Effect.void,
        Effect.onInterrupt(Effect.never, () => hanging?.offer(`${name} interrupted`) ?? Effect.void)
      )
    ),
    server.handle(AskBack, (word, { runtimeId = "" }) => Effect.orDie(server.request(runtimeId, Shout, word))),
    server.handle(Note, (note) => notes?.offer(`${name}: ${note}`) ?? Effect.void),
    server.handle(Get, ({ id }) =>
      id === 1 ? Effect.succeed({ since: new Date(0) }) : Effect.fail(new NoSuchUser({ id }))
    ),
    server.handleStream(Count, (to) => Stream.range(1, to)),
    server.handleStream(Endless, () => Stream.concat(Stream.make(name), Stream.never))
  ])

/** In a scope of its own, which the returned effect closes. */
const inScope = <E>(effect: Effect.Effect<unknown, E, Scope.Scope>) =>
  Effect.gen(function* () {
    const scope = yield* InnerScope.make
    yield* Scope.extend(effect, scope)
    return Scope.close(scope, Exit.void)
  })

const serve = (discovery: Discovery.Service, setup: (server: IPCPeer) => Effect.Effect<unknown, never, Scope.Scope>) =>
  inScope(Effect.provideService(ServiceServer.make("users", setup), Discovery, discovery))

const clientOf = (discovery: Discovery.Service, options?: ServiceClient.ServiceClientOptions) =>
  Effect.provideService(ServiceClient.make("users", options), Discovery, discovery)

const start = Effect.gen(function* () {
  const port = MemoryPort.make()
  const leader = yield* port.participant({ runtimeId: "leader" })
  const follower = yield* port.participant({ runtimeId: "follower" })
  return { port, leader, follower }
})

/** Time passes, and what waits for it is done. */
const pass = (millis: number) => Effect.zipRight(TestClock.adjust(millis), settled)

const silent = Effect.provide(Logger.remove(Logger.defaultLogger))

describe("a service", () => {
  it.scoped("answers requests, messages and streams by name, and asks its caller back", () =>
    Effect.gen(function* () {
      const { follower, leader } = yield* start
      const notes = yield* Queue.unbounded<string>()
      yield* serve(leader.discovery, answerAs("a", notes))
      yield* Effect.gen(function* () {
        const users = yield* Users
        yield* users.handle(Shout, (word) => Effect.succeed(word.toUpperCase()))
        assert.strictEqual(yield* users.request(Whose), "a")
        assert.deepStrictEqual(yield* users.request(Get, { id: 1 }), { since: new Date(0) })
        assert.deepStrictEqual(yield* Effect.flip(users.request(Get, { id: 2 })), new NoSuchUser({ id: 2 }))
        assert.strictEqual(yield* users.request(AskBack, "tea"), "TEA")
        yield* users.notify(Note, "hello")
        assert.strictEqual(yield* notes.take, "a: hello")
        assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Stream.runCollect(users.stream(Count, 3))), [1, 2, 3])
        assert.strictEqual(yield* users.request(Whose, undefined, { idempotent: true }), "a")
      }).pipe(Effect.provide(Users.layer), Effect.provideService(Discovery, follower.discovery))
    })
  )

  it.scoped("is shown among the routes, gets no HTTP, and goes with its scope and with its owner", () =>
    Effect.gen(function* () {
      const { follower, leader, port } = yield* start
      const changes = yield* Queue.unbounded<string>()
      yield* Effect.forkScoped(
        Stream.runForEach(leader.discovery.changes, ({ _tag, route }) =>
          changes.offer(`${_tag} ${route.kind} ${route.api} ${route.owner}`)
        )
      )
      yield* settled
      yield* follower.discovery.register({ api: "users", baseUrl: "http://127.0.0.1:1", pathPrefix: "/users" })
      const withdraw = yield* serve(follower.discovery, answerAs("a"))
      yield* serve(follower.discovery, answerAs("b"))
      const listed = Effect.map(leader.discovery.routes, (routes) =>
        routes.map(({ api, baseUrl, kind, owner, pathPrefix }) => ({ kind, api, baseUrl, owner, pathPrefix }))
      )
      const http = {
        kind: "http",
        api: "users",
        baseUrl: "http://127.0.0.1:1",
        owner: "follower",
        pathPrefix: "/users"
      }
      const endpoint = (number: number) => ({
        kind: "ipc",
        api: "users",
        baseUrl: `http://memory:${number}`,
        owner: "follower",
        pathPrefix: ""
      })
      assert.deepStrictEqual(yield* listed, [http, endpoint(1), endpoint(2)] as never)
      assert.deepStrictEqual(yield* Effect.map(follower.discovery.routes, (routes) => routes.length), 3)
      assert.deepStrictEqual(
        (yield* follower.discovery.instances("users")).map(({ baseUrl }) => baseUrl),
        ["http://127.0.0.1:1"]
      )
      assert.strictEqual(port.route("/users/1"), "http://127.0.0.1:1")
      yield* withdraw
      assert.deepStrictEqual(yield* listed, [http, endpoint(2)] as never)
      yield* port.sever("follower")
      yield* settled
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* changes.takeAll), [
        "Registered http users follower",
        "Registered ipc users follower",
        "Registered ipc users follower",
        "Unregistered ipc users follower",
        "Unregistered http users follower",
        "Unregistered ipc users follower",
        "Registered http users follower",
        "Registered ipc users follower"
      ])
    }).pipe(silent)
  )

  it.scoped("that has endpoints alone isn't discovered for HTTP", () =>
    Effect.gen(function* () {
      const { follower } = yield* start
      yield* serve(follower.discovery, answerAs("a"))
      const asked = yield* Effect.fork(told(follower.discovery.discover("users")))
      yield* pass(1000)
      assert.strictEqual((yield* Fiber.join(asked)).tag, "ServiceNotRegistered")
    })
  )

  it.scoped("isn't registered before its handlers stand, and not at all where setting them up fails", () =>
    Effect.gen(function* () {
      const { follower, leader } = yield* start
      const ready = yield* Deferred.make<void>()
      const serving = yield* Effect.fork(serve(follower.discovery, () => Deferred.await(ready)))
      yield* settled
      assert.deepStrictEqual(yield* leader.discovery.routes, [])
      yield* Deferred.succeed(ready, undefined)
      yield* Fiber.join(serving)
      assert.strictEqual((yield* leader.discovery.routes).length, 1)
      const failed = yield* Effect.exit(
        Effect.scoped(
          Layer.build(
            Layer.provide(
              ServiceServer.layer("orders", () => Effect.fail("no database")),
              Layer.succeed(Discovery, follower.discovery)
            )
          )
        )
      )
      assert.deepStrictEqual(failed, Exit.fail("no database"))
      assert.strictEqual((yield* leader.discovery.routes).length, 1)
    })
  )

  it.scoped("without a name fails with InvalidEntry", () =>
    Effect.gen(function* () {
      const { follower } = yield* start
      const served = ServiceServer.make(" ", () => Effect.void).pipe(
        Effect.provideService(Discovery, follower.discovery)
      )
      assert.strictEqual((yield* Effect.flip(Effect.scoped(served)))._tag, "InvalidEntry")
    })
  )
})

describe("the instance of a request", () => {
  const three = Effect.gen(function* () {
    const { follower, leader, port } = yield* start
    const hanging = yield* Queue.unbounded<string>()
    const leave: Record<string, Effect.Effect<void>> = {}
    for (const name of ["a", "b", "c"]) {
      leave[name] = yield* serve(leader.discovery, answerAs(name, undefined, hanging))
      yield* pass(1)
    }
    const users = yield* clientOf(follower.discovery)
    const asked = (times: number) => Effect.all(Array.from({ length: times }, () => users.request(Whose)))
    const [a, b, c] = port.endpoints.addresses() as [string, string, string]
    return { port, leader, follower, hanging, leave, users, asked, a, b, c }
  })

  it.scoped("is chosen by the api's strategy, whichever participant sets it, also by one of the client's own", () =>
    Effect.gen(function* () {
      const { asked, follower, leader } = yield* three
      assert.deepStrictEqual(yield* asked(4), ["a", "b", "c", "a"])
      yield* leader.discovery.setStrategy("users", RoutingStrategy.first)
      yield* settled
      assert.deepStrictEqual(yield* asked(2), ["a", "a"])
      yield* follower.discovery.setStrategy("users", RoutingStrategy.last)
      yield* settled
      assert.deepStrictEqual(yield* asked(2), ["c", "c"])
      const second = RoutingStrategy.custom((instances) => instances[1])
      yield* follower.discovery.setStrategy("users", second)
      yield* settled
      assert.deepStrictEqual(yield* asked(2), ["b", "b"])
    })
  )

  it.scoped("has the fewest in flight, where the strategy says so", () =>
    Effect.gen(function* () {
      const { asked, hanging, leader, users } = yield* three
      yield* leader.discovery.setStrategy("users", RoutingStrategy.leastConnections)
      yield* settled
      const one = yield* Effect.fork(users.request(Hang, undefined, { timeout: "1 minute" }))
      const busy = yield* hanging.take
      assert.notInclude(yield* asked(4), busy)
      yield* Fiber.interrupt(one)
      assert.strictEqual(yield* hanging.take, `${busy} interrupted`)
      assert.include(yield* asked(4), busy)
    })
  )

  it.scoped("is none where the strategy declines, and the first where it fails", () =>
    Effect.gen(function* () {
      const { asked, follower, users } = yield* three
      yield* follower.discovery.setStrategy(
        "users",
        RoutingStrategy.custom(() => undefined)
      )
      assert.deepStrictEqual(yield* told(users.request(Whose)), {
        tag: "ServiceNotRegistered",
        message: 'No service is registered as "users". Its strategy chose none of its instances.'
      })
      yield* follower.discovery.setStrategy(
        "users",
        RoutingStrategy.custom(() => {
          throw new Error("no")
        })
      )
      assert.deepStrictEqual(yield* asked(2), ["a", "a"])
    }).pipe(silent)
  )

  it.scoped("is another one once one has died; what is in flight there fails at once, or is sent again", () =>
    Effect.gen(function* () {
      const { a, asked, hanging, port, users } = yield* three
      yield* asked(3)
      const lost = yield* Effect.fork(told(users.request(Hang)))
      assert.strictEqual(yield* hanging.take, "a")
      yield* users.request(Whose)
      yield* users.request(Whose)
      const repeated = yield* Effect.fork(users.request(Hang, undefined, { idempotent: true }))
      assert.strictEqual(yield* hanging.take, "a")
      const streamed = yield* Effect.fork(told(Stream.runDrain(users.stream(Endless))))
      yield* settled
      yield* port.endpoints.kill(a)
      assert.strictEqual((yield* Fiber.join(lost)).tag, "ConnectionClosed")
      assert.strictEqual(yield* hanging.take, "a interrupted")
      assert.strictEqual(yield* hanging.take, "a interrupted")
      assert.include(["b", "c"], yield* hanging.take)
      assert.notInclude(yield* asked(4), "a")
      yield* Fiber.interruptAll([repeated, streamed])
    }).pipe(silent)
  )

  it.scoped("isn't one that can't be connected to, nor one that takes long", () =>
    Effect.gen(function* () {
      const { a, asked, b, port } = yield* three
      yield* port.endpoints.kill(a)
      yield* port.endpoints.freeze(b)
      const answers = yield* Effect.fork(asked(3))
      yield* pass(500)
      assert.deepStrictEqual(yield* Fiber.join(answers), ["c", "c", "c"])
      yield* port.endpoints.thaw(b)
      yield* settled
      assert.include(yield* asked(2), "b")
    }).pipe(silent)
  )

  it.scoped("gets no further request once it is being withdrawn, and answers what is in flight", () =>
    Effect.gen(function* () {
      const { asked, hanging, leave, users } = yield* three
      yield* asked(3)
      const inFlight = yield* Effect.fork(users.request(Hang))
      assert.strictEqual(yield* hanging.take, "a")
      const left = yield* Effect.fork(leave.a ?? Effect.void)
      yield* settled
      assert.notInclude(yield* asked(4), "a")
      assert.strictEqual(yield* hanging.size, 0)
      yield* Fiber.interrupt(inFlight)
      yield* Fiber.join(left)
    })
  )

  it.scoped("that is withdrawn tells also who connects meanwhile", () =>
    Effect.gen(function* () {
      const { a, follower, hanging, leader, leave, port, users } = yield* three
      yield* follower.discovery.setStrategy("users", RoutingStrategy.first)
      yield* settled
      const inFlight = yield* Effect.fork(users.request(Hang))
      assert.strictEqual(yield* hanging.take, "a")
      yield* port.endpoints.freeze(a)
      const others = yield* clientOf(leader.discovery)
      const answer = yield* Effect.fork(others.request(Whose))
      yield* pass(500)
      assert.strictEqual(yield* Fiber.join(answer), "b")
      const left = yield* Effect.fork(leave.a ?? Effect.void)
      yield* settled
      yield* port.endpoints.thaw(a)
      yield* settled
      assert.isNull(left.unsafePoll())
      yield* Fiber.interrupt(inFlight)
      yield* settled
      assert.isNotNull(left.unsafePoll())
    }).pipe(silent)
  )

  it.scoped("that is withdrawn disconnects its clients after the drain timeout", () =>
    Effect.gen(function* () {
      const { asked, hanging, leave, users } = yield* three
      yield* asked(3)
      const inFlight = yield* Effect.fork(told(users.request(Hang)))
      yield* hanging.take
      const left = yield* Effect.fork(leave.a ?? Effect.void)
      yield* pass(2999)
      assert.isNull(left.unsafePoll())
      yield* pass(1)
      yield* Fiber.join(left)
      assert.strictEqual((yield* Fiber.join(inFlight)).tag, "ConnectionClosed")
    })
  )

  it.scoped("stays while the leader is gone, and goes on where its participant registers again", () =>
    Effect.gen(function* () {
      const { follower, leader, port } = yield* start
      const other = yield* port.participant({ runtimeId: "other" })
      const hanging = yield* Queue.unbounded<string>()
      yield* serve(other.discovery, answerAs("a", undefined, hanging))
      const users = yield* clientOf(follower.discovery)
      assert.strictEqual(yield* users.request(Whose), "a")
      const inFlight = yield* Effect.fork(users.request(Hang, undefined, { timeout: "1 minute" }))
      yield* hanging.take
      yield* port.crash
      assert.strictEqual(yield* users.request(Whose), "a")
      yield* pass(100)
      assert.strictEqual(yield* users.request(Whose), "a")
      yield* pass(20_000)
      assert.strictEqual(yield* users.request(Whose), "a")
      assert.strictEqual((yield* other.discovery.routes).length, 1)
      assert.isNull(inFlight.unsafePoll())
      yield* Fiber.interrupt(inFlight)
      void leader
    }).pipe(silent)
  )
})

describe("a client", () => {
  it.scoped("waits for the first instance within the request's timeout, and says what is registered", () =>
    Effect.gen(function* () {
      const { follower, leader } = yield* start
      const users = yield* clientOf(follower.discovery)
      const early = yield* Effect.fork(users.request(Whose))
      const stream = yield* Effect.fork(Stream.runHead(users.stream(Endless)))
      const missing = yield* Effect.fork(told(users.request(Whose, undefined, { timeout: "1 second" })))
      yield* pass(1000)
      assert.deepStrictEqual(yield* Fiber.join(missing), {
        tag: "ServiceNotRegistered",
        message:
          'No service is registered as "users". None is registered for requests by name: are they running, and do they take part at this port?'
      })
      yield* serve(leader.discovery, answerAs("a"))
      assert.strictEqual(yield* Fiber.join(early), "a")
      assert.deepStrictEqual(yield* Effect.map(Fiber.join(stream), (head) => head._tag), "Some")
      const others = yield* Effect.provideService(ServiceClient.make("orders"), Discovery, follower.discovery)
      yield* leader.discovery.register({ api: "carts", baseUrl: "http://127.0.0.1:1", pathPrefix: "/carts" })
      const unknown = yield* Effect.fork(told(others.request(Whose, undefined, { timeout: "1 second" })))
      yield* pass(1000)
      assert.strictEqual(
        (yield* Fiber.join(unknown)).message,
        'No service is registered as "orders". Registered: users. Is the service running, and is its name spelled so?'
      )
      const carts = yield* Effect.provideService(ServiceClient.make("carts"), Discovery, follower.discovery)
      const http = yield* Effect.fork(told(carts.request(Whose, undefined, { timeout: "1 second" })))
      yield* pass(1000)
      assert.strictEqual(
        (yield* Fiber.join(http)).message,
        'No service is registered as "carts". It is registered for HTTP alone: does its process have a ServiceServer?'
      )
    })
  )

  it.scoped("times out where no instance can be reached", () =>
    Effect.gen(function* () {
      const { follower, leader, port } = yield* start
      yield* serve(leader.discovery, answerAs("a"))
      for (const address of port.endpoints.addresses()) yield* port.endpoints.freeze(address)
      const users = yield* clientOf(follower.discovery)
      const before = failedCalls("users/whose", "RequestTimeout")
      const asked = yield* Effect.fork(told(users.request(Whose, undefined, { timeout: "2 seconds" })))
      yield* pass(2000)
      assert.strictEqual(failedCalls("users/whose", "RequestTimeout"), before + 1)
      assert.deepStrictEqual(yield* Fiber.join(asked), {
        tag: "RequestTimeout",
        message: 'Request "users/whose" to users was not sent within 2000 ms: no instance could be connected to.'
      })
    }).pipe(silent)
  )

  it.scoped("of the same participant and api has a name of its own", () =>
    Effect.gen(function* () {
      const { follower, leader } = yield* start
      yield* serve(leader.discovery, answerAs("a"))
      const clients = yield* Effect.all([clientOf(follower.discovery), clientOf(follower.discovery)])
      for (const [index, client] of clients.entries()) {
        yield* client.handle(Shout, (word) => Effect.succeed(`${word} ${index}`))
      }
      for (const [index, client] of clients.entries()) {
        assert.strictEqual(yield* client.request(AskBack, "tea"), `tea ${index}`)
      }
    })
  )

  it.scoped("tells its status, and what is in flight when its scope closes fails", () =>
    Effect.gen(function* () {
      const { follower, leader, port } = yield* start
      yield* serve(leader.discovery, answerAs("a"))
      const scope = yield* Scope.make()
      const users = yield* Scope.extend(clientOf(follower.discovery), scope)
      const statuses = yield* Effect.fork(Stream.runCollect(users.status))
      yield* users.request(Whose)
      const inFlight = yield* Effect.fork(told(users.request(Hang)))
      yield* settled
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Fiber.join(inFlight)).tag, "ConnectionClosed")
      assert.strictEqual((yield* told(users.request(Whose))).tag, "ConnectionClosed")
      assert.deepStrictEqual(yield* users.closed, { code: 1000, reason: "the client closed" })
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Fiber.join(statuses)), [
        "reconnecting",
        "connected",
        "closed"
      ])
      void port
    })
  )

  it.scoped("needs a Discovery that has endpoints", () =>
    Effect.gen(function* () {
      const { follower } = yield* start
      const { services: _, ...bare } = follower.discovery
      const exit = yield* Effect.exit(clientOf(bare))
      assert.match(
        Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "",
        /^TypeError: This Discovery has no endpoints for services\./
      )
    })
  )
})

/** How many requests of this name have failed so, as the metrics count them. */
const failedCalls = (method: string, error: string): number =>
  Metric.unsafeSnapshot().reduce((count, { metricKey, metricState }) => {
    const isMeant =
      metricKey.name === "rpc.client.call.duration" &&
      metricKey.tags.some(({ key, value }) => key === "rpc.method" && value === method) &&
      metricKey.tags.some(({ key, value }) => key === "error.type" && value === error)
    return isMeant && MetricState.isHistogramState(metricState) ? count + metricState.count : count
  }, 0)
