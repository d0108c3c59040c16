import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as StaticDiscovery from "../../layers/StaticDiscovery.js"
import { Discovery } from "../../src/Discovery.js"
import type { Route } from "../../src/DiscoveryEntry.js"
import * as RoutingStrategy from "../../src/RoutingStrategy.js"
import { told } from "../support/live.js"

const users = "http://127.0.0.1:4001"
const orders = ["http://127.0.0.1:4002", "http://127.0.0.1:4003"]
const mine = { api: "mine", baseUrl: "http://127.0.0.1:4009", pathPrefix: "/mine" }

const discoverTimes = (api: string, times: number) =>
  Effect.flatMap(Discovery, (discovery) => Effect.replicateEffect(discovery.discover(api), times))

const apis = Effect.flatMap(Discovery, (discovery) =>
  Effect.map(discovery.routes, (routes) => routes.map((route) => route.api))
)

describe("a fixed map of services", () => {
  it.effect("answers each api's own URL, its instances in turn", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* discoverTimes("users", 2), [users, users])
      assert.deepStrictEqual(yield* discoverTimes("orders", 4), [...orders, ...orders])
    }).pipe(Effect.provide(StaticDiscovery.layer({ users, orders })))
  )

  it.effect("chooses by the api's own strategy, the layer's, or the one that is set later", () =>
    Effect.gen(function* () {
      const [first, last] = orders
      assert.deepStrictEqual(yield* discoverTimes("orders", 2), [last, last])
      assert.deepStrictEqual(yield* discoverTimes("invoices", 2), [first, first])
      const { routes, setStrategy } = yield* Discovery
      yield* setStrategy("orders", RoutingStrategy.first)
      assert.deepStrictEqual(yield* discoverTimes("orders", 2), [first, first])
      assert.deepStrictEqual(
        (yield* routes).map((route) => route.strategy),
        ["first", "first", "first", "first"]
      )
    }).pipe(
      Effect.provide(
        StaticDiscovery.layer(
          { orders: { baseUrl: orders, strategy: RoutingStrategy.last }, invoices: orders },
          { strategy: RoutingStrategy.first }
        )
      )
    )
  )

  it.effect("takes the first instance where a strategy throws or picks what isn't one, and says so", () => {
    const warnings: Array<string> = []
    const strategies = [
      () => {
        throw new Error("boom")
      },
      () => ({ id: 7, api: "orders", baseUrl: "http://elsewhere", pathPrefix: "/", registeredAt: 0, connections: 0 })
    ]
    return Effect.gen(function* () {
      const { setStrategy } = yield* Discovery
      for (const pick of strategies) {
        yield* setStrategy("orders", RoutingStrategy.custom(pick))
        assert.deepStrictEqual(yield* discoverTimes("orders", 1), orders.slice(0, 1))
      }
      assert.strictEqual(warnings.length, 2)
    }).pipe(
      Effect.provide(StaticDiscovery.layer({ orders })),
      Effect.provide(
        Logger.replace(
          Logger.defaultLogger,
          Logger.make(({ message }) => void warnings.push(String(message)))
        )
      )
    )
  })

  it.effect("lists its routes", () =>
    Effect.gen(function* () {
      const { instances, routes } = yield* Discovery
      const route: Route = {
        kind: "http",
        api: "files",
        baseUrl: users,
        pathPrefix: "/files",
        owner: "configuration",
        registeredAt: 0,
        connections: 0,
        strategy: "roundRobin"
      }
      assert.deepStrictEqual(yield* routes, [route, { ...route, api: "users", pathPrefix: "/" }])
      assert.deepStrictEqual(yield* instances("files"), [route])
    }).pipe(Effect.provide(StaticDiscovery.layer({ files: { baseUrl: `${users}/`, pathPrefix: "/files/" }, users })))
  )

  it.effect("names what it has where an api is unknown", () =>
    Effect.gen(function* () {
      const some = yield* told(discoverTimes("user", 1)).pipe(Effect.provide(StaticDiscovery.layer({ users, orders })))
      assert.deepStrictEqual(some, {
        tag: "ServiceNotRegistered",
        message: 'No service is registered as "user". Configured: users, orders. Is its name spelled so?'
      })
      const none = yield* told(discoverTimes("user", 1)).pipe(Effect.provide(StaticDiscovery.layer({})))
      assert.include(none.message, "No service is configured")
    })
  )

  it.effect("refuses what can't be an instance", () =>
    Effect.gen(function* () {
      const url = yield* told(Effect.provide(Discovery, StaticDiscovery.layer({ users: "127.0.0.1:4001" })))
      assert.strictEqual(url.tag, "InvalidEntry")
      assert.include(url.message, "baseUrl must be a URL")
      const prefix = yield* told(
        Effect.provide(Discovery, StaticDiscovery.layer({ users: { baseUrl: users, pathPrefix: "users" } }))
      )
      assert.include(prefix.message, 'pathPrefix must start with "/"')
    })
  )
})

describe("what this process registers", () => {
  it.scoped("is there until its scope closes, and no fixed entry is removed with it", () =>
    Effect.gen(function* () {
      const discovery = yield* Discovery
      const scope = yield* Scope.make()
      yield* discovery.register([mine, { api: "users", baseUrl: users, pathPrefix: "/" }]).pipe(Scope.extend(scope))
      assert.strictEqual(yield* discovery.discover("mine"), mine.baseUrl)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* apis, ["users"])
    }).pipe(Effect.provide(StaticDiscovery.layer({ users })))
  )

  it.scoped("stays for as long as one of several scopes holds it, unless it is unregistered", () =>
    Effect.gen(function* () {
      const discovery = yield* Discovery
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* discovery.register([mine])
          yield* Effect.scoped(discovery.register([mine]))
          assert.deepStrictEqual(yield* apis, ["mine"])
          yield* discovery.unregister([mine])
          assert.deepStrictEqual(yield* apis, [])
        })
      )
      yield* discovery.register([mine])
      assert.deepStrictEqual(yield* apis, ["mine"])
    }).pipe(Effect.provide(StaticDiscovery.layer({})))
  )

  it.scoped("can't unregister what the configuration says", () =>
    Effect.gen(function* () {
      const discovery = yield* Discovery
      yield* discovery.unregister([{ api: "users", baseUrl: users, pathPrefix: "/" }])
      assert.deepStrictEqual(yield* apis, ["users"])
    }).pipe(Effect.provide(StaticDiscovery.layer({ users })))
  )

  it.scoped("is told as a change, when it comes and when it goes", () =>
    Effect.gen(function* () {
      const discovery = yield* Discovery
      const seen: Array<string> = []
      const both = yield* Deferred.make<void>()
      yield* discovery.changes.pipe(
        Stream.runForEach(({ _tag, route }) =>
          Effect.suspend(() => {
            seen.push(`${_tag} ${route.api}`)
            return Effect.when(Deferred.succeed(both, undefined), () => seen.length === 2)
          })
        ),
        Effect.forkScoped
      )
      // Waits until the stream's fiber is suspended: it has subscribed.
      yield* TestClock.adjust(0)
      yield* Effect.scoped(discovery.register([mine]))
      yield* Deferred.await(both)
      assert.deepStrictEqual(seen, ["Registered mine", "Unregistered mine"])
    }).pipe(Effect.provide(StaticDiscovery.layer({})))
  )

  it.scoped("is told to a consumer that is stuck no further back than 4,096 changes", () =>
    Effect.gen(function* () {
      const discovery = yield* Discovery
      const goOn = yield* Deferred.make<void>()
      const seen: Array<string> = []
      const last = yield* Deferred.make<void>()
      yield* discovery.changes.pipe(
        Stream.runForEach(({ route }) =>
          Effect.suspend(() => {
            seen.push(route.api)
            return Effect.zipRight(
              Deferred.await(goOn),
              Effect.when(Deferred.succeed(last, undefined), () => route.api === "api-9999")
            )
          })
        ),
        Effect.forkScoped
      )
      // Waits until the stream's fiber is suspended: it has subscribed.
      yield* TestClock.adjust(0)
      yield* discovery.register({ ...mine, api: "api-0" })
      yield* TestClock.adjust(0)
      yield* discovery.register(Array.from({ length: 9999 }, (_, i) => ({ ...mine, api: `api-${i + 1}` })))
      yield* Deferred.succeed(goOn, undefined)
      yield* Deferred.await(last)
      assert.isAtMost(seen.length, 4096 + 2)
      assert.strictEqual(seen[0], "api-0")
    }).pipe(Effect.provide(StaticDiscovery.layer({})))
  )

  it.scoped("is validated as everywhere", () =>
    Effect.gen(function* () {
      const discovery = yield* Discovery
      const refused = yield* told(discovery.register([{ ...mine, pathPrefix: "mine" }]))
      assert.strictEqual(refused.tag, "InvalidEntry")
    }).pipe(Effect.provide(StaticDiscovery.layer({})))
  )
})

describe("from Config", () => {
  const withEnv = (env: Record<string, string>) =>
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(env))))

  it.effect("reads IPC_SERVICES", () =>
    Effect.gen(function* () {
      const discovery = yield* Discovery
      assert.deepStrictEqual(
        (yield* discovery.routes).map(({ api, baseUrl, pathPrefix }) => [api, baseUrl, pathPrefix]),
        [
          ["users", users, "/"],
          ["users", orders[0], "/"],
          ["files", orders[1], "/files"]
        ]
      )
    }).pipe(
      Effect.provide(StaticDiscovery.layerConfig()),
      withEnv({ IPC_SERVICES: ` users = ${users}, users=${orders[0]}\n files:/files=${orders[1]},` })
    )
  )

  it.effect("reads each service from a Config of its own", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* discoverTimes("users", 1), [users])
    }).pipe(
      Effect.provide(StaticDiscovery.layerConfig({ users: Config.string("USERS_URL") })),
      withEnv({ USERS_URL: users })
    )
  )

  it.effect("fails typed, naming the variable, the part and the form, or the entry", () =>
    Effect.gen(function* () {
      const read = (env: Record<string, string>) =>
        Effect.flip(Effect.provide(Discovery, StaticDiscovery.layerConfig()).pipe(withEnv(env)))
      const missing = yield* read({})
      assert.include(String(missing), "IPC_SERVICES")
      const malformed = yield* read({ IPC_SERVICES: "users" })
      assert.include(String(malformed), 'at IPC_SERVICES: ""users" isn\'t of the form api=url or api:/path=url')
      const invalid = yield* read({ IPC_SERVICES: "users=127.0.0.1:4001" })
      assert.strictEqual(invalid._tag, "InvalidEntry")
    })
  )

  it("parses every form, and refuses what is ambiguous", () => {
    assert.deepStrictEqual(StaticDiscovery.parse(""), Either.right({}))
    assert.deepStrictEqual(
      StaticDiscovery.parse("a:b=http://x/?q=1"),
      Either.right({
        "a:b": { baseUrl: ["http://x/?q=1"], pathPrefix: undefined }
      })
    )
    assert.deepStrictEqual(
      StaticDiscovery.parse("a=http://x,a:/a=http://y"),
      Either.left("a is given two different paths")
    )
    for (const text of ["=http://x", "a=", "a=http://x http://y"]) {
      assert.isTrue(Either.isLeft(StaticDiscovery.parse(text)), text)
    }
    const parsed = Either.getOrThrow(StaticDiscovery.parse("__proto__=http://x"))
    assert.deepStrictEqual(Object.keys(parsed), ["__proto__"])
  })
})
