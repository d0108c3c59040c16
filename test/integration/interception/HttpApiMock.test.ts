import { existsSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { FetchHttpClient, HttpApiBuilder, HttpApiClient } from "@effect/platform"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as HttpApiMock from "../../../layers/testing/HttpApiMock.js"
import { HttpInterception } from "../../../src/HttpInterception.js"
import * as Intercept from "../../../src/Intercept.js"
import { ask, serve } from "../http/support.js"
import { Api, Authenticated, Forbidden, NoSuchUser, PicturesApi, Session } from "./api.js"
import { live, type Suite, says, suite } from "./support.js"

const since = new Date("2024-02-29T00:00:00.000Z")

const arranged = Effect.gen(function* () {
  const gateway: Suite = yield* suite()
  const client = yield* HttpApiClient.make(Api, { baseUrl: gateway.url }).pipe(Effect.provide(FetchHttpClient.layer))
  const withHttp = Effect.provideService(HttpInterception, gateway.http)
  return { ...gateway, client, withHttp }
})

describe("a mock of an HttpApi's endpoint", () => {
  live("gets the decoded request and answers the api's own client, success and failure alike", () =>
    Effect.gen(function* () {
      const { client, withHttp } = yield* arranged
      const seen: Array<unknown> = []
      const find = yield* HttpApiMock.endpoint(Api, "users", "find", ({ headers, path, urlParams }) => {
        seen.push([path, urlParams, headers["x-tenant"]])
        return path.id === 7
          ? Effect.succeed({ id: path.id, name: "Ada", since })
          : Effect.fail(new NoSuchUser({ id: path.id }))
      }).pipe(withHttp)
      const ask = (id: number) =>
        client.users.find({ path: { id }, urlParams: { page: 2, tag: ["a"] }, headers: { "x-tenant": "acme" } })
      assert.deepStrictEqual(yield* ask(7), { id: 7, name: "Ada", since })
      assert.deepStrictEqual(yield* Effect.flip(ask(8)), new NoSuchUser({ id: 8 }))
      assert.deepStrictEqual(seen, [
        [{ id: 7 }, { page: 2, tag: ["a"] }, "acme"],
        [{ id: 8 }, { page: 2, tag: ["a"] }, "acme"]
      ])
      const calls = yield* find.calls
      assert.deepStrictEqual(
        calls.map(({ response }) => [response?.status, response?.body]),
        [
          [200, { id: 7, name: "Ada", since: since.toISOString() }],
          [404, { _tag: "NoSuchUser", id: 8 }]
        ]
      )
      assert.strictEqual(find.name, "users.find (GET /users/:id)")
    })
  )

  live(
    "with an api answers below the service's prefix that the gateway takes off, and where the service isn't registered",
    () =>
      Effect.gen(function* () {
        const { discovery, http, url, withHttp } = yield* arranged
        const real = yield* serve({ onRequest: says("real") })
        const register = (api: string) =>
          discovery.register([{ api, baseUrl: real.url, pathPrefix: `/${api}`, stripPrefix: true }])
        const answered = (path: string) =>
          Effect.map(ask(`${url}${path}`, { headers: { "x-tenant": "acme" } }), ({ text }) => text)
        const find = yield* HttpApiMock.endpoint(
          Api,
          "users",
          "find",
          ({ path }) => Effect.succeed({ id: path.id, name: "Ada", since }),
          { api: "people" }
        ).pipe(withHttp)
        assert.include(yield* answered("/users/1?page=2&tag=a&tag=b"), '"name":"Ada"')
        yield* register("people")
        yield* register("others")
        assert.include(yield* answered("/people/users/7?page=2&tag=a&tag=b"), '"name":"Ada"')
        assert.strictEqual(yield* answered("/others/users/7?page=2&tag=a&tag=b"), "real")
        assert.deepStrictEqual(
          (yield* find.calls).map(({ request }) => [request.path, request.params.id]),
          [
            ["/users/1", "1"],
            ["/people/users/7", "7"]
          ]
        )
        yield* http.mock(Intercept.get("/health", { api: "people" }), ({ headers, path }) =>
          Effect.succeed([path, headers["x-forwarded-prefix"]])
        )
        assert.strictEqual(yield* answered("/people/health"), '["/health","/people"]')
        const health = yield* http.calls(Intercept.get("/health", { api: "people" }))
        assert.deepStrictEqual(
          health.map(({ request }) => request.path),
          ["/people/health"]
        )
      })
  )

  live("decodes the payload, refuses a wrong one as the service would, and sends the declared status", () =>
    Effect.gen(function* () {
      const { client, url, withHttp } = yield* arranged
      yield* HttpApiMock.endpoint(Api, "users", "create", ({ payload }) =>
        Effect.succeed({ id: 1, name: payload.name, since: new Date(payload.since.getTime() + 1) })
      ).pipe(withHttp)
      const [created, response] = yield* client.users.create({ payload: { name: "Ada", since }, withResponse: true })
      assert.deepStrictEqual([created.since.getTime(), response.status], [since.getTime() + 1, 201])
      const refused = yield* ask(`${url}/users`, {
        method: "POST",
        body: '{"name":""}',
        headers: { "content-type": "application/json" }
      })
      assert.strictEqual(refused.status, 400)
      assert.include(refused.text, "HttpApiDecodeError")
    })
  )

  live("runs no middleware, and may fail with the middleware's errors", () =>
    Effect.gen(function* () {
      const { client, withHttp } = yield* arranged
      yield* HttpApiMock.endpoint(Api, "users", "remove", ({ path }) =>
        path.id === 1 ? Effect.void : Effect.fail(new Forbidden())
      ).pipe(withHttp)
      assert.isUndefined(yield* client.users.remove({ path: { id: 1 } }))
      assert.deepStrictEqual(yield* Effect.flip(client.users.remove({ path: { id: 2 } })), new Forbidden())
    })
  )

  live("finds the files of a multipart request on the disk, for as long as the handler runs", () =>
    Effect.gen(function* () {
      const { url, withHttp } = yield* arranged
      const paths: Array<string> = []
      yield* HttpApiMock.endpoint(PicturesApi, "pictures", "upload", ({ payload }) =>
        Effect.promise(async () => {
          paths.push(...payload.files.map(({ path }) => path))
          const texts = await Promise.all(payload.files.map(({ path }) => readFile(path, "utf8")))
          return { title: payload.title, files: payload.files.map(({ name }, i) => `${name}: ${texts[i]}`) }
        })
      ).pipe(withHttp)
      const upload = (text: string) =>
        Effect.promise(async () => {
          const form = new FormData()
          form.append("title", "Two")
          form.append("files", new Blob([text]), "one.txt")
          form.append("files", new Blob(["second"]), "two.txt")
          const response = await fetch(`${url}/pictures`, { method: "POST", body: form })
          return [response.status, await response.json()]
        })
      assert.deepStrictEqual(yield* upload("first"), [
        200,
        { title: "Two", files: ["one.txt: first", "two.txt: second"] }
      ])
      assert.deepStrictEqual(paths.map(existsSync), [false, false])
      assert.deepStrictEqual(yield* upload("x".repeat(1001)), [500, { error: "FileTooLarge" }])
    })
  )

  live("is discovered by its name, takes a limited number of calls, and shows its own mistakes", () =>
    Effect.gen(function* () {
      const { discovery, url, withHttp } = yield* arranged
      yield* HttpApiMock.endpoint(Api, "health", "check", () => Effect.die(new Error("my mistake")), {
        api: "health",
        times: 1
      }).pipe(withHttp)
      assert.strictEqual(yield* discovery.discover("health"), url)
      const answer = yield* ask(`${url}/health`)
      assert.deepStrictEqual([answer.status, answer.text], [500, '{"error":"my mistake"}'])
      assert.strictEqual((yield* ask(`${url}/health`)).status, 404)
    })
  )
})

describe("a mock of a whole HttpApi", () => {
  live("answers by HttpApiBuilder's handlers, middleware included, and tells each endpoint's calls", () =>
    Effect.gen(function* () {
      const { client, http, url, withHttp } = yield* arranged
      const UsersLive = HttpApiBuilder.group(Api, "users", (handlers) =>
        handlers
          .handle("find", ({ path }) =>
            Effect.map(Session, ({ user }) => ({ id: path.id, name: `seen by ${user}`, since }))
          )
          .handle("create", ({ payload }) => Effect.succeed({ id: 2, ...payload }))
          .handle("remove", () => Effect.void)
      )
      const HealthLive = HttpApiBuilder.group(Api, "health", (handlers) =>
        handlers.handle("check", () => Effect.succeed("fine"))
      )
      const AuthenticatedLive = Layer.succeed(Authenticated, Authenticated.of(Effect.succeed({ user: "root" })))
      const handlers = Layer.provide(Layer.merge(UsersLive, HealthLive), AuthenticatedLive)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const mocks = yield* HttpApiMock.all(Api, handlers, { api: "api" })
          const found = yield* client.users.find({
            path: { id: 7 },
            urlParams: { tag: ["a"] },
            headers: { "x-tenant": "acme" }
          })
          assert.deepStrictEqual(found, { id: 7, name: "seen by root", since })
          assert.strictEqual(yield* client.health.check(), "fine")
          assert.deepStrictEqual(
            [
              (yield* mocks.users.find.calls).length,
              (yield* mocks.users.create.calls).length,
              (yield* mocks.health.check.calls).length
            ],
            [1, 0, 1]
          )
          yield* http.verify
        })
      ).pipe(withHttp)
      assert.strictEqual((yield* ask(`${url}/health`)).status, 404)
    })
  )
})
