/**
 * Every method of the facade's discovery, once, to the end. The process must then end by itself, with nothing on stderr.
 */
import assert from "node:assert/strict"
import { Gateway, InvalidEntry, IPCServer, LocalDiscovery, type Role, ServiceNotRegistered } from "effect-ipc/promise"

await using service = new IPCServer()
service.interceptHttp("ALL", "/*", (_, { "*": path }) => ({ path: `/${path}` }))
await service.start()
const users = { api: "users", baseUrl: service.getUrl(), pathPrefix: "/users" }

const ask = async (url: string, path: string) => {
  const response = await fetch(url + path, { headers: { connection: "close" } })
  return [response.status, await response.json()]
}

const leader = new LocalDiscovery(0, { strategies: { users: "leastConnections" } })
assert.equal(leader.getRole(), undefined)
await leader.join()
await leader.register(users)
const url = await leader.discover("users", 1000)
const port = Number(new URL(url).port)
assert.equal(leader.getRole(), "leader")
assert.equal(await leader.whileLeader(async (signal) => signal.aborted), false)

await using follower = new LocalDiscovery(port, { runtimeId: "follower" })
const roles: Array<Role> = []
const changes: Array<string> = []
const led = new Promise<void>((resolve) => {
  follower.onRoleChange((role) => {
    roles.push(role)
    if (role === "leader") resolve()
  })
})
follower.onChange(({ _tag, route }) => changes.push(`${_tag} ${route.owner}`))
await follower.join()
await follower.register([users], 1000)
await follower.setStrategy("users", "last")
assert.equal((await follower.instances("users")).length, 2)
await leader.unregister(users)
assert.deepEqual(
  (await follower.routes()).map(({ api, owner, strategy }) => [api, owner, strategy]),
  [["users", "follower", "last"]]
)
assert.deepEqual(await ask(url, "/users/1"), [200, { path: "/users/1" }])
await assert.rejects(follower.discover("orders"), ServiceNotRegistered)
await assert.rejects(follower.register({ ...users, api: "" }), InvalidEntry)

// These aren't awaited, and the leader is gone before it has answered.
leader.whileLeader(() => new Promise(() => {}))
leader.discover("orders")
await leader.teardown()
leader.discover("users")
await led
assert.deepEqual(await ask(url, "/users/2"), [200, { path: "/users/2" }])

const yielded = new Promise<void>((resolve) => {
  follower.onRoleChange((role) => role === "follower" && resolve())
})
const gateway = new Gateway(port)
assert.equal(await gateway.start(), true)
await yielded
assert.equal(gateway.getUrl(), await follower.discover("users"))
assert.deepEqual(await ask(url, "/users/3"), [200, { path: "/users/3" }])
assert.equal(await new Gateway(gateway.getPort()).start(), false)
assert.deepEqual(roles, ["follower", "electing", "leader", "electing", "follower"])
assert.ok(changes.includes("Registered follower"))

// Without a leader to answer it, and not awaited.
await gateway.teardown()
follower.discover("users")
follower.register(users)
follower.unregister(users)
console.log("done")
