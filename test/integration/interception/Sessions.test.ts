/** Tests that run at the same time on one gateway, each with interceptors of its own. */
import * as http from "node:http"
import { FetchHttpClient, HttpClient, HttpRouter, HttpServer, HttpServerResponse } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Scope from "effect/Scope"
import { HttpInterception, IPCClient, IPCServer, type UnverifiedInterception } from "effect-ipc"
import { NodeIPCClient } from "effect-ipc/node"
import * as Facade from "effect-ipc/promise"
import { GatewayTest, Intercept, TestGateway } from "effect-ipc/testing"
import { afterAll, assert, beforeAll, describe, expect, it } from "vitest"
import { WebSocket } from "ws"
import { serve } from "../http/support.js"
import { rejection } from "../promise/support.js"
import { live, says, service, statusOf, suite, text } from "./support.js"

const body = (url: string, headers: Readonly<Record<string, string>> = {}) =>
  fetch(url, { headers }).then((response) => response.text())

describe("ten tests at the same time on three services", () => {
  let gateway: TestGateway.TestGateway
  let scope: Scope.CloseableScope

  /** Without Effect; passes on the headers of the request that it answers. */
  const orders: http.RequestListener = (request, response) => {
    const { baggage = "", traceparent = "" } = request.headers as Record<string, string>
    const asking = body(`${gateway.url}/basket${request.url?.slice("/orders".length)}`, { traceparent, baggage })
    asking.then((basket) => response.end(`order of ${basket}`)).catch(() => response.destroy())
  }

  /** Of the platform, which passes on the trace by itself. */
  const basket = Effect.gen(function* () {
    const ask = (path: string) =>
      HttpClient.get(`${gateway.url}${path}`).pipe(
        Effect.flatMap((response) => response.text),
        Effect.provide(FetchHttpClient.layer)
      )
    const app = HttpRouter.empty.pipe(
      HttpRouter.get(
        "/basket/:id",
        Effect.gen(function* () {
          const { id } = yield* HttpRouter.params
          const [user, price] = yield* Effect.all([ask(`/users/${id}`), ask(`/prices/${id}`)], { concurrency: 2 })
          return HttpServerResponse.text(`${user} at ${price}`)
        })
      )
    )
    const context = yield* Layer.build(NodeHttpServer.layer(() => http.createServer(), { port: 0, host: "127.0.0.1" }))
    yield* HttpServer.serveEffect(app).pipe(Effect.provide(context))
    const { address } = Context.get(context, HttpServer.HttpServer)
    return `http://127.0.0.1:${address._tag === "TcpAddress" ? address.port : 0}`
  })

  beforeAll(async () => {
    gateway = await TestGateway.start()
    scope = Effect.runSync(Scope.make())
    const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) =>
      Effect.runPromise(Scope.extend(effect, scope).pipe(Logger.withMinimumLogLevel(LogLevel.None)))
    await gateway.register([
      { api: "orders", baseUrl: (await run(serve({ onRequest: orders }))).url, pathPrefix: "/orders" },
      { api: "basket", baseUrl: await run(basket), pathPrefix: "/basket" },
      { api: "prices", baseUrl: (await run(serve({ onRequest: says("no price") }))).url, pathPrefix: "/prices" }
    ])
  })
  afterAll(async () => {
    await Effect.runPromise(Scope.close(scope, Exit.void))
    await gateway.close()
  })

  describe.concurrent("with mocks of the same paths", () => {
    for (let n = 1; n <= 10; n++) {
      it(`test ${n}`, async () => {
        await using session = await gateway.session()
        const users = await session.mock(Intercept.get("/users/:id"), ({ params }) => `user ${params.id} of test ${n}`)
        const price = await session.mock(
          Intercept.get("/prices/:id"),
          Intercept.text(`${n} pounds`),
          Intercept.times(3)
        )
        const spy = await session.spy(Intercept.any({ api: "basket" }))
        const answers = await Promise.all([1, 2, 3].map((id) => body(`${gateway.url}/orders/${id}`, session.headers)))
        assert.deepStrictEqual(
          answers,
          [1, 2, 3].map((id) => `order of "user ${id} of test ${n}" at ${n} pounds`)
        )
        assert.deepStrictEqual([users.calls().length, price.calls().length, spy.calls().length], [3, 3, 3])
        assert.deepStrictEqual(session.calls().length, 12)
        assert.deepStrictEqual(session.calls(Intercept.get("/users/:id")).length, 3)
      })
    }
  })
})

describe("a session", () => {
  live("sees what carries its trace by traceparent, b3 or baggage, and nothing of other tests", () =>
    Effect.gen(function* () {
      const gateway = yield* suite()
      const { http, url } = gateway
      const one = yield* http.session()
      const other = yield* http.session({ strict: false })
      yield* one.mock(Intercept.get("/a"), Intercept.text("one"))
      yield* other.mock(Intercept.get("/a"), Intercept.text("other"), { optional: true })
      yield* http.mock(Intercept.get("/a"), Intercept.text("all"), { optional: true })
      const ask = (headers: Readonly<Record<string, string>>) => text(`${url}/a`, { headers })
      const { traceId } = one
      assert.match(traceId, /^[0-9a-f]{32}$/)
      const spanId = "00f067aa0ba902b7"
      for (const headers of [
        one.headers,
        { traceparent: `00-${traceId}-${spanId}-00` },
        { b3: `${traceId}-${spanId}-1` },
        { "x-b3-traceid": traceId, "x-b3-spanid": spanId },
        { traceparent: `00-${"ab".repeat(16)}-${spanId}-01`, baggage: `a=1, effect-ipc-session=${traceId};p=1,b=2` }
      ]) {
        assert.strictEqual(yield* ask(headers), "one")
      }
      assert.strictEqual(yield* ask(other.headers), "other")
      assert.strictEqual(yield* ask({}), "all")
      assert.strictEqual(yield* ask({ traceparent: `00-${"ab".repeat(16)}-${spanId}-01` }), "all")
      assert.strictEqual(yield* ask({ traceparent: "no", baggage: `effect-ipc-session=${traceId}0` }), "all")
      assert.strictEqual((yield* one.calls()).length, 5)
      assert.strictEqual((yield* http.calls()).length, 9)
      // What nothing matches is the test's that asked for it.
      assert.strictEqual(yield* statusOf(`${url}/nowhere`, { headers: other.headers }), 404)
      yield* one.verify
      yield* http.verify
      assert.deepStrictEqual(yield* one.unmatched, [])
      assert.deepStrictEqual((yield* Effect.flip(other.verify)).unmatched, [{ method: "GET", path: "/nowhere" }])
    })
  )

  live("with Effect is the parent span of what it runs, and forwards, spies and WebSockets are in it", () =>
    Effect.gen(function* () {
      const gateway = yield* suite()
      const { http, url } = gateway
      yield* service(gateway, "real", says("real"))
      const session = yield* http.session()
      const spy = yield* session.spy(Intercept.get("/real/x"))
      yield* session.mock(Intercept.get("/real/:id"), ({ forward }) => forward({ path: "/real/x" }))
      const chat = yield* session.webSocket(Intercept.get("/chat"), ({ send }) => send("hello"))
      const asked = yield* session.run(
        HttpClient.get(`${url}/real/7`).pipe(
          Effect.flatMap((response) => response.text),
          Effect.provide(FetchHttpClient.layer)
        )
      )
      assert.strictEqual(asked, "real")
      assert.strictEqual((yield* spy.calls).length, 1)
      const socket = new WebSocket(`${url.replace("http", "ws")}/chat`, { headers: session.headers })
      yield* Effect.async<void>((resume) => void socket.once("close", () => resume(Effect.void)))
      assert.strictEqual((yield* chat.awaitCall(1, { timeout: "10 seconds" })).code, 1000)
      assert.strictEqual((yield* session.calls()).length, 2)
      // A strict scope of a session is the session's.
      const strict = yield* session.strict
      yield* strict.mock(Intercept.get("/a"), Intercept.text("a"))
      yield* http.mock(Intercept.get("/a"), Intercept.text("all"))
      assert.strictEqual(yield* text(`${url}/a`), "all")
      assert.strictEqual(yield* text(`${url}/a`, { headers: session.headers }), "a")
    })
  )

  live("crosses requests between processes: from the test to a handler to what that requests", () =>
    Effect.gen(function* () {
      const context = yield* Layer.build(GatewayTest.layer())
      const server = Context.get(context, IPCServer)
      const http = Context.get(context, HttpInterception)
      const Price = IPCClient.defineRequest<string, string>("price")
      const clients = { effect: yield* NodeIPCClient.make({ url: server.url, runtimeId: "effect" }) }
      yield* clients.effect.handle(Price, (item) =>
        HttpClient.get(`${server.url}/prices/${item}`).pipe(
          Effect.flatMap((response) => response.text),
          Effect.provide(FetchHttpClient.layer),
          Effect.orDie
        )
      )
      const facade = new Facade.IPCClient(server.port)
      yield* Effect.acquireRelease(
        Effect.promise(() => facade.connect("promise")),
        () => Effect.promise(() => facade.disconnect())
      )
      facade.onFrameworkRequest(Price, (item) => body(`${server.url}/prices/${item}`, Facade.traceHeaders()))
      yield* server.awaitClient("promise")
      const test = (n: number) =>
        Effect.scoped(
          Effect.gen(function* () {
            const session = yield* http.session()
            yield* session.mock(Intercept.get("/prices/:item"), Intercept.text(`${n} pounds`), Intercept.times(2))
            const prices = Effect.all([server.request("effect", Price, "tea"), server.request("promise", Price, "tea")])
            assert.deepStrictEqual(yield* session.run(prices), [`${n} pounds`, `${n} pounds`])
          })
        )
      yield* Effect.forEach([1, 2, 3], test, { concurrency: 3 })
    })
  )

  it("behind promises is part of what its test runs", async () => {
    await using gateway = await TestGateway.start()
    await using session = await gateway.session()
    await session.mock(Intercept.get("/a"), Intercept.text("mine"))
    assert.strictEqual(await session.run(async () => body(`${gateway.url}/a`, Facade.traceHeaders())), "mine")
    assert.deepStrictEqual(Facade.traceHeaders(), {})
    assert.strictEqual(
      session.run(() => Facade.traceHeaders().traceparent?.slice(3, 35)),
      session.traceId
    )
  })

  it("says which service doesn't pass its trace on", async () => {
    await using gateway = await TestGateway.start()
    const scope = Effect.runSync(Scope.make())
    const careless: http.RequestListener = (_, response) => {
      const asking = Promise.all([
        body(`${gateway.url}/users/7`),
        body(`${gateway.url}/users/8`, { traceparent: `00-${"ab".repeat(16)}-00f067aa0ba902b7-01` })
      ])
      asking.then(([user]) => response.end(user)).catch(() => response.destroy())
    }
    const { url } = await Effect.runPromise(Scope.extend(serve({ onRequest: careless }), scope))
    await gateway.register({ api: "orders", baseUrl: url, pathPrefix: "/orders" })
    const session = await gateway.session()
    await session.mock(Intercept.get("/users/:id"), Intercept.json({ name: "Ada" }))
    const other = await gateway.session()
    await other.mock(Intercept.get("/mail"), Intercept.json({}), { optional: true })
    const answered = await body(`${gateway.url}/orders/7`, session.headers)
    expect(JSON.parse(answered).error).toMatchInlineSnapshot(
      `"No route for GET /users/7. No route matches, and the proxy resolver knows no upstream for it: is the service registered? The interceptor that came nearest: mock GET /users/:id, but the request carries no trace context: the service that sent it has to pass its session's on, or the test to send it, by fetch(url, { headers: session.headers })."`
    )
    const error = (await rejection(session.close())) as UnverifiedInterception
    expect(error.message).toMatchInlineSnapshot(`
      "Not called as often as expected (call it, remove it, or pass { optional: true }):
        - mock GET /users/:id: never called
      Came without this session's trace context, so its interceptors left it alone (the test has to send the session's headers, fetch(url, { headers: session.headers }), and each service to pass traceparent or baggage on: https://github.com/effect-ipc/effect-ipc/blob/main/docs/testing.md#tests-at-the-same-time):
        - GET /users/7, which mock GET /users/:id would have taken; it carried no trace context
        - GET /users/8, which mock GET /users/:id would have taken; it carried that of another trace, abababababababababababababababab"
    `)
    // It concerns nobody else.
    await other.close()
    await Effect.runPromise(Scope.close(scope, Exit.void))
  })

  it("says so of a request that a registered service answered, though its own mocks were called", async () => {
    await using gateway = await TestGateway.start()
    const scope = Effect.runSync(Scope.make())
    const { url } = await Effect.runPromise(Scope.extend(serve({ onRequest: says("real") }), scope))
    await gateway.register({ api: "users", baseUrl: url, pathPrefix: "/users" })
    const session = await gateway.session()
    await session.mock(Intercept.get("/users/:id"), Intercept.json({ name: "Ada" }))
    await session.spy(Intercept.get("/users/8"), { optional: true })
    assert.strictEqual(await body(`${gateway.url}/users/7`, session.headers), '{"name":"Ada"}')
    assert.strictEqual(await body(`${gateway.url}/users/7`), "real")
    expect((await rejection(session.close())).message).toMatchInlineSnapshot(`
      "Came without this session's trace context, so its interceptors left it alone (the test has to send the session's headers, fetch(url, { headers: session.headers }), and each service to pass traceparent or baggage on: https://github.com/effect-ipc/effect-ipc/blob/main/docs/testing.md#tests-at-the-same-time):
        - GET /users/7, which mock GET /users/:id would have taken; it carried no trace context"
    `)

    // What a mock of the gateway answers is meant for a test without a session; what it leaves to the service isn't.
    const other = await gateway.session()
    await other.mock(Intercept.get("/users/:id"), () => ({}), { optional: true })
    await using mock = await gateway.mock(Intercept.get("/users/:id"), () => "all")
    await body(`${gateway.url}/users/7`)
    other.verify()
    await mock.close()
    await using _slow = await gateway.fault(Intercept.any(), Intercept.delay(0))
    await using _passes = await gateway.mock(Intercept.any(), () => Intercept.pass)
    await body(`${gateway.url}/users/7`)
    assert.match(
      (await rejection(other.close())).message,
      /GET \/users\/7, which mock GET \/users\/:id would have taken/
    )
    await Effect.runPromise(Scope.close(scope, Exit.void))
  })

  it("that isn't strict is verified when it is asked, and what is late is nobody else's", async () => {
    await using gateway = await TestGateway.start()
    const session = await gateway.session({ strict: false })
    await session.mock(Intercept.get("/a"), Intercept.status(200))
    assert.throws(() => session.verify(), "never called")
    await session.close()
    const next = await gateway.session()
    await next.mock(Intercept.get("/a"), Intercept.status(200), { optional: true })
    assert.include(await body(`${gateway.url}/a`, session.headers), "No route for GET /a")
    assert.notInclude(await body(`${gateway.url}/a`, session.headers), "nearest")
    await next.close()
    const messages = await Promise.all(
      [{ strickt: false }, { strict: "no" }, 1].map((options) =>
        gateway.session(options as never).then(String, (error: Error) => error.message)
      )
    )
    expect(messages).toMatchInlineSnapshot(`
      [
        "session() can't do this: its options have no "strickt". Did you mean "strict"? They take strict.",
        "session() can't do this: strict is true or false, not a string.",
        "session() can't do this: its options are an object of strict, not a number.",
      ]
    `)
    await rejection(session.mock(Intercept.any(), Intercept.status(200)))
  })

  it("tells a wait that fails what it has seen", async () => {
    await using gateway = await TestGateway.start()
    await using session = await gateway.session()
    await body(`${gateway.url}/a`)
    const waiting = session.awaitRequest(Intercept.get("/a"), { timeout: 20 })
    expect((await rejection(waiting)).message.replace(/:\d+/, ":PORT")).toMatchInlineSnapshot(`
      "No request for GET /a arrived within 20ms.
      Nothing else has arrived. Does the test call http://127.0.0.1:PORT with the session's headers, and each service pass traceparent on?
      Without its trace context came:
        - GET /a, answered 404: it matches"
    `)
  })
})
