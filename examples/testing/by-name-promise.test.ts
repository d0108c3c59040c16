import { LocalDiscovery, ServiceServer } from "effect-ipc/promise"
import { TestGateway } from "effect-ipc/testing"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { GetUser, Greet } from "./requests.js"

describe("greetings", () => {
  let gateway: TestGateway.TestGateway
  let discovery: LocalDiscovery
  let greetings: TestGateway.TestWorker

  beforeAll(async () => {
    gateway = await TestGateway.start()
    discovery = new LocalDiscovery(gateway.port)
    await discovery.join()

    // Answers in place of the real service, which isn't started.
    const users = new ServiceServer(discovery, "users")
    users.onFrameworkMessage(GetUser, async ({ id }) => `user ${id}`)
    await users.start()

    greetings = await gateway.worker({
      module: new URL("./greetings-promise.ts", import.meta.url),
      execArgv: ["--import", "tsx"]
    })
  }, 60_000)
  afterAll(async () => {
    await discovery.teardown()
    await gateway.close()
  })

  it("have the name that users knows", async () => {
    assert.strictEqual(await greetings.request(Greet, { id: 7 }), "Hello, user 7!")
  })
})
