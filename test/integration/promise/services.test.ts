import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { IPCClient, IPCServer, LocalDiscovery, ServiceClient, ServiceServer } from "../../../layers/promise/index.js"
import * as Port from "../../support/Port.js"

class NoSuchUser extends Schema.TaggedError<NoSuchUser>("test/promise/NoSuchUser")("NoSuchUser", {
  id: Schema.Number
}) {}

const Get = IPCServer.defineRequest("users/get", {
  payload: Schema.Struct({ id: Schema.Number }),
  success: Schema.String,
  failure: NoSuchUser
})
const AskBack = IPCServer.defineRequest<string, string>("users/askBack")
const Count = IPCServer.defineStream<number, number>("users/count")
const Shout = IPCClient.defineRequest<string, string>("shout")

const tagOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "resolved",
    (error) => error._tag
  )

describe("Services with promises", () => {
  it("are asked by name, stream, call back, and end with their discovery", async () => {
    const port = await Port.free()
    const [leader, follower] = [new LocalDiscovery(port), new LocalDiscovery(port)]
    const server = new ServiceServer(leader, "users")
    server.onFrameworkMessage(Get, async ({ id }) => {
      if (id !== 1) throw new NoSuchUser({ id })
      return "Ada"
    })
    server.onFrameworkMessage(AskBack, async (word, { runtimeId = "" }) =>
      server.sendFrameworkMessage(runtimeId, Shout, word)
    )
    server.onStream(Count, async function* (to) {
      for (let n = 1; n <= to; n++) yield n
    })
    const users = new ServiceClient(follower, "users")
    users.onFrameworkRequest(Shout, (word) => word.toUpperCase())
    assert.strictEqual(await tagOf(server.start()), "ConnectionClosed")
    const tooEarly = await users.sendFrameworkRequest(Get, { id: 1 }).catch((error) => error)
    assert.deepStrictEqual(
      [tooEarly._tag, tooEarly.message],
      [
        "ConnectionClosed",
        `Request "users/get" was made while this process doesn't take part at 127.0.0.1:${port}. Await join() first, and again after teardown().`
      ]
    )

    await leader.join()
    await follower.join()
    const early = users.sendFrameworkRequest(Get, { id: 1 })
    await server.start()
    assert.strictEqual(await early, "Ada")
    assert.strictEqual(await users.sendFrameworkRequest(Get, { id: 1 }, { idempotent: true, timeoutMs: 5000 }), "Ada")
    assert.deepStrictEqual(
      await users.sendFrameworkRequest(Get, { id: 2 }).catch((error) => error),
      new NoSuchUser({ id: 2 })
    )
    assert.strictEqual(await users.sendFrameworkRequest(AskBack, "tea"), "TEA")
    const counted: Array<number> = []
    for await (const n of users.openStream(Count, 3)) counted.push(n)
    assert.deepStrictEqual(counted, [1, 2, 3])

    await server.teardown()
    assert.deepStrictEqual(await follower.routes(), [])
    assert.strictEqual(
      await tagOf(users.sendFrameworkRequest(Get, { id: 1 }, { timeoutMs: 100 })),
      "ServiceNotRegistered"
    )
    await server.start()
    assert.strictEqual(await users.sendFrameworkRequest(Get, { id: 1 }), "Ada")
    await follower.teardown()
    assert.strictEqual(await tagOf(users.sendFrameworkRequest(Get, { id: 1 })), "ConnectionClosed")
    await leader.teardown()
    assert.strictEqual(await tagOf(server.start()), "ConnectionClosed")
  })
})
