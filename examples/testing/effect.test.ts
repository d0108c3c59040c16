import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { HttpInterception, Intercept, IPCServer } from "effect-ipc"
import { GatewayTest, Worker } from "effect-ipc/testing"
import { SetLimit } from "./requests.js"

const execArgv = ["--import", "tsx"]

class Orders extends Context.Tag("Orders")<Orders, Worker.Worker>() {}

/** Two services, each in a process of its own, for the whole suite; both are gone when it ends. */
const services = Layer.scoped(
  Orders,
  Effect.zipRight(
    Worker.make({ module: new URL("./users.ts", import.meta.url), execArgv }),
    Worker.make({ module: new URL("./orders.ts", import.meta.url), execArgv })
  )
)

interface Listing {
  readonly name: string
  readonly orders: ReadonlyArray<string>
}

const get = (path: string) =>
  Effect.flatMap(IPCServer, ({ url }) =>
    Effect.promise(() => fetch(`${url}${path}`).then((response) => response.json() as Promise<Listing>))
  )

layer(Layer.provideMerge(services, GatewayTest.layer()), { timeout: 30_000 })("orders", (it) => {
  it.scoped("lists them, with the name that users knows", () =>
    Effect.gen(function* () {
      const http = yield* HttpInterception
      const users = yield* http.spy(Intercept.get("/users/:id"))
      assert.deepStrictEqual(yield* get("/orders/7"), { name: "Ada", orders: ["tea", "milk"] })
      assert.deepStrictEqual(
        (yield* users.calls).map(({ request }) => request.path),
        ["/users/7"]
      )
    })
  )

  it.scoped("lists as many as it was told in the middle of the test", () =>
    Effect.gen(function* () {
      const orders = yield* Orders
      yield* orders.request(SetLimit, 1)
      assert.deepStrictEqual((yield* get("/orders/7")).orders, ["tea"])
      yield* orders.request(SetLimit, 3)
      assert.deepStrictEqual((yield* get("/orders/7")).orders, ["tea", "milk", "bread"])
      yield* orders.restart
      assert.deepStrictEqual((yield* get("/orders/7")).orders, ["tea", "milk"])
    })
  )

  it.scoped("takes the name from a mock, and goes without where users fails", () =>
    Effect.gen(function* () {
      const http = yield* Effect.flatMap(HttpInterception, ({ strict }) => strict)
      yield* http.mock(Intercept.get("/users/:id"), Intercept.status(503))
      yield* http.mock(Intercept.get("/users/:id"), Intercept.json({ name: "Grace" }), { times: 1 })
      assert.strictEqual((yield* get("/orders/7")).name, "Grace")
      assert.strictEqual((yield* get("/orders/7")).name, "somebody")
    })
  )
})
