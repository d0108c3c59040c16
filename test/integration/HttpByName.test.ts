import * as Http from "node:http"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiClient from "@effect/platform/HttpApiClient"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { HttpProxyUpstream } from "../../layers/http-proxy/index.js"
import { Discovery } from "../../src/Discovery.js"
import * as Child from "../support/Child.js"
import * as Live from "../support/discovery.js"
import { live, told } from "../support/live.js"

const Users = HttpApi.make("Users").add(
  HttpApiGroup.make("users").add(
    HttpApiEndpoint.get("get", "/:id")
      .setPath(Schema.Struct({ id: Schema.NumberFromString }))
      .addSuccess(Schema.Struct({ path: Schema.String, prefix: Schema.String }))
  )
)

/** Answers with what it gets of the request. */
const echo = HttpServer.serve(
  Effect.map(HttpServerRequest.HttpServerRequest, ({ headers, url }) =>
    HttpServerResponse.unsafeJson(
      { path: url, prefix: headers["x-forwarded-prefix"] ?? "" },
      { headers: { location: "/users/9", "set-cookie": "a=1; Path=/" } }
    )
  )
)

/** Serves, and registers that, until the scope closes. */
const serve = (discovery: Discovery.Service, options: Parameters<typeof Discovery.registerHttp>[0]) =>
  Layer.build(
    Layer.merge(echo, Discovery.registerHttp(options)).pipe(
      Layer.provide(NodeHttpServer.layer(Http.createServer, { port: 0 })),
      Layer.provide(Layer.succeed(Discovery, discovery))
    )
  )

const clientOf = (discovery: Discovery.Service, api: string) =>
  Discovery.httpClient(api).pipe(Effect.provideService(Discovery, discovery), Effect.provide(FetchHttpClient.layer))

/** The body of what a raw request for this target gets. */
const raw = (port: number, path: string, headers: Http.OutgoingHttpHeaders = {}) =>
  Effect.async<{ readonly body: string; readonly headers: Http.IncomingHttpHeaders }>((resume) => {
    Http.get({ host: "127.0.0.1", port, path, headers, agent: false }, (response) => {
      let body = ""
      response.on("data", (chunk) => {
        body += chunk
      })
      response.on("end", () => resume(Effect.succeed({ body, headers: response.headers })))
    })
  })

describe("An HttpServer in context", () => {
  live("is registered by one Layer, found by name, and gone with it", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      const { discovery } = yield* Live.participant({ port })
      const users = yield* Effect.provideService(
        HttpApiClient.makeWith(Users, { httpClient: yield* clientOf(discovery, "users") }),
        Discovery,
        discovery
      )
      const awaited = yield* Effect.fork(discovery.awaitApi("users"))
      const missing = yield* Effect.flip(users.users.get({ path: { id: 7 } }))
      assert.deepInclude(missing, { _tag: "RequestError" })
      assert.match(missing.message, /No service is registered as "users"/)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* serve(discovery, { api: "users", stripPrefix: true })
          yield* Fiber.join(awaited)
          yield* discovery.awaitApi("users", { kind: "http" })
          assert.deepStrictEqual(yield* users.users.get({ path: { id: 7 } }), { path: "/7", prefix: "/users" })
        })
      )
      assert.deepStrictEqual(yield* discovery.routes, [])
      assert.deepStrictEqual(yield* told(discovery.awaitApi("users", { timeout: 1 })), {
        tag: "ServiceNotRegistered",
        message: 'No service is registered as "users". It wasn\'t within 1ms.'
      })
    })
  )

  live("is asked below its prefix also by a participant that doesn't know its route", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      const { discovery } = yield* Live.participant({ port })
      yield* serve(discovery, { api: "orders" })
      yield* serve(discovery, { api: "users", stripPrefix: true })
      const follower = yield* Live.participant({ port, limits: { maxEntries: 1 } })
      const users = yield* clientOf(follower.discovery, "users")
      const response = yield* users.get("/7")
      assert.deepStrictEqual(yield* response.json, { path: "/7", prefix: "/users" })
    })
  )

  for (const [proxy, upstream] of Object.entries({ undici: Layer.empty, "http-proxy": HttpProxyUpstream.layer() }))
    live(`gets paths without its prefix by ${proxy}, and answers as it is`, () =>
      Effect.gen(function* () {
        const port = yield* Live.freePort
        const { discovery } = yield* Effect.provide(Live.participant({ port }), upstream)
        yield* serve(discovery, { api: "users", pathPrefix: "/v1/users", stripPrefix: true })
        yield* serve(discovery, { api: "orders" })
        const paths: Record<string, string> = {
          "/v1/users": "/",
          "/v1/users?x=/y": "/?x=/y",
          "/v1/users/7?x": "/7?x",
          "/v1/users/": "/",
          "/v1/users//evil.example/x": "/evil.example/x",
          "/v1/users/\\evil.example/x": "/evil.example/x",
          "/v1/users///%2F/x": "/%2F/x",
          "/%76%31/users/7": "/7"
        }
        for (const [path, expected] of Object.entries(paths)) {
          const { body, headers } = yield* raw(port, path)
          assert.deepStrictEqual([path, JSON.parse(body)], [path, { path: expected, prefix: "/v1/users" }])
          assert.deepInclude(headers, { location: "/users/9", "set-cookie": ["a=1; Path=/"] })
        }
        const behind = yield* raw(port, "/v1/users/7", { "x-forwarded-prefix": "/outer/" })
        assert.deepStrictEqual(JSON.parse(behind.body), { path: "/7", prefix: "/outer/v1/users" })
        for (const hostile of [
          "//evil.example",
          "https://evil.example",
          "/x, /y",
          ["/x", "/y"],
          "/x y",
          "x",
          "/",
          ""
        ]) {
          const { body } = yield* raw(port, "/v1/users/7", { "x-forwarded-prefix": hostile })
          assert.deepStrictEqual([hostile, JSON.parse(body)], [hostile, { path: "/7", prefix: "/v1/users" }])
        }
        assert.deepStrictEqual(JSON.parse((yield* raw(port, "/orders/7")).body), { path: "/orders/7", prefix: "" })
        const routes = yield* discovery.routes
        assert.deepStrictEqual(
          routes.map(({ api, pathPrefix, stripPrefix }) => ({ api, pathPrefix, stripPrefix })),
          [
            { api: "users", pathPrefix: "/v1/users", stripPrefix: true },
            { api: "orders", pathPrefix: "/orders", stripPrefix: undefined }
          ]
        )
      })
    )

  live("that an original leader can't strip the prefix for isn't registered", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      const original = yield* Effect.tap(Child.start("original.ts"), (child) => child.line("ready"))
      yield* original.ask(`join ${port} ${JSON.stringify({ runtimeId: "old", apis: ["old"] })}`, "role leader")
      const { discovery } = yield* Live.participant({ port })
      const failed = yield* told(Effect.scoped(serve(discovery, { api: "users", stripPrefix: true })))
      assert.strictEqual(failed.tag, "EntryUnsupported")
      assert.match(failed.message, /^The leader can't register "users": it doesn't know stripPrefix\./)
    })
  )
})

describe("A client by name", () => {
  live(
    "repeats what may be repeated while the leader changes, and nothing else",
    () =>
      Effect.gen(function* () {
        const port = yield* Live.freePort
        const leader = yield* Effect.tap(Child.start("service-instance.ts"), (child) =>
          Effect.zipRight(child.line("ready"), child.ask(`join ${port} {"runtimeId":"leader"}`, "joined"))
        )
        const { discovery, election } = yield* Live.participant({ port, runtimeId: "users" })
        yield* serve(discovery, { api: "users" })
        const client = yield* clientOf(discovery, "users")
        yield* client.get("users/1")
        yield* Live.signal(leader, "SIGKILL")
        const gets = Effect.all(
          Array.from({ length: 50 }, () => Effect.flatMap(client.get("/users/1"), ({ json }) => json)),
          { concurrency: 10 }
        )
        assert.deepStrictEqual(new Set(yield* Effect.map(gets, (all) => all.map((one) => JSON.stringify(one)))).size, 1)
        yield* Live.becomes(election, "leader")
        // Nothing listens at this client's gateway.
        const nowhere = yield* clientOf({ ...discovery, locate: () => Effect.succeed("http://127.0.0.1:1") }, "users")
        const streamed = HttpClientRequest.put("/users/1").pipe(
          HttpClientRequest.bodyStream(Stream.make(new Uint8Array(1)))
        )
        for (const request of [HttpClientRequest.post("/users"), HttpClientRequest.patch("/users/1"), streamed]) {
          assert.strictEqual((yield* Effect.flip(nowhere.execute(request)))._tag, "RequestError")
        }
      }),
    20_000
  )
})
