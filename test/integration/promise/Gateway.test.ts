import * as net from "node:net"
import { Gateway } from "effect-ipc/promise"
import { assert, describe, it, onTestFinished } from "vitest"
import { ask, changesOf, child, gatewayAt, joined, leading, participant, plain, rolesOf, service } from "./discovery.js"
import { rejection, thrown } from "./support.js"

describe("a standalone gateway", () => {
  it("starts on a free port, registers and discovers, and closes", async () => {
    const gateway = gatewayAt(0, { runtimeId: "gateway", strategies: { users: "first" } })
    assert.isTrue(await gateway.start())
    assert.isTrue(await gateway.start())
    const url = gateway.getUrl()
    assert.strictEqual(url, `http://127.0.0.1:${gateway.getPort()}`)
    const changes = changesOf(gateway)
    const users = await service("users")
    await gateway.register(users)
    assert.strictEqual(await gateway.discover("users"), url)
    assert.deepStrictEqual(await ask(url, "/users/7"), { name: "users", path: "/users/7" })
    assert.deepStrictEqual(plain(await gateway.routes()), [{ ...users, owner: "gateway", strategy: "first" }])
    await gateway.setStrategy("users", "random")
    assert.strictEqual((await gateway.instances("users"))[0]?.strategy, "random")
    await gateway.unregister(users)
    await changes.once("Unregistered users of gateway")
    assert.deepStrictEqual(changes.all, ["Registered users of gateway", "Unregistered users of gateway"])
    await gateway.teardown()
    assert.strictEqual(
      (await rejection(gateway.routes())).message,
      "routes() was called while this process doesn't take part at 127.0.0.1:0. Await start() first, and again after teardown()."
    )
  })

  it("takes over an embedded leader, which follows it; no route is lost, and it is waited for", async () => {
    const { leader, port, url } = await leading({ runtimeId: "embedded" })
    const roles = rolesOf(leader)
    const follower = participant(port, { runtimeId: "follower" })
    const followers = rolesOf(follower)
    await follower.join()
    await leader.register(await service("users"))
    await follower.register(await service("orders"))

    const gateway = gatewayAt(port)
    assert.isTrue(await gateway.start())
    await Promise.all([roles.once("follower"), leader.discover("users"), follower.discover("orders")])
    assert.deepStrictEqual([leader.getRole(), follower.getRole()], ["follower", "follower"])
    assert.strictEqual(gateway.getUrl(), url)
    for (const api of ["users", "orders"]) {
      assert.deepStrictEqual(await ask(url, `/${api}/7`), { name: api, path: `/${api}/7` })
    }

    await gateway.teardown()
    const waiting = [leader.discover("users"), follower.discover("orders")]
    assert.isTrue(await gateway.start())
    assert.deepStrictEqual(await Promise.all(waiting), [url, url])
    assert.notInclude([...roles.all, ...followers.all], "leader")
    assert.deepStrictEqual(
      plain(await gateway.routes())
        .map(({ api, owner }) => `${api} of ${owner}`)
        .sort(),
      ["orders of follower", "users of embedded"]
    )
  })

  it("takes over a leader in another process", async () => {
    const { leader, port, url } = await leading()
    await leader.teardown()
    const embedded = child("promise-participant.ts", String(port))
    await embedded.line("leader")
    await embedded.line("registered")
    const gateway = gatewayAt(port)
    assert.isTrue(await gateway.start())
    await embedded.line("follower")
    assert.strictEqual(await gateway.discover("child"), url)
    assert.deepStrictEqual(await ask(url, "/child/1"), { path: "/child/1" })
  })

  it("doesn't start where another gateway has the port, or a foreign program", async () => {
    const holder = gatewayAt(0)
    await holder.start()
    assert.isFalse(await gatewayAt(holder.getPort()).start())
    const participating = await joined(holder.getPort())
    assert.strictEqual(participating.getRole(), "follower")

    const foreign = net.createServer((socket) => socket.end("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"))
    await new Promise<void>((resolve) => foreign.listen(0, "127.0.0.1", resolve))
    onTestFinished(() => {
      foreign.close()
    })
    const { port } = foreign.address() as net.AddressInfo
    const gateway = gatewayAt(port)
    assert.isFalse(await gateway.start())
    assert.strictEqual(gateway.getPort(), port)
    assert.include(thrown(() => gateway.getUrl()).message, `Another program holds 127.0.0.1:${port}`)
    assert.strictEqual((await rejection(gateway.routes()))._tag, "ConnectionClosed")
  })

  it("rejects for any other reason, and where teardown overtakes it", async () => {
    assert.strictEqual((await rejection(gatewayAt(0, { host: "0.0.0.0" }).start()))._tag, "TokenRequired")
    assert.strictEqual(
      (await rejection(gatewayAt(0, { host: "192.0.2.1", token: "a secret of the tests" }).start()))._tag,
      "ListenFailed"
    )
    const gateway = gatewayAt(0)
    const starting = gateway.start()
    await gateway.teardown()
    assert.strictEqual((await rejection(starting)).message, "teardown() was called before the gateway had started.")
    const error = thrown(() => gateway.getPort())
    assert.deepStrictEqual(
      [error._tag, error.message],
      ["ConnectionClosed", "Any free port was asked for, so there is none yet. Await start() first."]
    )
    assert.isTrue(await gateway.start())
  })

  it("is torn down by await using", async () => {
    let left: Gateway
    let port: number
    {
      await using gateway = new Gateway(0)
      await gateway.start()
      left = gateway
      port = gateway.getPort()
    }
    assert.throws(() => left.getUrl())
    assert.strictEqual((await joined(port)).getRole(), "leader")
  })
})
