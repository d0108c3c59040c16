import { IPCClient, IPCServer } from "effect-ipc/promise"

// #region promise
const Greet = IPCServer.defineRequest<{ readonly name: string }, string>("greet")
const Square = IPCClient.defineRequest<number, number>("square")

const server = new IPCServer()
server.onFrameworkMessage(Greet, async ({ name }, { runtimeId }) => `Hello, ${name}! You are ${runtimeId}.`)
server.interceptHttp("GET", "/hello/:name", async (_body, { name }) => ({ hello: name }))
await server.start()

const client = new IPCClient(server.getPort())
client.onFrameworkRequest(Square, async (n) => n * n)
await client.connect("worker-1")

console.log(await client.sendFrameworkRequest(Greet, { name: "Ada" }))
console.log(await server.sendFrameworkMessage("worker-1", Square, 12))
console.log(await (await fetch(`${server.getUrl()}/hello/Ada`)).json())

// Failures reject with the same tagged errors.
await server.sendFrameworkMessage("worker-2", Square, 12).catch((error) => console.log(error._tag))

await client.disconnect()
await server.teardown()
// #endregion
