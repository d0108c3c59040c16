import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Intercept, TestGateway } from "effect-ipc/testing"
import { afterAll, afterEach, assert, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { WebSocket } from "ws"

/** What the idioms of other libraries are here; docs/coming-from.md shows both beside each other. */
describe("an idiom of another library", () => {
  let gateway: TestGateway.TestGateway
  let service: { readonly url: string; readonly server: http.Server }
  const folder = mkdtempSync(join(tmpdir(), "effect-ipc-idioms-"))
  const file = join(folder, "users.har")
  const program = join(folder, "service.cjs")

  const get = (path: string, init?: RequestInit) => fetch(`${gateway.url}${path}`, init)
  const json = (path: string) => get(path).then((response) => response.json())
  const post = (body: unknown): RequestInit => ({
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json" }
  })
  const rejects = (promise: Promise<unknown>) =>
    promise.then(
      () => assert.fail("it resolves"),
      () => {}
    )
  const client = {
    find: (id: number) => json(`/users/${id}`),
    order: (item: string) => get("/orders", post({ item }))
  }

  beforeAll(async () => {
    const server = http.createServer((request, response) => {
      request.resume()
      response.setHeader("content-type", "application/json")
      response.end('{"name":"real"}')
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    service = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server }
  })
  afterAll(() => {
    service.server.close()
    service.server.closeAllConnections()
    rmSync(folder, { recursive: true })
  })
  beforeEach(async () => {
    gateway = await TestGateway.start()
    await gateway.register({ api: "users", baseUrl: service.url, pathPrefix: "/users" })
  })
  afterEach(() => gateway.close())

  it("of msw: answer with JSON", async () => {
    // #region answer-with-json
    await gateway.mock(Intercept.get("/users/:id"), ({ params }) => ({ id: params.id, name: "Ada" }))
    // #endregion
    assert.deepStrictEqual(await json("/users/7"), { id: "7", name: "Ada" })
  })

  it("of msw: answer with a status and headers", async () => {
    // #region answer-with-a-status-and-headers
    await gateway.mock(Intercept.post("/orders"), Intercept.status(201, { location: "/orders/7" }))
    // #endregion
    const response = await get("/orders", { method: "POST" })
    assert.deepStrictEqual([response.status, response.headers.get("location")], [201, "/orders/7"])
  })

  it("of msw: fail once", async () => {
    // #region fail-once
    await gateway.fault(Intercept.get("/users/:id"), Intercept.drop, Intercept.once)
    // #endregion
    await rejects(get("/users/7"))
    assert.strictEqual((await get("/users/7")).status, 200)
  })

  it("of msw: answer later", async () => {
    // #region answer-later
    await gateway.mock(Intercept.get("/users/:id"), Intercept.json({ name: "Ada" }), { delay: "20 millis" })
    // #endregion
    assert.deepStrictEqual(await json("/users/7"), { name: "Ada" })
  })

  it("of msw: leave a request to the service", async () => {
    // #region leave-a-request-to-the-service
    await gateway.mock(Intercept.get("/users/:id"), ({ params }) =>
      params.id === "7" ? Intercept.pass : { name: "Eve" }
    )
    // #endregion
    assert.deepStrictEqual([await json("/users/7"), await json("/users/8")], [{ name: "real" }, { name: "Eve" }])
  })

  it("of msw: change what the service answers", async () => {
    // #region change-what-the-service-answers
    await gateway.mock(Intercept.get("/users/:id"), async ({ forward }) => {
      const user = (await (await forward()).json()) as object
      return { ...user, admin: true }
    })
    // #endregion
    assert.deepStrictEqual(await json("/users/7"), { name: "real", admin: true })
  })

  it("of msw: tests that run at the same time", async () => {
    // #region tests-that-run-at-the-same-time
    await using session = await gateway.session()
    await session.mock(Intercept.get("/users/:id"), Intercept.json({ name: "Ada" }))
    await fetch(`${gateway.url}/users/7`, { headers: session.headers })
    // #endregion
    await using other = await gateway.session()
    const user = await get("/users/7", { headers: other.headers })
    assert.deepStrictEqual([session.calls().length, await user.json()], [1, { name: "real" }])
  })

  it("of msw: fail where nothing matches, and reset after each test", async () => {
    // #region fail-where-nothing-matches-and-reset-after-each-test
    await using http = await gateway.strict()
    await http.mock(Intercept.get("/users/:id"), Intercept.json({ name: "Ada" }))
    // #endregion
    assert.deepStrictEqual(await json("/users/7"), { name: "Ada" })
  })

  it("of msw: see every request", async () => {
    // #region see-every-request
    const paths = () => gateway.calls().map(({ request }) => request.path)
    // #endregion
    await get("/users/7")
    assert.deepStrictEqual(paths(), ["/users/7"])
  })

  it("of msw: server-sent events", async () => {
    // #region server-sent-events
    await gateway.mock(Intercept.get("/events"), Intercept.sse(["one", "two"]))
    // #endregion
    assert.strictEqual(await (await get("/events")).text(), "data: one\n\ndata: two\n\n")
  })

  it("of msw: a WebSocket", async () => {
    // #region a-websocket
    const chat = await gateway.webSocket(Intercept.get("/rooms/:room"), ({ send }) => send("welcome"))
    // #endregion
    const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/rooms/7`)
    socket.on("error", () => {})
    assert.strictEqual((await chat.awaitMessage(1)).data, "welcome")
  })

  it("of nock: as exact as nock, and once", async () => {
    // #region as-exact-as-nock-and-once
    const exactly = { body: Intercept.exact({ name: "Ada" }), query: Intercept.exact({ page: "2" }) }
    await gateway.mock(Intercept.post("/users", exactly), Intercept.status(201), Intercept.once)
    // #endregion
    const statusOf = async (path: string, body: unknown) => (await get(path, post(body))).status
    assert.strictEqual(await statusOf("/users?page=2", { name: "Ada", id: 7 }), 200)
    assert.strictEqual(await statusOf("/users?page=2&sort=name", { name: "Ada" }), 200)
    assert.strictEqual(await statusOf("/users?page=2", { name: "Ada" }), 201)
    assert.strictEqual(await statusOf("/users?page=2", { name: "Ada" }), 200)
  })

  it("of nock: match a JSON body", async () => {
    // #region match-a-json-body
    await gateway.mock(Intercept.post("/users", { body: { name: "Ada" } }), Intercept.status(201))
    // #endregion
    assert.strictEqual((await get("/users", post({ name: "Ada" }))).status, 201)
    assert.strictEqual((await get("/users", post({ name: "Eve" }))).status, 200)
  })

  it("of nock: match a query", async () => {
    // #region match-a-query
    await gateway.mock(Intercept.get("/users", { query: { page: "2" } }), Intercept.json([]))
    // #endregion
    assert.deepStrictEqual([await json("/users?page=2"), await json("/users?page=1")], [[], { name: "real" }])
  })

  it("of nock: match headers", async () => {
    // #region match-headers
    await gateway.mock(Intercept.get("/me", { headers: { authorization: /^Bearer / } }), Intercept.status(200))
    // #endregion
    assert.strictEqual((await get("/me", { headers: { authorization: "Bearer a" } })).status, 200)
    assert.strictEqual((await get("/me")).status, 404)
  })

  it("of nock: match a path by an expression", async () => {
    // #region match-a-path-by-an-expression
    await gateway.mock(Intercept.get(/^\/users\/\d+$/), Intercept.json({ name: "Ada" }))
    // #endregion
    assert.deepStrictEqual([await json("/users/7"), await json("/users/x")], [{ name: "Ada" }, { name: "real" }])
  })

  it("of nock: a number of times", async () => {
    // #region a-number-of-times
    await gateway.mock(Intercept.get("/users/7"), Intercept.status(503), Intercept.times(2))
    // #endregion
    const answers = [await get("/users/7"), await get("/users/7"), await get("/users/7")]
    assert.deepStrictEqual(
      answers.map(({ status }) => status),
      [503, 503, 200]
    )
  })

  it("of nock: one answer after the other", async () => {
    // #region one-answer-after-the-other
    const pending = Intercept.json({ done: false }, { status: 202 })
    await gateway.mock(Intercept.get("/jobs/7"), Intercept.sequence(pending, Intercept.json({ done: true })))
    // #endregion
    assert.deepStrictEqual([await json("/jobs/7"), await json("/jobs/7")], [{ done: false }, { done: true }])
  })

  it("of nock: what needn't be called", async () => {
    // #region what-neednt-be-called
    await gateway.mock(Intercept.get("/health"), Intercept.status(200), { optional: true })
    // #endregion
    gateway.verify()
  })

  it("of nock: check that all were called", async () => {
    await gateway.mock(Intercept.get("/users/7"), Intercept.status(200))
    await get("/users/7")
    // #region check-that-all-were-called
    gateway.verify()
    // #endregion
  })

  it("of nock: record", async () => {
    // #region record
    {
      await using _ = await gateway.record(file)
      await client.find(7)
    }
    // #endregion
    assert.include(readFileSync(file, "utf8"), "/users/7")
  })

  it("of nock: answer from what was recorded", async () => {
    {
      await using _ = await gateway.record(file)
      await client.find(7)
    }
    // #region answer-from-what-was-recorded
    await gateway.replay(file)
    // #endregion
    assert.deepStrictEqual(await client.find(7), { name: "real" })
  })

  it("of mockttp: answer with text", async () => {
    // #region answer-with-text
    await gateway.mock(Intercept.get("/greeting"), Intercept.text("hello"))
    // #endregion
    assert.strictEqual(await (await get("/greeting")).text(), "hello")
  })

  it("of mockttp: read what was sent", async () => {
    // #region read-what-was-sent
    const orders = await gateway.mock(Intercept.post("/orders"), Intercept.status(201))
    await client.order("tea")
    expect(orders.calls()[0]?.request.body).toEqual({ item: "tea" })
    // #endregion
  })

  it("of mockttp: never answer", async () => {
    // #region never-answer
    await gateway.mock(Intercept.get("/users/7"), Intercept.never)
    // #endregion
    await rejects(get("/users/7", { signal: AbortSignal.timeout(50) }))
  })

  it("of mockttp: match a form", async () => {
    // #region match-a-form
    await gateway.mock(Intercept.post("/login", { body: { user: "ada" } }), Intercept.status(200))
    // #endregion
    assert.strictEqual(
      (await get("/login", { method: "POST", body: new URLSearchParams({ user: "ada" }) })).status,
      200
    )
  })

  it("of mockttp: answer with a file", async () => {
    // #region answer-with-a-file
    await gateway.mock(Intercept.get("/page"), Intercept.file(new URL("../../README.md", import.meta.url)))
    // #endregion
    assert.include(await (await get("/page")).text(), "effect-ipc")
  })

  it("of WireMock: count requests", async () => {
    await get("/users/7")
    await get("/users/7")
    // #region count-requests
    assert.strictEqual(gateway.calls(Intercept.get("/users/7")).length, 2)
    // #endregion
  })

  it("of WireMock: match a part of a body", async () => {
    // #region match-a-part-of-a-body
    const items = [{ count: expect.any(Number) }]
    await gateway.mock(Intercept.post("/orders", { body: { items } }), Intercept.status(201))
    // #endregion
    assert.strictEqual((await get("/orders", post({ items: [{ count: 2 }] }))).status, 201)
  })

  it("of WireMock: reset the connection", async () => {
    // #region reset-the-connection
    await gateway.fault(Intercept.get("/users/7"), Intercept.resetInBody({ afterBytes: 0 }))
    // #endregion
    await rejects(get("/users/7").then((response) => response.text()))
  })

  it("of WireMock: pass on to a real service", async () => {
    // #region pass-on-to-a-real-service
    await gateway.register({ api: "chat", baseUrl: service.url, pathPrefix: "/chat" })
    // #endregion
    assert.deepStrictEqual(await json("/chat/7"), { name: "real" })
  })

  it("of WireMock: why nothing matched", async () => {
    await gateway.mock(Intercept.get("/nothing/:id"), Intercept.status(200))
    await get("/nothing/7", { method: "DELETE" })
    // #region why-nothing-matched
    const nearest = gateway.unmatched().map(({ nearest }) => nearest)
    // #endregion
    assert.deepStrictEqual(nearest, ["mock GET /nothing/:id, but the method is DELETE, not GET"])
  })

  it("of WireMock: a service in a process of its own", async () => {
    writeFileSync(
      program,
      `require("http").createServer((_, response) => response.end("hello")).listen(process.env.PORT)`
    )
    // #region a-service-in-a-process-of-its-own
    const users = await gateway.worker({ command: [process.execPath, program], api: "people" })
    // #endregion
    assert.strictEqual(await (await get("/people")).text(), "hello")
    assert.match(users.url(), /^http/)
  })
})
