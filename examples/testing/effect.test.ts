import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { HttpInterception, Intercept, IPCServer } from "effect-ipc"
import { GatewayTest, HttpApiMock, Worker } from "effect-ipc/testing"
import { NoSuchUser, UsersApi } from "./api.js"
import { SetLimit } from "./requests.js"

class Orders extends Context.Tag("Orders")<Orders, Worker.Worker>() {}

const worker = (module: string) =>
  Worker.make({ module: new URL(module, import.meta.url), execArgv: ["--import", "tsx"] })

/** Two services, each in a process of its own, for the whole suite; both are gone when it ends. */
const services = Layer.scoped(Orders, Effect.zipRight(worker("./users.ts"), worker("./orders.ts")))

const get = (path: string) =>
  Effect.flatMap(IPCServer, ({ url }) =>
    Effect.promise(() => fetch(`${url}${path}`).then((response) => response.json() as Promise<unknown>))
  )

layer(Layer.provideMerge(services, GatewayTest.layer()), { timeout: 60_000 })("orders", (it) => {
  it.scoped("are listed with the name that users knows", () =>
    Effect.gen(function* () {
      const http = yield* HttpInterception
      const users = yield* http.spy(Intercept.get("/users/:id"))
      assert.deepStrictEqual(yield* get("/orders/7"), { name: "Ada", orders: ["tea", "milk"] })
      const call = yield* users.awaitCall(1)
      assert.deepStrictEqual([call.request.params.id, call.response?.body], ["7", { id: 7, name: "Ada" }])
    })
  )

  it.scoped("take the name from a mock: the newest first, and each is to be called", () =>
    Effect.gen(function* () {
      const http = yield* Effect.flatMap(HttpInterception, ({ strict }) => strict)
      yield* http.mock(Intercept.get("/users/:id"), ({ params }) => Effect.succeed({ name: `user ${params.id}` }))
      yield* http.mock(Intercept.get("/users/:id"), Intercept.json({ name: "Grace" }), Intercept.once)
      assert.deepStrictEqual(yield* get("/orders/7"), { name: "Grace", orders: ["tea", "milk"] })
      assert.deepStrictEqual(yield* get("/orders/7"), { name: "user 7", orders: ["tea", "milk"] })
    })
  )

  it.scoped("do without the name where users drops the connection", () =>
    Effect.gen(function* () {
      const http = yield* HttpInterception
      const fault = yield* http.fault(Intercept.any({ api: "users" }), Intercept.drop, Intercept.once)
      assert.deepStrictEqual(yield* get("/orders/7"), { name: "somebody", orders: ["tea", "milk"] })
      assert.strictEqual((yield* fault.calls)[0]?.failure, "the fault dropped the connection")
      assert.deepStrictEqual(yield* get("/orders/7"), { name: "Ada", orders: ["tea", "milk"] })
    })
  )

  it.scoped("do without the name of a user whom the api's own types say not to know", () =>
    Effect.gen(function* () {
      yield* HttpApiMock.endpoint(UsersApi, "users", "find", ({ path }) =>
        path.id === 7 ? Effect.succeed({ id: path.id, name: "Grace" }) : new NoSuchUser({ id: path.id })
      )
      assert.deepStrictEqual(yield* get("/orders/7"), { name: "Grace", orders: ["tea", "milk"] })
      assert.deepStrictEqual(yield* get("/orders/8"), { name: "somebody", orders: ["tea", "milk"] })
    })
  )

  it.scoped("are as many as the worker was told in the middle of the test", () =>
    Effect.gen(function* () {
      const orders = yield* Orders
      yield* orders.request(SetLimit, 1)
      assert.deepStrictEqual(yield* get("/orders/7"), { name: "Ada", orders: ["tea"] })
      yield* orders.request(SetLimit, 3)
      assert.deepStrictEqual(yield* get("/orders/7"), { name: "Ada", orders: ["tea", "milk", "bread"] })
      yield* orders.restart
      assert.deepStrictEqual(yield* get("/orders/7"), { name: "Ada", orders: ["tea", "milk"] })
    })
  )
})
