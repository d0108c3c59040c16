/**
 * What doesn't compile of interception behind promises, and what is inferred. Nothing here runs: `tsc --noEmit` is the
 * test, and an expected error that doesn't occur is an error.
 */
import { HttpApi, HttpApiBuilder } from "@effect/platform"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { RecordedCall, RecordedWebSocket, RecordedWebSocketMessage, UnmatchedRequest } from "effect-ipc"
import { Intercept, type TestGateway, type TestInterception } from "effect-ipc/testing"
import { Health, Users } from "../../integration/interception/api.js"

const Api = HttpApi.make("api").add(Users).add(Health)

/** Compiles if both types are the same; returns its argument so that the check is an expression. */
const same = <A, B>(equal: (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false) => equal

export const interception = async (gateway: TestGateway.TestGateway): Promise<void> => {
  await using users = await gateway.mock(Intercept.get("/users/:id"), ({ body, headers, params, query }, signal) => {
    same<typeof params, Readonly<Record<string, string | undefined>>>(true)
    same<typeof query, Readonly<Record<string, string | ReadonlyArray<string>>>>(true)
    same<typeof headers, Readonly<Record<string, string>>>(true)
    same<typeof body, unknown>(true)
    same<typeof signal, AbortSignal>(true)
    return { id: params.id }
  })
  same<ReturnType<typeof users.calls>, ReadonlyArray<RecordedCall>>(true)
  same<typeof users.stream, AsyncIterable<RecordedCall>>(true)
  same<Awaited<ReturnType<typeof users.awaitCall>>, RecordedCall>(true)
  for await (const { request, response } of users.stream) {
    same<typeof request.path, string>(true)
    same<typeof response, RecordedCall["response"]>(true)
  }
  await gateway.mock({ method: "GET", path: "/a", body: (body) => body === 1 }, async () => {}, {
    cors: true,
    times: 2
  })
  await gateway.mock(Intercept.any({ api: "users" }), Intercept.json({ name: "Ada" }), Intercept.once)
  await gateway.fault(Intercept.any(), Intercept.delay("1 second"), { ...Intercept.times(2), optional: true })

  // A body is what the matcher says.
  await gateway.mock(Intercept.post("/", { body: { item: "book", count: 1, tags: ["a"] } }), ({ body }) => {
    same<typeof body, { readonly item: string; readonly count: number; readonly tags: ReadonlyArray<string> }>(true)
    return body.item
  })
  const Order = Schema.Struct({ item: Schema.String, at: Schema.Date })
  await gateway.mock(Intercept.post("/", { body: Order }), async ({ body }) => {
    same<typeof body, { readonly item: string; readonly at: Date }>(true)
    return body.at.getTime()
  })
  await gateway.mock({ path: "/", body: (body): body is { a: 1 } => body !== undefined }, ({ body }) => {
    same<typeof body, { a: 1 }>(true)
    return body.a
  })
  await gateway.mock(
    { path: /^\/(?<id>.*)/, body: { id: (id) => typeof id === "string", none: Intercept.absent } },
    ({ body }) => Object.keys(body)
  )
  await gateway.mock(
    Intercept.post("/", { body: { a: 1 } }),
    Intercept.sequence(Intercept.status(503), async ({ body, forward }) => {
      same<typeof body, { readonly a: number }>(true)
      same<ReturnType<typeof forward>, Promise<Response>>(true)
      return forward({ headers: { "x-a": "1" }, body: { b: 2 } })
    })
  )
  await gateway.mock(Intercept.any(), async ({ body }) => (body === 1 ? Intercept.pass : { a: 1 }), {
    delay: "1 second"
  })
  await gateway.mock(Intercept.any(), Intercept.never)
  await gateway.mock(Intercept.any(), Intercept.sse([{ data: 1, event: "a" }, "text"], { interval: 10 }))
  await gateway.mock(Intercept.any(), async () => Response.json({ a: 1 }, { status: 201 }))
  await gateway.mock(Intercept.any(), async (request) => Intercept.status(404)(request))
  // @ts-expect-error an answer that isn't called with the request
  await gateway.mock(Intercept.any(), () => Intercept.status(404))
  // @ts-expect-error nor where it is promised
  await gateway.mock(Intercept.any(), async () => Intercept.json({}))
  // @ts-expect-error nor in one of several answers
  await gateway.mock(Intercept.any(), ({ path }) => (path === "/" ? Intercept.json({}) : { a: 1 }))
  // @ts-expect-error headers
  await gateway.mock({ path: "/", header: { a: "1" } }, () => 1)
  // @ts-expect-error headers
  await gateway.mock(Intercept.get("/", { header: { a: "1" } }), () => 1)
  // @ts-expect-error times
  await gateway.mock(Intercept.get("/"), () => 1, { time: 1 })

  // @ts-expect-error a fault isn't an answer
  await gateway.mock(Intercept.any(), Intercept.drop)
  // @ts-expect-error a value isn't a handler
  await gateway.mock(Intercept.any(), { name: "Ada" })
  // @ts-expect-error an answer isn't a fault
  await gateway.fault(Intercept.any(), Intercept.status(500))
  // @ts-expect-error a query's values are text
  await gateway.spy(Intercept.get("/", { query: { page: 2 } }))
  // @ts-expect-error a spy has no preflights to answer
  await gateway.spy(Intercept.any(), { cors: true })

  const chat = await gateway.webSocket(Intercept.get("/chat"), async ({ messages, request, send }) => {
    same<typeof request.path, string>(true)
    for await (const message of messages) {
      same<typeof message, string | Uint8Array>(true)
      send(message)
    }
    // @ts-expect-error text or bytes
    send({ text: "hello" })
  })
  same<ReturnType<typeof chat.calls>, ReadonlyArray<RecordedWebSocket>>(true)
  same<typeof chat.messageStream, AsyncIterable<RecordedWebSocketMessage>>(true)
  same<typeof chat, Awaited<ReturnType<typeof gateway.spyWebSocket>>>(true)

  const python = await gateway.worker({ command: ["python3", "app.py"], api: "app", env: { HOME: undefined } })
  same<ReturnType<typeof python.url>, string>(true)
  await gateway.worker({ command: (port) => ["app", `--port=${port}`], ready: /ready/ })
  // @ts-expect-error a command's program has no requests
  python.request
  // @ts-expect-error an array
  await gateway.worker({ command: "python3 app.py" })
  // @ts-expect-error a module or a command
  await gateway.worker({ command: ["python3"], module: "app.js" })
  // @ts-expect-error Node's arguments are those of a module
  await gateway.worker({ command: ["node"], execArgv: [] })

  same<ReturnType<typeof gateway.calls>, ReadonlyArray<RecordedCall>>(true)
  same<Awaited<ReturnType<typeof gateway.awaitRequest>>, RecordedCall["request"]>(true)
  same<Awaited<ReturnType<typeof users.awaitRequest>>, RecordedCall["request"]>(true)
  gateway.calls(Intercept.get("/", { query: { page: "2" } }))
  // @ts-expect-error headers
  gateway.calls({ path: "/", header: { a: "1" } })
  // @ts-expect-error the matcher is missing
  await gateway.awaitRequest()
  // @ts-expect-error timeout
  await gateway.awaitRequest(Intercept.get("/"), { timeuot: 1 })

  same<ReturnType<typeof gateway.unmatched>, ReadonlyArray<UnmatchedRequest>>(true)
  same<ReturnType<typeof gateway.verify>, void>(true)
  await using strict = await gateway.strict()
  const either: TestInterception.TestInterception = Math.random() < 2 ? strict : gateway
  same<typeof either.mock, typeof gateway.mock>(true)
  await using _recording = await gateway.record("a.har", { match: Intercept.any(), redact: { fields: ["pin"] } })
  await gateway.record(new URL("file:///a.har"), { redact: false })
  const replay = await gateway.replay("a.har", { unmatched: "forward", ignore: ["body"] })
  same<ReturnType<typeof replay.calls>, ReadonlyArray<RecordedCall>>(true)
  // @ts-expect-error fail or forward
  await gateway.replay("a.har", { unmatched: "pass" })
  // @ts-expect-error headers
  await gateway.record("a.har", { redact: { header: ["a"] } })
  await using session = await gateway.session({ strict: false })
  same<typeof session.headers, Readonly<Record<string, string>>>(true)
  same<typeof session.mock, typeof gateway.mock>(true)
  await session.mock(Intercept.post("/", { body: { a: 1 } }), ({ body }) => {
    same<typeof body, { readonly a: number }>(true)
  })
  await fetch(gateway.url, { headers: session.headers })
  // @ts-expect-error strict
  await gateway.session({ strickt: true })
  // @ts-expect-error workers are the gateway's
  session.worker
  await gateway.register({ api: "users", baseUrl: "http://127.0.0.1:4001", pathPrefix: "/users" })
  await gateway.register([{ api: "users", baseUrl: "http://127.0.0.1:4001", pathPrefix: "/users" }])
  // @ts-expect-error the path prefix is missing
  await gateway.register({ api: "users", baseUrl: "http://127.0.0.1:4001" })
  // @ts-expect-error workers are the gateway's
  strict.worker
}

export const typed = async (gateway: TestGateway.TestGateway): Promise<void> => {
  await gateway.mockEndpoint(Api, "users", "find", async ({ headers, path, urlParams }) => {
    same<typeof path, { readonly id: number }>(true)
    same<typeof urlParams, { readonly page?: number | undefined; readonly tag: ReadonlyArray<string> }>(true)
    same<(typeof headers)["x-tenant"], string>(true)
    return { id: path.id, name: "Ada", since: new Date() }
  })
  await gateway.mockEndpoint(Api, "users", "remove", () => {}, Intercept.once)
  // @ts-expect-error the date is missing
  await gateway.mockEndpoint(Api, "users", "find", async ({ path }) => ({ id: path.id, name: "Ada" }))
  // @ts-expect-error its success is a string
  await gateway.mockEndpoint(Api, "health", "check", () => 7)
  // @ts-expect-error there is no such group
  await gateway.mockEndpoint(Api, "nobody", "find", () => {})
  // @ts-expect-error there is no such endpoint
  await gateway.mockEndpoint(Api, "users", "lose", () => {})

  const Checks = HttpApi.make("checks").add(Health)
  const checks = HttpApiBuilder.group(Checks, "health", (all) => all.handle("check", () => Effect.succeed("fine")))
  const mocked = await gateway.mockApi(Checks, checks)
  same<typeof mocked.endpoints.health.check, TestInterception.TestCalls>(true)
  // @ts-expect-error there is no such endpoint
  mocked.endpoints.health.lose
  // @ts-expect-error the handlers of a group are missing
  await gateway.mockApi(Api, checks)
}
