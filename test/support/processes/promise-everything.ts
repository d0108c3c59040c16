/**
 * Every method of the promise facade, once, to the end. The process must then end by itself, with nothing on stderr.
 */
import assert from "node:assert/strict"
import { IPCClient, IPCServer } from "effect-ipc/promise"
import { Double, Find, Greet, NotFound } from "../../integration/promise/requests.js"

const server = new IPCServer(0, { token: "a secret of the tests" })
const client = new IPCClient(1)
assert.equal(client.isConnected(), false)

server.onFrameworkMessage(Greet, async ({ name }, { runtimeId }) => `Hello, ${name} of ${runtimeId}!`)
server.onFrameworkMessage(Find, async ({ id }) => {
  throw new NotFound({ id })
})
server.interceptHttp("POST", "/users/:id", async (body, { id }) => ({ id, body }))
server.interceptHttp("GET", "/gone", async () => "gone")
server.removeInterceptHttp("GET", "/gone")
const disconnected = new Promise<string | undefined>((resolve) => {
  server.onClientDisconnect((_, runtimeId) => resolve(runtimeId))
})

assert.equal(await server.start(), true)
assert.equal(await new IPCServer(server.getPort()).start(), false)
await using upstream = new IPCServer()
upstream.interceptHttp("ALL", "/*", async (_, { "*": path }) => `upstream ${path}`)
await upstream.start()
server.setRouteProxyResolver((path) => (path.startsWith("/orders") ? upstream.getUrl() : undefined))

await using worker = new IPCClient(server.getUrl(), { token: "a secret of the tests" })
const closed = new Promise<void>((resolve) => worker.onClose(resolve))
worker.onFrameworkRequest(Double, async (n) => n * 2)
await worker.connect("worker")
assert.equal(worker.isConnected(), true)
assert.equal(await worker.sendFrameworkRequest(Greet, { name: "Ada" }), "Hello, Ada of worker!")
assert.equal(await server.sendFrameworkMessage("worker", Double, 21, 1000), 42)
const Count = IPCServer.defineStream<number, number>("count")
const CountThere = IPCClient.defineStream<number, number>("count")
server.onStream(Count, async function* () {
  for (let n = 1; ; n++) yield n
})
worker.onStream(CountThere, () => [1, 2])
for await (const n of worker.openStream(Count, 3)) if (n === 3) break
await using left = server.openStream("worker", CountThere, 3)
assert.deepEqual(await left.next(), { done: false, value: 1 })
await assert.rejects(worker.sendFrameworkRequest(Find, { id: 7, since: new Date() }), NotFound)

const ask = async (path: string, init?: RequestInit) => {
  const response = await fetch(server.getUrl() + path, { ...init, headers: { connection: "close" } })
  return [response.status, await response.json()]
}
assert.deepEqual(await ask("/users/7", { method: "POST", body: '{"a":1}' }), [200, { id: "7", body: { a: 1 } }])
assert.deepEqual(await ask("/orders/1"), [200, "upstream orders/1"])
assert.equal((await ask("/gone"))[0], 404)

await worker.disconnect()
await closed
assert.equal(await disconnected, "worker")
await server.teardown()
console.log("done")
