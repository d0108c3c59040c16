/**
 * What a test with Effect does with interceptors, each with a number that keeps its answers apart from the others'.
 */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import { assert } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as HttpApiMock from "../../../layers/testing/HttpApiMock.js"
import { Discovery } from "../../../src/Discovery.js"
import { HttpInterception } from "../../../src/HttpInterception.js"
import * as Intercept from "../../../src/Intercept.js"
import * as InnerScope from "../../../src/internal/InnerScope.js"
import * as Bare from "../../support/Bare.js"
import * as Place from "./Place.js"

type Scenario = (n: number, url: string) => Effect.Effect<void, unknown, HttpInterception | Discovery | Scope.Scope>

const text = (url: string, options?: Place.Asking) => Effect.promise(() => Place.text(url, options))
const asking = (url: string) =>
  Effect.tryPromise({ try: (signal) => Place.ask(url, { signal }), catch: (error) => error })

const User = Schema.Struct({ id: Schema.Number, name: Schema.String })
const Api = HttpApi.make("typed").add(
  HttpApiGroup.make("users").add(
    HttpApiEndpoint.get("find", "/real/typed/:id")
      .setPath(Schema.Struct({ id: Schema.NumberFromString }))
      .addSuccess(User)
  )
)

/** A test that has its request at the mock, and goes on from there. */
const inMidRequest = (url: string, onward: Effect.Effect<unknown, unknown>) =>
  Effect.gen(function* () {
    const http = yield* HttpInterception
    const arrived = yield* Deferred.make<void>()
    const test = Effect.gen(function* () {
      yield* http.mock(Intercept.any({ api: "real" }), () =>
        Effect.zipRight(Deferred.succeed(arrived, undefined), Effect.never)
      )
      yield* Effect.forkDaemon(Effect.ignore(asking(`${url}/real/slow`)))
      yield* Deferred.await(arrived)
      return yield* onward
    })
    return yield* Effect.exit(Effect.scoped(test))
  })

export const scenarios: Readonly<Record<string, Scenario>> = {
  "mocks, and gives back": (n, url) =>
    Effect.gen(function* () {
      const http = yield* HttpInterception
      yield* Effect.scoped(
        Effect.gen(function* () {
          const mock = yield* http.mock(Intercept.get("/real/:id"), ({ params }) =>
            Effect.succeed({ n, id: params.id })
          )
          assert.strictEqual(yield* text(`${url}/real/7`), `{"n":${n},"id":"7"}`)
          assert.strictEqual((yield* mock.calls).length, 1)
        })
      )
      assert.strictEqual(yield* text(`${url}/real/7`), "the real service")
    }),
  "mocks a limited number of calls": (n, url) =>
    Effect.gen(function* () {
      const http = yield* HttpInterception
      yield* http.mock(Intercept.get("/real/:id"), Intercept.text(`twice ${n}`), Intercept.times(2))
      yield* http.mock(Intercept.get("/real/:id"), Intercept.text(`once ${n}`), Intercept.once)
      const answers = yield* Effect.all(
        Array.from({ length: 4 }, () => text(`${url}/real/7`)),
        { concurrency: 4 }
      )
      assert.deepStrictEqual(answers.sort(), [`once ${n}`, "the real service", `twice ${n}`, `twice ${n}`])
    }),
  "removes mocks in any order": (n, url) =>
    Effect.gen(function* () {
      const http = yield* HttpInterception
      const mocks = yield* Effect.forEach(["a", "b", "c", "d"], (name) =>
        Effect.gen(function* () {
          const scope = yield* InnerScope.make
          yield* Scope.extend(http.mock(Intercept.any({ path: "/real/*" }), Intercept.text(`${name} ${n}`)), scope)
          return { name, scope }
        })
      )
      const left = [...mocks]
      for (const gone of yield* Random.shuffle(mocks)) {
        yield* Scope.close(gone.scope, Exit.void)
        left.splice(left.indexOf(gone), 1)
        const top = left.at(-1)
        assert.strictEqual(yield* text(`${url}/real/7`), top === undefined ? "the real service" : `${top.name} ${n}`)
      }
    }),
  "spies on the real service": (n, url) =>
    Effect.gen(function* () {
      const http = yield* HttpInterception
      const spy = yield* http.spy(Intercept.any({ path: "/real/:id" }))
      const body = JSON.stringify({ n, long: "x".repeat(20_000) })
      const headers = { "content-type": "application/json" }
      assert.strictEqual(yield* text(`${url}/real/echo`, { method: "POST", body, headers }), body)
      const call = yield* spy.awaitCall(1)
      assert.deepStrictEqual([call.request.body, call.request.params.id], [JSON.parse(body), "echo"])
      yield* spy.reset
      assert.deepStrictEqual(yield* spy.calls, [])
    }),
  "streams the calls": (n, url) =>
    Effect.gen(function* () {
      const http = yield* HttpInterception
      const spy = yield* http.spy(Intercept.get("/real/:id"))
      yield* Effect.forEach([1, 2, 3], (id) => text(`${url}/real/${n}-${id}`), { concurrency: 3 })
      const ids = yield* Stream.runCollect(Stream.take(spy.stream, 3))
      assert.deepStrictEqual([...ids].map(({ request }) => request.params.id).sort(), [`${n}-1`, `${n}-2`, `${n}-3`])
    }),
  "answers with a status in place of the service": (_, url) =>
    Effect.gen(function* () {
      const http = yield* HttpInterception
      yield* http.fault(Intercept.any({ api: "real" }), Intercept.failWith(503), Intercept.once)
      assert.strictEqual((yield* asking(`${url}/real`)).status, 503)
      assert.strictEqual((yield* asking(`${url}/real`)).status, 200)
    }),
  "drops the connection": (_, url) =>
    Effect.gen(function* () {
      const http = yield* HttpInterception
      const fault = yield* http.fault(Intercept.get("/real/*"), Intercept.drop, Intercept.once)
      yield* Effect.flip(asking(`${url}/real/x`))
      assert.strictEqual((yield* fault.awaitCall(1)).failure, "the fault dropped the connection")
    }),
  "resets in the middle of a body": (_, url) =>
    Effect.gen(function* () {
      const http = yield* HttpInterception
      const fault = yield* http.fault(Intercept.get("/real/*"), Intercept.resetInBody({ afterBytes: 3 }))
      yield* Effect.flip(asking(`${url}/real/x`))
      assert.strictEqual((yield* fault.awaitCall(1)).response?.bytes.length, 3)
    }),
  delays: (_, url) =>
    Effect.gen(function* () {
      const http = yield* HttpInterception
      const fault = yield* http.fault(Intercept.get("/real/*"), Intercept.delay("3 millis"))
      assert.strictEqual(yield* text(`${url}/real/x`), "the real service")
      yield* fault.awaitCall(1)
    }),
  "matches query, headers and body": (n, url) =>
    Effect.gen(function* () {
      const http = yield* HttpInterception
      yield* http.mock(Intercept.get("/real/a", { query: { n: String(n) } }), Intercept.text("query"))
      yield* http.mock(Intercept.get("/real/a", { headers: { "X-N": /^\d+$/ } }), Intercept.text("header"))
      yield* http.mock(Intercept.post("/real/a", { body: { n } }), Intercept.text("body"))
      const headers = { "content-type": "application/json" }
      const post = (body: string) => text(`${url}/real/a`, { method: "POST", body, headers })
      assert.strictEqual(yield* text(`${url}/real/a?n=${n}`), "query")
      assert.strictEqual(yield* text(`${url}/real/a`, { headers: { "x-n": "1" } }), "header")
      assert.strictEqual(yield* text(`${url}/real/a`), "the real service")
      assert.strictEqual(yield* post(`{"n":${n},"m":1}`), "body")
      assert.strictEqual(yield* post('{"n":-1}'), '{"n":-1}')
    }),
  "mocks an unregistered api": (n, url) =>
    Effect.gen(function* () {
      const http = yield* HttpInterception
      const discovery = yield* Discovery
      const api = `mail-${n}`
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* http.mock(Intercept.any({ api }), Intercept.text("sent"))
          assert.strictEqual(yield* discovery.discover(api), url)
          assert.strictEqual(yield* text(`${url}/${api}/to/ada`), "sent")
        })
      )
      assert.strictEqual((yield* Effect.flip(discovery.discover(api)))._tag, "ServiceNotRegistered")
    }),
  "mocks an endpoint of an HttpApi": (n, url) =>
    Effect.gen(function* () {
      yield* HttpApiMock.endpoint(Api, "users", "find", ({ path }) => Effect.succeed({ id: path.id + n, name: "Ada" }))
      assert.strictEqual(yield* text(`${url}/real/typed/7`), `{"id":${7 + n},"name":"Ada"}`)
    }),
  "answers a WebSocket": (n, url) =>
    Effect.gen(function* () {
      const http = yield* HttpInterception
      const mock = yield* http.webSocket(Intercept.get("/real/chat"), (socket) =>
        Stream.runForEach(Stream.take(socket.messages, 2), (message) => socket.send(`${n} ${message}`))
      )
      const client = yield* Bare.connect(`${url.replace("http:", "ws:")}/real/chat`)
      yield* client.send("a")
      yield* client.send("b")
      assert.deepStrictEqual([yield* client.next, yield* client.next], [`${n} a`, `${n} b`])
      assert.strictEqual((yield* client.closed).code, 1000)
      assert.strictEqual((yield* mock.awaitCall(1)).messages.length, 4)
    }),
  "watches a WebSocket, and drops it": (n, url) =>
    Effect.gen(function* () {
      const http = yield* HttpInterception
      const spy = yield* http.spyWebSocket(Intercept.get("/real/*"))
      const client = yield* Bare.connect(`${url.replace("http:", "ws:")}/real/chat`)
      assert.strictEqual(yield* client.next, "welcome")
      yield* client.send(`hello ${n}`)
      assert.strictEqual(yield* client.next, `hello ${n}`)
      assert.strictEqual((yield* spy.awaitMessage(3)).data, `hello ${n}`)
      yield* spy.drop
      assert.strictEqual((yield* client.closed).code, 1006)
    }),
  "is interrupted in mid-request": (_, url) =>
    Effect.gen(function* () {
      const exit = yield* inMidRequest(url, Effect.interrupt)
      assert.isTrue(Exit.isInterrupted(exit))
    }),
  "fails in mid-request": (_, url) =>
    Effect.gen(function* () {
      const exit = yield* inMidRequest(url, Effect.fail("the test's own"))
      assert.deepStrictEqual(exit, Exit.fail("the test's own"))
      assert.strictEqual(yield* text(`${url}/real/slow`), "the real service")
    }),
  "is strict, and forgets nothing": (n, url) =>
    Effect.gen(function* () {
      const http = yield* Effect.flatMap(HttpInterception, ({ strict }) => strict)
      yield* http.mock(Intercept.get(`/real/${n}`), Intercept.status(204), Intercept.times(2))
      assert.strictEqual((yield* asking(`${url}/real/${n}`)).status, 204)
      yield* Effect.flip(http.verify)
      assert.strictEqual((yield* asking(`${url}/real/${n}`)).status, 204)
    }),
  "answers many at once": (n, url) =>
    Effect.gen(function* () {
      const http = yield* HttpInterception
      const mock = yield* http.mock(Intercept.get("/real/:id"), ({ params }) => Effect.succeed(`${n} ${params.id}`))
      const ids = Array.from({ length: 15 }, (_, id) => id)
      const answers = yield* Effect.forEach(ids, (id) => text(`${url}/real/${id}`), { concurrency: 15 })
      assert.deepStrictEqual(
        answers,
        ids.map((id) => `"${n} ${id}"`)
      )
      assert.strictEqual((yield* mock.calls).length, 15)
    })
}
