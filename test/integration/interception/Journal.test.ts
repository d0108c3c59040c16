/** What has reached the gateway, in order of arrival. */
import { assert, describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { WebSocket } from "ws"
import * as GatewayTest from "../../../layers/testing/GatewayTest.js"
import { HttpInterception } from "../../../src/HttpInterception.js"
import * as Intercept from "../../../src/Intercept.js"
import { IPCServer } from "../../../src/IPCServer.js"
import { live, says, service, statusOf, suite, text } from "./support.js"

const post = (body: string, type = "application/json") => ({ method: "POST", body, headers: { "content-type": type } })

/** The message that a waiting effect dies with; the port is another each time. */
const dying = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<string> =>
  Effect.map(Effect.exit(effect), (exit) =>
    Exit.isFailure(exit)
      ? String((Cause.squash(exit.cause) as Error).message).replaceAll(/:\d{4,5}\b/g, ":PORT")
      : assert.fail("it succeeds")
  )

describe("the calls of a gateway", () => {
  live("are in order of arrival, whatever answered them, and in whatever order they ended", () =>
    Effect.gen(function* () {
      const gateway = yield* suite()
      const { http, url } = gateway
      yield* service(gateway, "real", says("real"))
      const go = yield* Deferred.make<void>()
      const slow = yield* http.mock(Intercept.post("/slow/:id"), () => Effect.as(Deferred.await(go), "slow"))
      yield* http.mock(Intercept.post("/form"), ({ forward }) => forward({ path: "/real/form" }))
      yield* http.webSocket(Intercept.get("/chat"), () => Effect.void)
      const asking = yield* Effect.fork(text(`${url}/slow/7`, post('{"a":1}')))
      const arrived = yield* slow.awaitRequest(1)
      assert.deepStrictEqual([arrived.params, arrived.body, arrived.truncated], [{ id: "7" }, { a: 1 }, false])
      assert.deepStrictEqual(yield* http.calls(), [])
      assert.strictEqual(yield* text(`${url}/real/x?a=1`), "real")
      assert.strictEqual(yield* statusOf(`${url}/nowhere`), 404)
      assert.strictEqual(yield* text(`${url}/form`, post("a=1&b=2", "application/x-www-form-urlencoded")), "real")
      const socket = new WebSocket(`${url.replace("http", "ws")}/chat`)
      yield* Effect.async<void>((resume) => void socket.once("close", () => resume(Effect.void)))
      yield* Deferred.succeed(go, undefined)
      assert.strictEqual(yield* Fiber.join(asking), '"slow"')
      const calls = yield* http.calls()
      assert.deepStrictEqual(
        calls.map(({ request, response }) => [request.method, request.path, request.query, response?.status]),
        [
          ["POST", "/slow/7", {}, 200],
          ["GET", "/real/x", { a: "1" }, 200],
          ["GET", "/nowhere", {}, 404],
          ["POST", "/form", {}, 200],
          ["GET", "/chat", {}, 101]
        ]
      )
      const times = calls.map(({ startedAt }) => startedAt)
      assert.deepStrictEqual(times, [...times].sort())
      assert.deepStrictEqual(calls[0]?.response?.body, "slow")
      const matching = yield* http.calls(Intercept.post("/:kind", { body: { a: "1" } }))
      assert.deepStrictEqual(
        matching.map(({ request }) => [request.params, request.body]),
        [[{ kind: "form" }, "a=1&b=2"]]
      )
      assert.deepStrictEqual((yield* http.calls(Intercept.any({ api: "real" }))).length, 1)
    })
  )

  live("of a strict scope are those since it was made; multipart bodies are matched by field", () =>
    Effect.gen(function* () {
      const { http, url } = yield* suite()
      yield* http.mock(Intercept.any(), Intercept.status(200))
      yield* text(`${url}/before`)
      const strict = yield* http.strict
      yield* strict.mock(Intercept.any(), Intercept.status(200))
      const form = new FormData()
      form.append("name", "Ada")
      yield* text(`${url}/upload`, { method: "POST", body: form })
      assert.deepStrictEqual((yield* strict.calls()).length, 1)
      assert.deepStrictEqual((yield* strict.calls(Intercept.any({ body: { name: "Ada" } }))).length, 1)
      assert.deepStrictEqual((yield* strict.calls(Intercept.any({ body: { name: "Eve" } }))).length, 0)
      assert.deepStrictEqual((yield* http.calls()).length, 2)
    })
  )

  live("keep no more bytes than their bound, and take none from the interceptors", () =>
    Effect.gen(function* () {
      const { http, url } = yield* suite({ maxTotalRecordedBytes: 1_000 })
      const mock = yield* http.mock(Intercept.post("/kept"), Intercept.status(200))
      yield* http.mock(Intercept.post("/more"), Intercept.status(200))
      yield* text(`${url}/kept`, post("x".repeat(600), "text/plain"))
      yield* Effect.scoped(
        Effect.gen(function* () {
          for (let n = 0; n < 3; n++) yield* text(`${url}/unmatched`, post("x".repeat(600), "text/plain"))
        })
      )
      const sizes = (yield* http.calls()).map(({ request }) => [request.bytes.length, request.truncated])
      assert.deepStrictEqual(sizes[0], [0, true])
      assert.deepStrictEqual((yield* mock.calls)[0]?.request.bytes.length, 600)
    })
  )
})

describe("awaitRequest", () => {
  live("has a request that has arrived already, the n-th, or one that isn't answered", () =>
    Effect.gen(function* () {
      const { http, url } = yield* suite()
      yield* http.mock(Intercept.any({ path: "/never/:n" }), Intercept.never)
      yield* Effect.forkScoped(text(`${url}/never/1`))
      assert.deepStrictEqual((yield* http.awaitRequest(Intercept.get("/never/:n"))).params, { n: "1" })
      const second = yield* Effect.fork(
        http.awaitRequest(Intercept.any({ path: "/never/:n", body: { a: 2 } }), { count: 2, timeout: "10 seconds" })
      )
      for (const [at, body] of ['{"a":2}', '{"a":3}', '{"a":2,"b":1}'].entries()) {
        yield* Effect.forkScoped(text(`${url}/never/${at}`, post(body)))
        yield* http.awaitRequest(Intercept.post(`/never/${at}`))
      }
      assert.deepStrictEqual((yield* Fiber.join(second)).body, { a: 2, b: 1 })
    })
  )

  live("says what was awaited and what came instead", () =>
    Effect.gen(function* () {
      const gateway = yield* suite()
      const { http, url } = gateway
      const timeout = { timeout: "30 millis" } as const
      expect(yield* dying(http.awaitRequest(Intercept.get("/users/:id"), timeout))).toMatchInlineSnapshot(`
        "No request for GET /users/:id arrived within 30ms.
        Nothing else has arrived. Does the code under test call http://127.0.0.1:PORT?"
      `)
      const users = yield* http.mock(Intercept.get("/users/:id"), Intercept.json({ name: "Ada" }))
      yield* http.mock(Intercept.any({ path: "/never" }), Intercept.never)
      yield* http.fault(Intercept.get("/cut"), Intercept.drop)
      yield* text(`${url}/users/7`)
      yield* statusOf(`${url}/user/7`)
      yield* statusOf(`${url}/users/7`, { method: "DELETE" })
      yield* Effect.ignore(text(`${url}/cut`))
      yield* Effect.forkScoped(text(`${url}/never`, post("{}")))
      yield* http.awaitRequest(Intercept.any({ path: "/never" }))
      const order = Intercept.post("/orders", { body: { item: "tea" }, headers: { "x-key": "1" } })
      expect(yield* dying(http.awaitRequest(order, timeout))).toMatchInlineSnapshot(`
        "No request for POST /orders with x-key: 1 with body {"item":"tea"} arrived within 30ms.
        What has arrived:
          - GET /users/7, answered 200: the path is /users/7, not /orders
          - GET /user/7, answered 404: the path is /user/7, not /orders
          - DELETE /users/7, answered 404: the path is /users/7, not /orders
          - GET /cut, cut off: the path is /cut, not /orders
          - POST /never, not answered yet: the path is /never, not /orders"
      `)
      expect(
        yield* dying(http.awaitRequest(Intercept.get("/users/:id"), { ...timeout, count: 2 }))
      ).toMatchInlineSnapshot(`
        "Only one request for GET /users/:id arrived within 30ms; number 2 was awaited.
        What has arrived:
          - GET /users/7, answered 200: it matches
          - GET /user/7, answered 404: the path is /user/7, not /users/:id
          - DELETE /users/7, answered 404: the method is DELETE, not GET
          - GET /cut, cut off: the path is /cut, not /users/:id
          - POST /never, not answered yet: the path is /never, not /users/:id"
      `)
      expect(yield* dying(users.awaitCall(2, timeout))).toMatchInlineSnapshot(`
        "The mock GET /users/:id recorded only 1 within 30ms; number 2 was awaited.
        What has arrived:
          - GET /users/7, answered 200: it matches
          - GET /user/7, answered 404: the path is /user/7, not /users/:id
          - DELETE /users/7, answered 404: the method is DELETE, not GET
          - GET /cut, cut off: the path is /cut, not /users/:id
          - POST /never, not answered yet: the path is /never, not /users/:id"
      `)
      expect(yield* dying(users.awaitRequest(2, timeout))).toMatchInlineSnapshot(`
        "The mock GET /users/:id received only 1 within 30ms; number 2 was awaited.
        What has arrived:
          - GET /users/7, answered 200: it matches
          - GET /user/7, answered 404: the path is /user/7, not /users/:id
          - DELETE /users/7, answered 404: the method is DELETE, not GET
          - GET /cut, cut off: the path is /cut, not /users/:id
          - POST /never, not answered yet: the path is /never, not /users/:id"
      `)
      const removed = yield* Effect.scoped(
        Effect.gen(function* () {
          const mock = yield* http.mock(Intercept.get("/x"), Intercept.status(200))
          return yield* Effect.forkDaemon(dying(mock.awaitCall(1)))
        })
      )
      expect(yield* Fiber.join(removed)).toMatchInlineSnapshot(`
        "The mock GET /x was removed and had recorded nothing, so number 1 never comes.
        What has arrived:
          - GET /users/7, answered 200: the path is /users/7, not /x
          - GET /user/7, answered 404: the path is /user/7, not /x
          - DELETE /users/7, answered 404: the path is /users/7, not /x
          - GET /cut, cut off: the path is /cut, not /x
          - POST /never, not answered yet: the path is /never, not /x"
      `)
    })
  )

  live("refuses words that it doesn't know", () =>
    Effect.gen(function* () {
      const { http } = yield* suite()
      const wrong = { path: "/", header: { a: "1" } }
      const errors = [
        yield* Effect.flip(http.awaitRequest(wrong as never)),
        yield* Effect.flip(http.calls(wrong as never)),
        yield* Effect.flip(http.awaitRequest({}, { timeuot: 1 } as never)),
        yield* Effect.flip(http.awaitRequest({}, { count: 0 }))
      ]
      expect(errors.map(({ message }) => message)).toMatchInlineSnapshot(`
        [
          "awaitRequest() can't do this: a request matcher has no "header". Did you mean "headers"? It takes method, path, query, headers, body, api.",
          "calls() can't do this: a request matcher has no "header". Did you mean "headers"? It takes method, path, query, headers, body, api.",
          "awaitRequest() can't do this: its options have no "timeuot". Did you mean "timeout"? They take timeout, count.",
          "awaitRequest() can't do this: count is a whole number from 1, not 0.",
        ]
      `)
    })
  )

  it.effect("runs in real time under TestClock", () =>
    Effect.gen(function* () {
      const http = yield* HttpInterception
      const { url } = yield* IPCServer
      yield* http.mock(Intercept.get("/a"), Intercept.status(200))
      const waiting = yield* Effect.fork(http.awaitRequest(Intercept.get("/a"), { timeout: "10 seconds" }))
      yield* text(`${url}/a`)
      assert.strictEqual((yield* Fiber.join(waiting)).path, "/a")
      assert.include(
        yield* dying(http.awaitRequest(Intercept.get("/b"), { timeout: "20 millis" })),
        "No request for GET /b arrived within 20ms."
      )
    }).pipe(Effect.scoped, Effect.provide(GatewayTest.layer()))
  )
})
