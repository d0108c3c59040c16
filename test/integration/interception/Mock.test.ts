import { execFile } from "node:child_process"
import { FetchHttpClient, HttpClient, HttpServerResponse } from "@effect/platform"
import { assert, describe } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fc from "effect/FastCheck"
import * as Scope from "effect/Scope"
import * as undici from "undici"
import * as LocalDiscovery from "../../../layers/LocalDiscovery.js"
import { Discovery } from "../../../src/Discovery.js"
import type { Interceptor } from "../../../src/HttpInterception.js"
import * as Intercept from "../../../src/Intercept.js"
import { LeaderElection } from "../../../src/LeaderElection.js"
import * as RoutingStrategy from "../../../src/RoutingStrategy.js"
import { ask, askJson, serve } from "../http/support.js"
import { json, live, says, service, statusOf, suite, text } from "./support.js"

interface Modelled {
  readonly kind: "mock" | "fault" | "spy"
  readonly answer: string
  left: number
  seen: number
  readonly scope: Scope.CloseableScope
  readonly interceptor: Interceptor
}

describe("a mock", () => {
  live("answers fetch, undici, the platform's HttpClient and curl", () =>
    Effect.gen(function* () {
      const { http, url } = yield* suite()
      const users = yield* http.mock(Intercept.get("/users/:id"), ({ headers, params, query }) =>
        Effect.succeed({ id: params.id, page: query.page, accept: headers.accept })
      )
      const expected = (accept: string | undefined) => ({ id: "7", page: "2", ...(accept ? { accept } : {}) })
      const target = `${url}/users/7?page=2`
      assert.deepStrictEqual(yield* json(target), expected("*/*"))
      const byUndici = yield* Effect.promise(() => undici.request(target).then(({ body }) => body.json()))
      assert.deepStrictEqual(byUndici, expected(undefined))
      const byPlatform = yield* HttpClient.get(target).pipe(
        Effect.flatMap((response) => response.json),
        Effect.provide(FetchHttpClient.layer)
      )
      assert.deepStrictEqual(byPlatform, expected("*/*"))
      const byCurl = yield* Effect.async<string>((resume) => {
        execFile("curl", ["-s", target], (_, stdout) => resume(Effect.succeed(stdout)))
      })
      assert.deepStrictEqual(JSON.parse(byCurl), expected("*/*"))
      assert.strictEqual((yield* users.calls).length, 4)
    })
  )

  live("answers with a plain value, nothing, a platform response, text, a status, or its failure", () =>
    Effect.gen(function* () {
      const { http, url } = yield* suite()
      yield* http.mock(Intercept.get("/plain"), () => Effect.succeed([1]))
      yield* http.mock(Intercept.get("/nothing"), () => Effect.void)
      yield* http.mock(Intercept.get("/platform"), () => HttpServerResponse.json({ a: 1 }, { status: 418 }))
      yield* http.mock(Intercept.get("/json"), Intercept.json({ b: 1 }, { status: 201, headers: { "x-a": "1" } }))
      yield* http.mock(Intercept.get("/text"), Intercept.text("hello"))
      yield* http.mock(Intercept.get("/status"), Intercept.status(404))
      yield* http.mock(Intercept.get("/failure"), () => Effect.fail(new Error("not today")))
      const answers = yield* Effect.forEach(
        ["plain", "nothing", "platform", "json", "text", "status", "failure"],
        (path) => Effect.map(ask(`${url}/${path}`), (answer) => `${answer.status} ${answer.text}`)
      )
      assert.deepStrictEqual(answers, [
        "200 [1]",
        "200 ",
        '418 {"a":1}',
        '201 {"b":1}',
        "200 hello",
        "404 ",
        '500 {"error":"not today"}'
      ])
    })
  )

  live("answers instead of the registered service, which is back when its scope closes", () =>
    Effect.gen(function* () {
      const gateway = yield* suite()
      yield* service(gateway, "users", says("real"))
      const target = `${gateway.url}/users/7`
      assert.strictEqual(yield* text(target), "real")
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* gateway.http.mock(Intercept.get("/users/:id"), Intercept.text("mock"))
          assert.strictEqual(yield* text(target), "mock")
        })
      )
      assert.strictEqual(yield* text(target), "real")
    })
  )

  live("with a limited number of calls lets the others through, to the mock beneath and the service", () =>
    Effect.gen(function* () {
      const gateway = yield* suite()
      yield* service(gateway, "users", says("real"))
      yield* gateway.http.mock(Intercept.any({ path: "/users/*" }), Intercept.text("twice"), Intercept.times(2))
      yield* gateway.http.mock(Intercept.get("/users/:id"), Intercept.text("once"), Intercept.once)
      const answers = yield* Effect.forEach([1, 2, 3, 4], () => text(`${gateway.url}/users/7`))
      assert.deepStrictEqual(answers, ["once", "twice", "twice", "real"])
      // Those that come at the same time share the limit.
      yield* gateway.http.mock(Intercept.get("/users/:id"), Intercept.text("once"), Intercept.once)
      const atOnce = yield* Effect.all(
        [1, 2, 3].map(() => text(`${gateway.url}/users/7`)),
        { concurrency: 3 }
      )
      assert.deepStrictEqual(atOnce.sort(), ["once", "real", "real"])
    })
  )

  live("looks at method, query and headers", () =>
    Effect.gen(function* () {
      const { http, url } = yield* suite()
      yield* http.mock(Intercept.any(), Intercept.text("any"))
      yield* http.mock(Intercept.put("/a"), Intercept.text("put"))
      yield* http.mock(Intercept.get("/a", { query: { page: "2", sort: /^n/ } }), Intercept.text("page 2"))
      yield* http.mock(Intercept.get("/a", { headers: { "X-Tenant": /^acme$/i } }), Intercept.text("acme"))
      assert.strictEqual(yield* text(`${url}/a`), "any")
      assert.strictEqual(yield* text(`${url}/a`, { method: "PUT" }), "put")
      assert.strictEqual(yield* text(`${url}/a?page=2&sort=name`), "page 2")
      assert.strictEqual(yield* text(`${url}/a?page=1&page=2&sort=name`), "page 2")
      assert.strictEqual(yield* text(`${url}/a?page=2&sort=date`), "any")
      assert.strictEqual(yield* text(`${url}/a`, { headers: { "x-tenant": "ACME" } }), "acme")
      assert.strictEqual(yield* text(`${url}/a`, { headers: { "x-tenant": "other" } }), "any")
      assert.strictEqual((yield* ask(`${url}/a?page=2&sort=n`, { method: "HEAD" })).headers["content-length"], "6")
    })
  )

  live("looks at the body, which goes on whole to what is beneath where it doesn't match", () =>
    Effect.gen(function* () {
      const gateway = yield* suite({ maxRecordedBytes: 100_000 })
      const { http, url } = gateway
      yield* service(gateway, "orders", (request, response) => {
        let size = 0
        request.on("data", (chunk: Buffer) => {
          size += chunk.length
        })
        request.on("end", () => response.end(`real ${size}`))
      })
      const beneath = yield* http.spy(Intercept.post("/orders"))
      yield* http.mock(Intercept.post("/orders", { body: /^a,b/m }), Intercept.text("csv"))
      yield* http.mock(
        Intercept.post("/orders", { body: { item: "book", by: { name: /^A/ } } }),
        Intercept.text("book")
      )
      const above = yield* http.spy(Intercept.post("/orders"))
      yield* http.mock(
        Intercept.post("/orders", { body: (body) => Array.isArray(body) && body.length === 2 }),
        Intercept.text("two")
      )
      const post = (body: string | Uint8Array, type = "application/json") =>
        text(`${url}/orders`, { method: "POST", body: body, headers: { "content-type": type } })
      assert.strictEqual(yield* post('{"item":"book","count":1,"by":{"name":"Ada","x":1}}'), "book")
      assert.strictEqual(yield* post('{"item":"pen"}'), "real 14")
      assert.strictEqual(yield* post("[1,2]"), "two")
      assert.strictEqual(yield* post("a,b\n1,2", "text/csv"), "csv")
      assert.strictEqual(yield* post("{ not json"), "real 10")
      // Larger than what a matcher looks at: no matcher takes it, and not a byte is lost.
      assert.strictEqual(yield* post(Buffer.alloc(3_000_000, "x"), "text/plain"), "real 3000000")
      const seen = (calls: ReadonlyArray<{ readonly request: { readonly bytes: Uint8Array } }>) =>
        calls.map(({ request }) => request.bytes.length)
      assert.deepStrictEqual(seen(yield* beneath.calls), [14, 10, 100_000])
      assert.deepStrictEqual(seen(yield* above.calls), [51, 14, 7, 10, 100_000])
    })
  )

  live("whose path isn't one is refused", () =>
    Effect.gen(function* () {
      const { http } = yield* suite()
      const error = yield* Effect.flip(http.mock(Intercept.get("users"), Intercept.status(200)))
      assert.strictEqual(error._tag, "InvalidRoute")
    })
  )

  live("whose path has a query, which would match nothing, is refused and says where it goes", () =>
    Effect.gen(function* () {
      const { http } = yield* suite()
      const refused = (path: string) =>
        Effect.map(Effect.flip(Effect.scoped(http.mock(Intercept.get(path), Intercept.status(200)))), String)
      assert.strictEqual(
        yield* refused("/users?active=1&sort"),
        'InvalidRoute: GET /users?active=1&sort can\'t be routed: a path has no query; pass { query: {"active":"1","sort":""} }. Paths look like /users/:id or /files/*.'
      )
      assert.include(yield* refused("/users/:id?active=1"), 'pass { query: {"active":"1"} }')
      for (const path of ["/users/:id?", "/users/:id(^[ab]?$)"])
        yield* http.mock(Intercept.get(path), Intercept.status(200))
    })
  )

  live("answers a web page of another origin, its preflight first, where the test allows it", () =>
    Effect.gen(function* () {
      const { http, url } = yield* suite()
      yield* http.mock(Intercept.put("/closed"), Intercept.status(200))
      const open = yield* http.mock(Intercept.put("/open", { headers: { "x-a": "1" } }), Intercept.json({ a: 1 }), {
        cors: true
      })
      const origin = "https://example.com"
      const preflight = (path: string, method: string) =>
        ask(`${url}${path}`, {
          method: "OPTIONS",
          headers: { origin, "access-control-request-method": method, "access-control-request-headers": "x-a" }
        })
      const allowed = yield* preflight("/open", "PUT")
      assert.deepStrictEqual(
        [
          allowed.status,
          allowed.headers["access-control-allow-origin"],
          allowed.headers["access-control-allow-methods"],
          allowed.headers["access-control-allow-headers"]
        ],
        [204, origin, "PUT", "x-a"]
      )
      const answer = yield* ask(`${url}/open`, { method: "PUT", headers: { origin, "x-a": "1" } })
      assert.deepStrictEqual([answer.headers["access-control-allow-origin"], answer.text], [origin, '{"a":1}'])
      assert.strictEqual((yield* preflight("/open", "DELETE")).status, 404)
      assert.strictEqual((yield* preflight("/closed", "PUT")).status, 404)
      assert.strictEqual((yield* open.calls).length, 1)
    })
  )

  live("that goes in the middle of a request interrupts its handler, and the next request sees the service", () =>
    Effect.gen(function* () {
      const gateway = yield* suite()
      yield* service(gateway, "users", says("real"))
      const target = `${gateway.url}/users/7`
      const arrived = yield* Deferred.make<void>()
      const interrupted = yield* Deferred.make<void>()
      const hanging = Effect.gen(function* () {
        yield* gateway.http.mock(Intercept.get("/users/:id"), () =>
          Deferred.succeed(arrived, undefined).pipe(
            Effect.zipRight(Effect.never),
            Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
          )
        )
        return yield* Effect.never
      })
      const test = yield* Effect.fork(Effect.scoped(hanging))
      yield* Effect.yieldNow()
      const answer = yield* Effect.fork(
        Effect.repeat(askJson(target).pipe(Effect.catchAll(() => Effect.succeed({ status: 200, json: {} }))), {
          until: ({ status }) => status !== 200
        })
      )
      yield* Deferred.await(arrived)
      yield* test.interruptAsFork(test.id())
      yield* Deferred.await(interrupted)
      assert.deepStrictEqual(yield* answer, {
        status: 503,
        json: { error: "The handler of GET /users/7 was interrupted." }
      })
      assert.strictEqual(yield* text(target), "real")
    })
  )

  live("whose client goes away has its handler interrupted, and the failure recorded", () =>
    Effect.gen(function* () {
      const { http, url } = yield* suite()
      const arrived = yield* Deferred.make<void>()
      const interrupted = yield* Deferred.make<void>()
      const mock = yield* http.mock(Intercept.get("/slow"), () =>
        Deferred.succeed(arrived, undefined).pipe(
          Effect.zipRight(Effect.never),
          Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
        )
      )
      const client = yield* Effect.fork(text(`${url}/slow`))
      yield* Deferred.await(arrived)
      yield* Effect.fork(client.interruptAsFork(client.id()))
      yield* Deferred.await(interrupted)
      const call = yield* mock.awaitCall(1)
      assert.deepStrictEqual(
        [call.response, call.failure],
        [undefined, "the connection closed before the answer was complete"]
      )
    })
  )
})

describe("interceptors that nest", () => {
  live(
    "restore exactly what was beneath, in whatever order they go",
    () =>
      Effect.gen(function* () {
        const gateway = yield* suite()
        yield* service(gateway, "users", says("real"))
        const target = `${gateway.url}/users/7`
        const users = Intercept.get("/users/:id")
        // Each step adds an interceptor (with a limit or none), removes one of those there are, or asks.
        const step = fc.oneof(
          fc.record({
            kind: fc.constantFrom("mock" as const, "fault" as const, "spy" as const),
            times: fc.constantFrom(undefined, 1, 2)
          }),
          fc.record({ kind: fc.constant("remove" as const), which: fc.nat(1_000) }),
          fc.record({ kind: fc.constant("ask" as const) })
        )
        const place = (
          kind: "mock" | "fault" | "spy",
          name: string,
          options: { readonly times: number | undefined }
        ) => {
          if (kind === "mock") return gateway.http.mock(users, Intercept.text(name), options)
          if (kind === "fault") return gateway.http.fault(users, Intercept.failWith(503), { ...options, name })
          return gateway.http.spy(users, options)
        }
        const run = (steps: ReadonlyArray<typeof step extends fc.Arbitrary<infer A> ? A : never>) =>
          Effect.gen(function* () {
            const model: Array<Modelled> = []
            /** From the newest on: a spy sees it and lets it through, any other answers. */
            const expected = () => {
              for (const placed of model.toReversed()) {
                if (placed.left === 0) continue
                placed.left--
                placed.seen++
                if (placed.kind !== "spy") return placed.answer
              }
              return "real"
            }
            const check = Effect.gen(function* () {
              assert.strictEqual(yield* text(target), expected())
              for (const { interceptor, seen } of model) assert.strictEqual((yield* interceptor.calls).length, seen)
            })
            let added = 0
            for (const now of steps) {
              if (now.kind === "ask") yield* check
              else if (now.kind !== "remove") {
                const scope = yield* Scope.make()
                const name = `${now.kind} ${added++}`
                const interceptor = yield* Scope.extend(place(now.kind, name, { times: now.times }), scope)
                const answer = now.kind === "fault" ? `{"error":"By the interceptor ${name}."}` : name
                const left = now.times ?? Number.POSITIVE_INFINITY
                model.push({ kind: now.kind, answer, left, seen: 0, scope, interceptor })
              } else if (model.length > 0) {
                const [gone] = model.splice(now.which % model.length, 1)
                if (gone !== undefined) yield* Scope.close(gone.scope, Exit.void)
              }
            }
            yield* check
            for (const { scope } of model) yield* Scope.close(scope, Exit.void)
            assert.strictEqual(yield* text(target), "real")
          })
        yield* Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(fc.array(step, { maxLength: 25 }), (steps) => Effect.runPromise(run(steps))),
            { numRuns: 60 }
          )
        )
      }),
    60_000
  )

  live(
    "in two hundred tests at the same time leave nothing",
    () =>
      Effect.gen(function* () {
        const gateway = yield* suite()
        yield* service(gateway, "users", says("real"))
        const before = yield* gateway.discovery.routes
        const test = (n: number) =>
          Effect.scoped(
            Effect.gen(function* () {
              const http = yield* gateway.http.strict
              const mine = Intercept.get(`/users/${n}`, { api: n % 2 === 0 ? "users" : `api-${n}` })
              const mock = yield* http.mock(mine, Intercept.text(`mock ${n}`), Intercept.once)
              const spy = yield* http.spy(Intercept.get(`/users/${n}`))
              assert.strictEqual(yield* text(`${gateway.url}/users/${n}`), `mock ${n}`)
              assert.strictEqual(yield* text(`${gateway.url}/users/${n}`), "real")
              assert.deepStrictEqual([(yield* mock.calls).length, (yield* spy.calls).length], [1, 2])
            })
          )
        yield* Effect.all(
          Array.from({ length: 200 }, (_, n) => test(n)),
          { concurrency: 20 }
        )
        assert.strictEqual(yield* text(`${gateway.url}/users/7`), "real")
        assert.deepStrictEqual(
          (yield* gateway.discovery.routes).map(({ api }) => api),
          before.map(({ api }) => api)
        )
        yield* gateway.http.verify
      }),
    60_000
  )
})

describe("a mocked api", () => {
  live("is discovered though it isn't registered, until the mock's scope closes", () =>
    Effect.gen(function* () {
      const { discovery, http, url } = yield* suite()
      const before = yield* Effect.flip(discovery.discover("mail"))
      assert.strictEqual(before._tag, "ServiceNotRegistered")
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* http.mock(Intercept.any({ api: "mail" }), Intercept.text("sent"))
          yield* Effect.scoped(http.mock(Intercept.get("/mail/x", { api: "mail" }), Intercept.text("x")))
          assert.strictEqual(yield* discovery.discover("mail"), url)
          assert.strictEqual(yield* text(`${url}/mail/to/ada`), "sent")
          assert.strictEqual(yield* statusOf(`${url}/mailbox`), 404)
        })
      )
      assert.strictEqual((yield* Effect.flip(discovery.discover("mail")))._tag, "ServiceNotRegistered")
      assert.strictEqual(yield* statusOf(`${url}/mail/to/ada`), 404)
    })
  )

  live("is discovered by another participant, through the leader's registry", () =>
    Effect.gen(function* () {
      const { http, port, url } = yield* suite()
      const context = yield* LocalDiscovery.make({ port })
      const follower = Context.get(context, Discovery)
      assert.strictEqual(yield* Context.get(context, LeaderElection).role, "follower")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const mock = yield* http.mock(Intercept.any({ api: "mail" }), Intercept.text("sent"))
          const found = yield* follower.discover("mail")
          assert.strictEqual(found, url)
          assert.strictEqual(yield* text(`${found}/mail`), "sent")
          const [call] = yield* mock.calls
          assert.deepStrictEqual(
            [call?.request.truncated, call?.response?.truncated, call?.response?.body],
            [false, false, "sent"]
          )
        })
      )
      assert.strictEqual((yield* Effect.flip(follower.discover("mail")))._tag, "ServiceNotRegistered")
    })
  )

  live("hides its three instances at their own prefix, and gives them back with their strategy", () =>
    Effect.gen(function* () {
      const { discovery, http, url } = yield* suite()
      for (const word of ["a", "b", "c"]) {
        const { url: baseUrl } = yield* serve({ onRequest: says(word) })
        yield* discovery.register([{ api: "users", baseUrl, pathPrefix: "/v1/people" }])
      }
      const { url: admin } = yield* serve({ onRequest: says("admin") })
      yield* discovery.register([{ api: "admin", baseUrl: admin, pathPrefix: "/v1/people/admin" }])
      const instances = yield* discovery.instances("users")
      const turns = (n: number) => Effect.all(Array.from({ length: n }, () => text(`${url}/v1/people/7`)))
      assert.deepStrictEqual(yield* turns(4), ["a", "b", "c", "a"])
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* http.mock(Intercept.any({ api: "users" }), Intercept.text("mock"))
          assert.deepStrictEqual(yield* turns(2), ["mock", "mock"])
          assert.strictEqual(yield* text(`${url}/v1/people/admin`), "admin")
          assert.strictEqual(yield* statusOf(`${url}/users/7`), 404)
        })
      )
      assert.deepStrictEqual(yield* discovery.instances("users"), instances)
      assert.deepStrictEqual(yield* turns(3), ["b", "c", "a"])
      yield* discovery.setStrategy("users", RoutingStrategy.last)
      assert.deepStrictEqual(yield* turns(2), ["c", "c"])
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* http.mock(Intercept.any({ api: "users" }), Intercept.text("mock"))
          assert.deepStrictEqual(yield* turns(1), ["mock"])
        })
      )
      assert.deepStrictEqual(yield* turns(3), ["c", "c", "c"])
    })
  )
})
