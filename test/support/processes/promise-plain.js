// A caller in plain JavaScript: requests are names, and nothing is typed.
import { IPCClient, IPCServer } from "effect-ipc/promise"

const server = new IPCServer()
server.onFrameworkMessage("add", ({ a, b }) => a + b)
server.onFrameworkMessage(IPCServer.defineRequest("fail"), () => {
  throw new Error("on purpose")
})
await server.start()

const client = new IPCClient(server.getPort())
client.onFrameworkRequest("double", async (n) => n * 2)
await client.connect("worker")

const errors = []
for (const request of [
  () => client.sendFrameworkRequest("fail"),
  () => client.sendFrameworkRequest("missing", {}),
  () => client.sendFrameworkRequest("add", 1n),
  () => server.sendFrameworkMessage("nobody", "double", 1),
  () => client.sendFrameworkRequest("add")
]) {
  try {
    await request()
  } catch (error) {
    errors.push([error instanceof Error, error.name, error._tag])
  }
}
const response = await fetch(`${server.getUrl()}/nothing`, { headers: { connection: "close" } })
console.log(
  JSON.stringify({
    sum: await client.sendFrameworkRequest("add", { a: 1, b: 2 }),
    double: await server.sendFrameworkMessage("worker", "double", 21),
    status: response.status,
    errors
  })
)
await client.disconnect()
await server.teardown()
