import { assert, describe, vi } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Intercept from "../../../src/Intercept.js"
import { UnverifiedInterception } from "../../../src/InterceptionError.js"
import { ask, serve } from "../http/support.js"
import { live, says, service, statusOf, suite, text } from "./support.js"

describe("verify", () => {
  live("tells what was never called, called too rarely, and what nothing matched", () =>
    Effect.gen(function* () {
      const { http, url } = yield* suite()
      yield* http.mock(Intercept.get("/users/:id"), Intercept.status(200))
      yield* http.mock(Intercept.post("/orders", { body: { item: "book" } }), Intercept.status(201), Intercept.times(2))
      yield* http.mock(Intercept.get("/health"), Intercept.status(200), { optional: true })
      yield* http.spy(Intercept.any({ api: "mail" }), { name: "the mail" })
      yield* http.fault(Intercept.get("/slow", { query: { page: "2" } }), Intercept.delay(0), Intercept.once)
      yield* http.mock(Intercept.get("/secret", { headers: { "x-key": /^k/ } }), Intercept.status(200))
      const order = { method: "POST", body: '{"item":"book"}', headers: { "content-type": "application/json" } }
      assert.strictEqual(yield* statusOf(`${url}/orders`, order), 201)
      yield* statusOf(`${url}/users/7`, { method: "DELETE" })
      yield* statusOf(`${url}/user/7`)
      yield* statusOf(`${url}/slow?page=1`)
      yield* statusOf(`${url}/secret`)
      yield* statusOf(`${url}/orders`, { ...order, body: '{"item":"pen"}' })
      yield* statusOf(`${url}/users/7/friends?x=1`)
      const error = yield* Effect.flip(http.verify)
      assert.instanceOf(error, UnverifiedInterception)
      assert.strictEqual(
        error.message,
        `Not called as often as expected (call it, remove it, or pass { optional: true }):
  - mock GET /users/:id: never called
  - mock POST /orders with body {"item":"book"}: called once, expected 2 times
  - spy the mail: never called
  - fault Delay of GET /slow?page=2: never called
  - mock GET /secret with x-key: /^k/: never called
Answered 404, since nothing matched (mock it, or register the service):
  - DELETE /users/7; nearest: mock GET /users/:id, but the method is DELETE, not GET
  - GET /user/7
  - GET /slow; nearest: fault Delay of GET /slow?page=2, but query.page is "1", not "2"
  - GET /secret; nearest: mock GET /secret with x-key: /^k/, but headers.x-key is missing, and should be /^k/
  - POST /orders; nearest: mock POST /orders with body {"item":"book"}, but body.item is "pen", not "book"
  - GET /users/7/friends; nearest: mock GET /users/:id, but the path is /users/7/friends, not /users/:id`
      )
      assert.deepStrictEqual((yield* http.unmatched).slice(0, 2), [
        { method: "DELETE", path: "/users/7", nearest: "mock GET /users/:id, but the method is DELETE, not GET" },
        { method: "GET", path: "/user/7", nearest: undefined }
      ])
    })
  )

  live("tells the client of an unmatched request which interceptor came nearest", () =>
    Effect.gen(function* () {
      const { http, url } = yield* suite()
      yield* http.mock(Intercept.get("/users/:id"), Intercept.status(200))
      const answer = yield* ask(`${url}/users/7`, { method: "DELETE" })
      assert.deepStrictEqual(JSON.parse(answer.text), {
        error:
          "No route for DELETE /users/7. No route matches, and the proxy resolver knows no upstream for it: is the service registered? The interceptor that came nearest: mock GET /users/:id, but the method is DELETE, not GET."
      })
    })
  )

  live("tells which request to a service came nearest to what was never called", () =>
    Effect.gen(function* () {
      const gateway = yield* suite()
      const { discovery, http, url } = gateway
      const { url: baseUrl } = yield* serve({ onRequest: says("real") })
      yield* discovery.register([{ api: "catalog", baseUrl, pathPrefix: "/catalog", stripPrefix: true }])
      yield* http.mock(Intercept.get("/items/:id"), Intercept.json({}))
      yield* http.mock(Intercept.get("/catalog/shelves", { query: { page: "2" } }), Intercept.json({}))
      yield* http.mock(Intercept.get("/orders"), Intercept.json({}))
      yield* http.mock(Intercept.get("/catalog/mocked"), Intercept.json({}))
      yield* http.spy(Intercept.post("/catalog/mocked"))
      for (const path of ["items/1", "shelves?page=1", "mocked"]) yield* text(`${url}/catalog/${path}`)
      assert.strictEqual(
        (yield* Effect.flip(http.verify)).message,
        `Not called as often as expected (call it, remove it, or pass { optional: true }):
  - mock GET /items/:id: never called; nearest: GET /catalog/items/1, answered 200, but the path is /catalog/items/1, not /items/:id
  - mock GET /catalog/shelves?page=2: never called; nearest: GET /catalog/shelves, answered 200, but query.page is "1", not "2"
  - mock GET /orders: never called
  - spy POST /catalog/mocked: never called`
      )
    })
  )

  live("is content with what was called as often as expected, and forgets what has gone", () =>
    Effect.gen(function* () {
      const { http, url } = yield* suite()
      yield* Effect.scoped(http.mock(Intercept.get("/gone"), Intercept.status(200)))
      const mock = yield* http.mock(Intercept.get("/twice"), Intercept.status(200), Intercept.times(2))
      yield* statusOf(`${url}/twice`)
      yield* mock.reset
      yield* statusOf(`${url}/twice`)
      yield* http.verify
    })
  )
})

describe("a strict scope", () => {
  const forgetful = (http: Effect.Effect.Success<ReturnType<typeof suite>>["http"]) =>
    Effect.gen(function* () {
      const strict = yield* http.strict
      yield* Effect.scoped(strict.mock(Intercept.get("/never"), Intercept.status(200)))
      return strict
    })

  live("dies when it closes with success and something is left", () =>
    Effect.gen(function* () {
      const { http } = yield* suite()
      const exit = yield* Effect.exit(Effect.scoped(forgetful(http)))
      assert.isTrue(Exit.isFailure(exit))
      const defects = Exit.isFailure(exit) ? Chunk.toReadonlyArray(Cause.defects(exit.cause)) : []
      assert.deepStrictEqual(
        defects.map((defect) => (defect instanceof UnverifiedInterception ? defect.message : defect)),
        [
          "Not called as often as expected (call it, remove it, or pass { optional: true }):\n  - mock GET /never: never called"
        ]
      )
    })
  )

  live("leaves the failure of a test that fails as it is, and prints what is left", () =>
    Effect.gen(function* () {
      const { http } = yield* suite()
      const stderr = yield* Effect.acquireRelease(
        Effect.sync(() => vi.spyOn(process.stderr, "write").mockReturnValue(true)),
        (spy) => Effect.sync(() => spy.mockRestore())
      )
      const exit = yield* Effect.exit(Effect.scoped(Effect.zipRight(forgetful(http), Effect.fail("the test's own"))))
      assert.deepStrictEqual(exit, Exit.fail("the test's own"))
      assert.deepStrictEqual(
        stderr.mock.calls.map(([written]) => written),
        [
          "The test failed; its interceptors report:\nNot called as often as expected (call it, remove it, or pass { optional: true }):\n  - mock GET /never: never called\n"
        ]
      )
    })
  )

  live("counts what was made by it alone, and verifies at once where asked", () =>
    Effect.gen(function* () {
      const { http, url } = yield* suite()
      yield* http.mock(Intercept.get("/other"), Intercept.status(200))
      yield* statusOf(`${url}/before`)
      const strict = yield* http.strict
      yield* strict.verify
      yield* statusOf(`${url}/other`)
      yield* strict.verify
      yield* statusOf(`${url}/during`)
      assert.deepStrictEqual(
        (yield* Effect.flip(strict.verify)).unmatched.map(({ path }) => path),
        ["/during"]
      )
      yield* Effect.fail("so that it doesn't verify once more")
    }).pipe(Effect.scoped, Effect.ignore)
  )
})

describe("the calls of an interceptor", () => {
  live("are awaited by number, streamed, and forgotten", () =>
    Effect.gen(function* () {
      const gateway = yield* suite()
      yield* service(gateway, "users", says("real"))
      const spy = yield* gateway.http.spy(Intercept.get("/users/:id"), { name: "users" })
      assert.strictEqual(spy.name, "users")
      const third = yield* Effect.fork(spy.awaitCall(3))
      const streamed = yield* Effect.fork(Stream.runCollect(Stream.take(spy.stream, 3)))
      for (const id of [1, 2, 3]) yield* text(`${gateway.url}/users/${id}`)
      assert.strictEqual((yield* Fiber.join(third)).request.params.id, "3")
      assert.deepStrictEqual(
        Chunk.toReadonlyArray(yield* Fiber.join(streamed)).map(({ request }) => request.params.id),
        ["1", "2", "3"]
      )
      assert.strictEqual((yield* spy.awaitCall(2)).request.path, "/users/2")
      assert.strictEqual((yield* Stream.runCollect(Stream.take(spy.stream, 2))).length, 2)
      yield* spy.reset
      assert.deepStrictEqual(yield* spy.calls, [])
      yield* text(`${gateway.url}/users/4`)
      assert.strictEqual((yield* spy.awaitCall(1)).request.params.id, "4")
    })
  )

  live("end with it: the stream is over, and who waits is told", () =>
    Effect.gen(function* () {
      const { http, url } = yield* suite()
      const { streamed, waiting, ...mock } = yield* Effect.scoped(
        Effect.gen(function* () {
          const mock = yield* http.mock(Intercept.get("/x"), Intercept.status(200))
          yield* statusOf(`${url}/x`)
          const streamed = yield* Effect.forkDaemon(Stream.runCollect(mock.stream))
          const waiting = yield* Effect.forkDaemon(Effect.sandbox(mock.awaitCall(2)).pipe(Effect.flip))
          yield* mock.awaitCall(1)
          yield* Effect.yieldNow()
          return { ...mock, streamed, waiting }
        })
      )
      assert.strictEqual((yield* Fiber.join(streamed)).length, 1)
      const told = Cause.squash(yield* Fiber.join(waiting))
      assert.include(String(told), "The mock GET /x was removed and had recorded only 1, so number 2 never comes.")
      assert.strictEqual((yield* mock.calls).length, 1)
    })
  )
})
