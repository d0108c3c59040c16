import { Intercept, TestGateway, type TestInterception } from "effect-ipc/testing"
import { afterAll, afterEach, assert, beforeAll, beforeEach, describe, it } from "vitest"
import { NoSuchUser, UsersApi } from "./api.js"
import { SetLimit } from "./requests.js"

describe("orders", () => {
  let gateway: TestGateway.TestGateway
  let orders: TestGateway.TestWorker
  let http: TestInterception.StrictInterception

  const worker = (module: string) =>
    gateway.worker({ module: new URL(module, import.meta.url), execArgv: ["--import", "tsx"] })
  const get = (path: string) => fetch(`${gateway.url}${path}`).then((response) => response.json())

  // Two services, each in a process of its own, for the whole suite; both are gone when it ends.
  beforeAll(async () => {
    gateway = await TestGateway.start()
    await worker("./users.ts")
    orders = await worker("./orders.ts")
  }, 60_000)
  afterAll(() => gateway.close())

  // Interceptors go with their test, which fails where one was forgotten.
  beforeEach(async () => {
    http = await gateway.strict()
  })
  afterEach(() => http.close())

  it("are listed with the name that users knows", async () => {
    const users = await http.spy(Intercept.get("/users/:id"))
    assert.deepStrictEqual(await get("/orders/7"), { name: "Ada", orders: ["tea", "milk"] })
    const call = await users.awaitCall(1)
    assert.deepStrictEqual([call.request.params.id, call.response?.body], ["7", { id: 7, name: "Ada" }])
  })

  it("take the name from a mock: the newest first, and each is to be called", async () => {
    await http.mock(Intercept.get("/users/:id"), async ({ params }) => ({ name: `user ${params.id}` }))
    await http.mock(Intercept.get("/users/:id"), Intercept.json({ name: "Grace" }), Intercept.once)
    assert.deepStrictEqual(await get("/orders/7"), { name: "Grace", orders: ["tea", "milk"] })
    assert.deepStrictEqual(await get("/orders/7"), { name: "user 7", orders: ["tea", "milk"] })
  })

  it("do without the name where users drops the connection", async () => {
    {
      await using fault = await http.fault(Intercept.any({ api: "users" }), Intercept.drop)
      assert.deepStrictEqual(await get("/orders/7"), { name: "somebody", orders: ["tea", "milk"] })
      assert.strictEqual(fault.calls()[0]?.failure, "the fault dropped the connection")
    }
    assert.deepStrictEqual(await get("/orders/7"), { name: "Ada", orders: ["tea", "milk"] })
  })

  it("do without the name of a user whom the api's own types say not to know", async () => {
    await http.mockEndpoint(UsersApi, "users", "find", async ({ path }) => {
      if (path.id !== 7) throw new NoSuchUser({ id: path.id })
      return { id: path.id, name: "Grace" }
    })
    assert.deepStrictEqual(await get("/orders/7"), { name: "Grace", orders: ["tea", "milk"] })
    assert.deepStrictEqual(await get("/orders/8"), { name: "somebody", orders: ["tea", "milk"] })
  })

  it("are as many as the worker was told in the middle of the test", async () => {
    await orders.request(SetLimit, 1)
    assert.deepStrictEqual(await get("/orders/7"), { name: "Ada", orders: ["tea"] })
    await orders.request(SetLimit, 3)
    assert.deepStrictEqual(await get("/orders/7"), { name: "Ada", orders: ["tea", "milk", "bread"] })
    await orders.request(SetLimit, 2)
  })
})
