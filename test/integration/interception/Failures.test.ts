/** What went wrong in a test's own code, and what is recorded, as assertions see it. */
import { HttpApi } from "@effect/platform"
import { assert, describe, expect } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { WebSocket } from "ws"
import * as HttpApiMock from "../../../layers/testing/HttpApiMock.js"
import { HttpInterception } from "../../../src/HttpInterception.js"
import * as Intercept from "../../../src/Intercept.js"
import { UnverifiedInterception } from "../../../src/InterceptionError.js"
import { ask } from "../http/support.js"
import { Users } from "./api.js"
import { live, says, service, statusOf, suite, text } from "./support.js"

const Api = HttpApi.make("api").add(Users)

/** What a failing assertion says of the values; any other error is the library's. */
const shown = (assertion: () => void): string => {
  try {
    assertion()
  } catch (error) {
    assert.strictEqual((error as Error).name, "AssertionError", String((error as Error).stack))
    return String((error as Error).message)
  }
  return assert.fail("it holds")
}

describe("an assertion that fails in a mock's handler", () => {
  live("is the call's failure, and fails the strict scope", () =>
    Effect.gen(function* () {
      const { http, url } = yield* suite()
      const exit = yield* Effect.exit(
        Effect.scoped(
          Effect.gen(function* () {
            const strict = yield* http.strict
            const orders = yield* strict.mock(Intercept.post("/orders"), ({ body }) =>
              Effect.sync(() => {
                expect(body).toEqual({ item: "tea" })
                return {}
              })
            )
            yield* strict.mock(Intercept.get("/map"), () => Effect.succeed(new Map([["a", 1]])))
            yield* strict.mock(Intercept.get("/curried"), () => Effect.succeed(Intercept.status(404)))
            yield* strict.mock(Intercept.post("/json"), () => Effect.void)
            const order = { method: "POST", body: '{"item":"pen"}', headers: { "content-type": "application/json" } }
            assert.strictEqual(yield* statusOf(`${url}/orders`, order), 500)
            assert.strictEqual(yield* statusOf(`${url}/map`), 500)
            assert.strictEqual(yield* statusOf(`${url}/curried`), 500)
            assert.strictEqual(yield* statusOf(`${url}/json`, { ...order, body: "{" }), 400)
            const [call] = yield* orders.calls
            assert.match(call?.failure ?? "", /^the handler failed: expected \{ item: 'pen' \} to deeply equal/)
            assert.strictEqual(call?.response?.status, 500)
          })
        )
      )
      const defect = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
      assert.instanceOf(defect, UnverifiedInterception)
      const lines = (defect as UnverifiedInterception).message.split("\n")
      assert.strictEqual(lines[0], "Failed while it answered (fix the handler, or what it asserts):")
      assert.include(
        lines[1],
        "  - mock POST /orders, asked POST /orders: the handler failed: expected { item: 'pen' }"
      )
      assert.include(
        lines.join("\n"),
        "  - mock GET /map, asked GET /map: the handler failed: The handler's result can't be sent"
      )
      assert.include(
        lines.join("\n"),
        "  - mock GET /curried, asked GET /curried: the handler failed: The handler's result can't be sent"
      )
      assert.include(
        lines.join("\n"),
        "  - mock POST /json, asked POST /json: the handler failed: The body claims to be JSON"
      )
      assert.strictEqual(((defect as Error).cause as Error).name, "AssertionError")
    })
  )

  live("of WebSockets, too", () =>
    Effect.gen(function* () {
      const { http, url } = yield* suite()
      const chat = yield* http.webSocket(Intercept.get("/chat"), () =>
        Effect.sync(() => assert.strictEqual(1, 2, "no"))
      )
      const socket = yield* Effect.acquireRelease(
        Effect.sync(() => new WebSocket(`${url.replace("http", "ws")}/chat`)),
        (socket) => Effect.sync(() => socket.terminate())
      )
      socket.on("error", () => {})
      assert.strictEqual(
        (yield* chat.awaitCall(1, { timeout: "10 seconds" })).failure,
        "the handler failed: no: expected 1 to equal 2"
      )
      const { message } = yield* Effect.flip(http.verify)
      assert.include(
        message,
        "  - WebSocket mock GET /chat, asked GET /chat: the handler failed: no: expected 1 to equal 2"
      )
    })
  )

  live("and a request or an answer that a mocked endpoint's schema refuses", () =>
    Effect.gen(function* () {
      const { http, url } = yield* suite()
      yield* HttpApiMock.endpoint(Api, "users", "find", (({ path }: { readonly path: { readonly id: number } }) =>
        Effect.succeed({ id: path.id })) as never).pipe(Effect.provideService(HttpInterception, http))
      const headers = { "x-tenant": "acme" }
      assert.strictEqual(yield* statusOf(`${url}/users/seven`, { headers }), 400)
      assert.strictEqual(yield* statusOf(`${url}/users/7?tag=a&tag=b`, { headers }), 400)
      const { failed } = yield* Effect.flip(http.verify)
      assert.deepStrictEqual(
        failed.map(({ name, path }) => [name, path]),
        [
          ["mock users.find (GET /users/:id)", "/users/seven"],
          ["mock users.find (GET /users/:id)", "/users/7"]
        ]
      )
      const refused = "the handler failed: the schema refuses the request, or the answer to it: "
      assert.include(failed[0]?.failure, `${refused}{ readonly id: NumberFromString }`)
      assert.include(failed[1]?.failure, refused)
      assert.match(failed[1]?.failure ?? "", /since|name/)
    })
  )
})

describe("what is recorded", () => {
  live("is shown by an assertion that doesn't hold, body and all", () =>
    Effect.gen(function* () {
      const gateway = yield* suite()
      const { http, url } = gateway
      yield* service(gateway, "real", says("real"))
      const seen: Array<unknown> = []
      const mock = yield* http.mock(Intercept.post("/orders/:id", { body: { item: "tea" } }), (request) => {
        seen.push(request)
        return Effect.succeed({ done: true })
      })
      const spy = yield* http.spy(Intercept.get("/real"))
      const order = { method: "POST", body: '{"item":"tea"}', headers: { "content-type": "application/json" } }
      yield* text(`${url}/orders/7?a=1`, order)
      yield* text(`${url}/real`)
      const [call] = yield* mock.calls
      const [spied] = yield* spy.calls
      assert.include(
        shown(() => expect(call?.request).toMatchObject({ body: { item: "coffee" }, params: { id: "8" } })),
        "to match object"
      )
      for (const value of [call, call?.request, call?.response, spied, spied?.response, ...seen]) {
        shown(() => expect(value).toEqual({ a: 1 }))
        shown(() => expect(value).toStrictEqual({ a: 1 }))
        shown(() => expect(value).toMatchObject({ body: 1, path: 2, query: 3, headers: 4 }))
        shown(() => expect([value]).toContainEqual({ a: 1 }))
        assert.doesNotThrow(() => structuredClone({ ...(value as object), forward: undefined }))
      }
      expect(call?.request).toMatchObject({ body: { item: "tea" }, params: { id: "7" }, query: { a: "1" } })
      assert.deepStrictEqual(Object.keys(call?.request ?? {}).sort(), [
        "body",
        "bytes",
        "headers",
        "method",
        "params",
        "path",
        "query",
        "truncated"
      ])
      assert.deepStrictEqual(JSON.parse(JSON.stringify(call?.response)).body, { done: true })
    })
  )

  live("takes no more than its bound in bytes: the oldest bodies are dropped, and marked", () =>
    Effect.gen(function* () {
      const { http, url } = yield* suite({ maxRecordedBytes: 1_000, maxTotalRecordedBytes: 3_500 })
      const mock = yield* http.mock(Intercept.post("/a"), ({ bytes }) => Effect.succeed(bytes.length))
      const body = "x".repeat(900)
      for (let n = 0; n < 6; n++) assert.strictEqual((yield* ask(`${url}/a`, { method: "POST", body })).text, "900")
      assert.deepStrictEqual(
        (yield* mock.calls).map(({ request }) => [request.bytes.length, request.truncated]),
        [
          [0, true],
          [0, true],
          [0, true],
          [900, false],
          [900, false],
          [900, false]
        ]
      )
    })
  )
})
