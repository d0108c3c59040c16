import { TestGateway } from "effect-ipc/testing"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { SetLimit } from "./requests.js"

describe("orders", () => {
  const execArgv = ["--import", "tsx"]
  let gateway: TestGateway.TestGateway
  let orders: TestGateway.TestWorker

  beforeAll(async () => {
    gateway = await TestGateway.start()
    await gateway.worker({ module: new URL("./users.ts", import.meta.url), execArgv })
    orders = await gateway.worker({ module: new URL("./orders.ts", import.meta.url), execArgv })
  }, 30_000)
  afterAll(() => gateway.close())

  it("lists as many as it was told in the middle of the test", async () => {
    const get = () => fetch(`${gateway.url}/orders/7`).then((response) => response.json())
    assert.deepStrictEqual(await get(), { name: "Ada", orders: ["tea", "milk"] })
    await orders.request(SetLimit, 1)
    assert.deepStrictEqual(await get(), { name: "Ada", orders: ["tea"] })
  })
})
