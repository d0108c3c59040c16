import { IPCClient, IPCServer } from "effect-ipc/promise"

// #region promise
const Greet = IPCServer.defineRequest<{ readonly name: string }, string>("greet")
const Square = IPCClient.defineRequest<number, number>("square")
const Count = IPCServer.defineStream<number, number>("count")

const server = new IPCServer()
server.onFrameworkMessage(Greet, async ({ name }, { runtimeId }) => `Hello, ${name}! You are ${runtimeId}.`)
server.onStream(Count, async function* (to) {
  for (let n = 1; n <= to; n++) yield n
})
server.interceptHttp("GET", "/hello/:name", async (_body, { name }) => ({ hello: name }))
if (!(await server.start())) throw new Error("Another program holds the port.")

const client = new IPCClient(server.getPort())
client.onFrameworkRequest(Square, async (n) => n * n)
await client.connect("worker-1")

console.log(await client.sendFrameworkRequest(Greet, { name: "Ada" }))
console.log(await server.sendFrameworkMessage("worker-1", Square, 12))
for await (const n of client.openStream(Count, 1_000_000)) {
  console.log(n)
  break // finishes the generator
}
console.log(await (await fetch(`${server.getUrl()}/hello/Ada`)).json())

// Failures reject with the same tagged errors; only a port in use is told by what start() resolves with.
await server.sendFrameworkMessage("worker-2", Square, 12).catch((error) => console.log(error._tag))

await client.disconnect()
await server.teardown()
// #endregion
