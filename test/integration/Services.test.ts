import { assert, describe } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { LocalDiscovery, NodeIPCClient } from "../../layers/index.js"
import { Discovery } from "../../src/Discovery.js"
import * as Protocol from "../../src/discovery/DiscoveryProtocol.js"
import * as ServiceClient from "../../src/ServiceClient.js"
import * as ServiceServer from "../../src/ServiceServer.js"
import * as Child from "../support/Child.js"
import * as Live from "../support/discovery.js"
import { live, told } from "../support/live.js"
import * as Users from "../support/users.js"

/** A process that takes part; told `serve`, it answers as `users`, by its pid. */
const process_ = (port: number, options: { readonly runtimeId: string; readonly token?: string }) =>
  Effect.tap(Child.start("service-instance.ts"), (child) =>
    Effect.zipRight(child.line("ready"), child.ask(`join ${port} ${JSON.stringify(options)}`, "joined"))
  )

const instance = (port: number, options: { readonly runtimeId: string; readonly token?: string }) =>
  Effect.tap(process_(port, options), (child) => child.ask("serve", "serving"))

const serve = (discovery: Discovery.Service, name: string) =>
  Effect.provideService(ServiceServer.make("users", Users.answerAs(name)), Discovery, discovery)

const connect = (discovery: Discovery.Service) =>
  Effect.provideService(ServiceClient.make("users"), Discovery, discovery)

const token = "a token of sixteen bytes or more"

describe("Services of several processes", () => {
  live(
    "are asked past the death of an instance and of the leader, with the token of all",
    () =>
      Effect.gen(function* () {
        const port = yield* Live.freePort
        const leader = yield* process_(port, { runtimeId: "leader", token })
        const [first, second] = yield* Effect.all(
          [instance(port, { runtimeId: "first", token }), instance(port, { runtimeId: "second", token })],
          { concurrency: 2 }
        )
        const { discovery } = yield* Live.participant({ port, runtimeId: "caller", token })
        const users = yield* connect(discovery)
        yield* users.handle(Users.Shout, (word) => Effect.succeed(word.toUpperCase()))
        assert.strictEqual(yield* users.request(Users.AskBack, "tea"), "TEA")
        const pids = yield* Effect.all([users.request(Users.Whose), users.request(Users.Whose)])
        assert.sameMembers(pids, [String(first.pid), String(second.pid)])

        const streamed = yield* users.stream(Users.Endless).pipe(Stream.take(1), Stream.runHead)
        assert.include(pids, Option.getOrThrow(streamed))

        // The first instance owns the requests that it has when it dies, and no others.
        const inFlight = yield* Effect.forEach([1, 2], () => Effect.fork(Effect.either(users.request(Users.Hang))))
        yield* users.request(Users.Whose)
        yield* users.request(Users.Whose)
        yield* Live.signal(first, "SIGKILL")
        const asked = yield* Effect.all(
          Array.from({ length: 200 }, () => users.request(Users.Whose, undefined, { idempotent: true })),
          { concurrency: 20 }
        )
        assert.include(asked, String(second.pid))
        const lost = yield* Effect.raceAll(inFlight.map(Fiber.join))
        assert.deepInclude(lost, { _tag: "Left" })

        yield* Live.signal(leader, "SIGKILL")
        const meanwhile = yield* Effect.all(
          Array.from({ length: 200 }, () => users.request(Users.Whose)),
          { concurrency: 10 }
        )
        assert.deepStrictEqual(new Set(meanwhile), new Set([String(second.pid)]))
        const third = yield* instance(port, { runtimeId: "third", token })
        yield* Live.until(Effect.orDie(users.request(Users.Whose)), (pid) => pid === String(third.pid))
        yield* Effect.forEach(inFlight, Fiber.interrupt)
      }),
    30_000
  )

  live("are withdrawn before they answer what is in flight, also where they close with their participant", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      const { discovery } = yield* Live.participant({ port, runtimeId: "leader" })
      const users = yield* connect(discovery)
      const closing = yield* Deferred.make<void>()
      const service = yield* Effect.gen(function* () {
        const services = yield* LocalDiscovery.make({ port, runtimeId: "users" })
        yield* serve(Context.get(services, Discovery), "a")
        yield* Deferred.await(closing)
      }).pipe(Effect.scoped, Effect.fork)
      yield* discovery.awaitApi("users")
      const inFlight = yield* Effect.fork(told(users.request(Users.Hang, undefined, { timeout: "1 minute" })))
      yield* users.request(Users.Whose)
      yield* Deferred.succeed(closing, undefined)
      yield* Live.until(Effect.orDie(discovery.routes), (routes) => routes.length === 0)
      assert.isNull(inFlight.unsafePoll())
      yield* Fiber.interrupt(inFlight)
      yield* Fiber.join(service)
    })
  )

  live("have endpoints that refuse who doesn't know the token", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      const { discovery } = yield* Live.participant({ port, token })
      yield* serve(discovery, "a")
      const url = (yield* discovery.routes)[0]?.baseUrl ?? ""
      assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/)
      const refused = yield* Effect.flip(NodeIPCClient.make({ url }))
      assert.deepInclude(refused, { reason: "Rejected", status: 401 })
      const known = yield* NodeIPCClient.make({ url, token })
      assert.strictEqual(yield* known.request(Users.Whose), "a")
    })
  )
})

describe("Participants of other versions", () => {
  live("that lead can't register endpoints, and the failure says why", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      const original = yield* Effect.tap(Child.start("original.ts"), (child) => child.line("ready"))
      yield* original.ask(`join ${port} ${JSON.stringify({ runtimeId: "old", apis: ["old"] })}`, "role leader")
      const { discovery } = yield* Live.participant({ port })
      assert.deepStrictEqual(yield* told(Effect.scoped(serve(discovery, "a"))), {
        tag: "EntryUnsupported",
        message:
          "The leader can't register \"users\": it doesn't know endpoints. It is an earlier version of effect-ipc, or another program; try again once every participant has 0.2 or later."
      })
      yield* discovery.register({ api: "new", baseUrl: "http://127.0.0.1:1", pathPrefix: "/new" })
      assert.strictEqual(yield* discovery.discover("new"), `http://127.0.0.1:${port}`)
    })
  )

  live("that follow are shown no endpoints, neither in their lists nor in the changes", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      const { discovery } = yield* Live.participant({ port })
      const old = yield* NodeIPCClient.make({ port, runtimeId: "old" })
      const changes: Array<string> = []
      yield* old.handle(Protocol.Changed, (message) =>
        Effect.sync(() => changes.push(...message.changes.map(({ route }) => `${route.kind} ${route.api}`)))
      )
      yield* serve(discovery, "a")
      assert.deepStrictEqual((yield* old.request(Protocol.Watch)).routes, [])
      const page = yield* old.request(Protocol.RoutePage, { after: 0, watch: true })
      assert.deepStrictEqual(page.routes, [])
      assert.deepStrictEqual(yield* old.request(Protocol.GetRoutes), [])
      yield* serve(discovery, "b")
      yield* discovery.register({ api: "new", baseUrl: "http://127.0.0.1:1", pathPrefix: "/new" })
      yield* Live.until(
        Effect.sync(() => changes.length),
        (count) => count > 0
      )
      assert.deepStrictEqual(changes, ["http new"])
      const all = yield* old.request(Protocol.RoutePage, { after: 0, watch: false, all: true })
      assert.deepStrictEqual(
        all.routes.map(({ kind }) => kind),
        ["ipc", "ipc", "http"]
      )
    })
  )
})
