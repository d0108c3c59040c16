import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import FindMyWay from "find-my-way"
import * as HttpRoutes from "../../../layers/http/HttpRoutes.js"

describe("HttpRoutes", () => {
  it.effect("finds by method and path, with decoded parameters and the raw query", () =>
    Effect.gen(function* () {
      const routes = HttpRoutes.make<string>(FindMyWay)
      yield* routes.add("GET", "/users/:id", "user")
      yield* routes.add("get", "/files/*", "files")
      assert.deepStrictEqual(
        { ...routes.find("GET", "/users/a%2Fb?x=1&x=2") },
        { value: "user", params: { id: "a/b" }, query: "x=1&x=2" }
      )
      assert.deepStrictEqual(
        { ...routes.find("GET", "http://host:1/files/a/b") },
        { value: "files", params: { "*": "a/b" }, query: "" }
      )
      assert.isUndefined(routes.find("POST", "/users/1"))
      assert.isUndefined(routes.find("NONSENSE", "/users/1"))
      assert.isUndefined(routes.find("GET", "/users/%zz"))
      assert.strictEqual(routes.find("GET", `/users/${"x".repeat(5_000)}`)?.value, "user")
    })
  )

  it.effect("prefers the method's own route to ALL, and gives a HEAD the GET's", () =>
    Effect.gen(function* () {
      const routes = HttpRoutes.make<string>(FindMyWay)
      yield* routes.add("ALL", "/x", "all")
      const get = yield* routes.add("GET", "/x", "get")
      assert.strictEqual(routes.find("GET", "/x")?.value, "get")
      assert.strictEqual(routes.find("HEAD", "/x")?.value, "get")
      assert.strictEqual(routes.find("DELETE", "/x")?.value, "all")
      routes.remove(get)
      assert.strictEqual(routes.find("GET", "/x")?.value, "all")
      assert.strictEqual(routes.find("HEAD", "/x")?.value, "all")
    })
  )

  it.effect("refuses the same method and path twice, whatever the parameter is called", () =>
    Effect.gen(function* () {
      const routes = HttpRoutes.make<string>(FindMyWay)
      yield* routes.add("GET", "/users/:id", "one")
      const conflict = yield* Effect.flip(routes.add("GET", "/users/:name", "two"))
      assert.strictEqual(conflict._tag, "RouteConflict")
      assert.strictEqual(
        conflict.message,
        "GET /users/:name is already routed. Remove the other route first, or use another path."
      )
      yield* routes.add("ALL", "/users/:id", "all")
      assert.strictEqual((yield* Effect.flip(routes.add("ALL", "/users/:id", "all")))._tag, "RouteConflict")
      assert.strictEqual(routes.find("GET", "/users/1")?.value, "one")
    })
  )

  it.effect("leaves nothing of a path with an optional part when half of it conflicts", () =>
    Effect.gen(function* () {
      const routes = HttpRoutes.make<string>(FindMyWay)
      yield* routes.add("GET", "/a", "a")
      assert.strictEqual((yield* Effect.flip(routes.add("GET", "/a/:b?", "b")))._tag, "RouteConflict")
      assert.isUndefined(routes.find("GET", "/a/1"))
      assert.strictEqual(routes.find("GET", "/a")?.value, "a")
    })
  )

  it.effect("refuses what isn't find-my-way syntax or a method", () =>
    Effect.gen(function* () {
      const routes = HttpRoutes.make<string>(FindMyWay)
      for (const [method, path] of [
        ["GET", ""],
        ["GET", "users"],
        ["GET", "/a*b"],
        ["GET", "/:id(("],
        ["FETCH", "/users"]
      ] as const) {
        const error = yield* Effect.flip(routes.add(method, path, "x"))
        assert.strictEqual(error._tag, "InvalidRoute", `${method} ${path}`)
        assert.notInclude(error.message, "..")
      }
      yield* routes.add("GET", "/users", "x")
      assert.strictEqual(routes.find("GET", "/users")?.value, "x")
    })
  )

  it.effect("removes a thousand routes without rebuilding for each", () =>
    Effect.gen(function* () {
      const routes = HttpRoutes.make<number>(FindMyWay)
      const added = yield* Effect.forEach(
        Array.from({ length: 1_000 }, (_, i) => i),
        (i) => routes.add("GET", `/r${i}/:id`, i)
      )
      for (const route of added.slice(0, 999)) routes.remove(route)
      assert.isUndefined(routes.find("GET", "/r5/x"))
      assert.strictEqual(routes.find("GET", "/r999/x")?.value, 999)
      assert.deepStrictEqual(routes.methodsOf("/r999/x"), ["GET"])
    })
  )
})
