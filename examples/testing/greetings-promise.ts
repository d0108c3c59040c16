/** The same without Effect. The runner passes its gateway's port on in IPC_PORT. */
import { LocalDiscovery, ServiceClient } from "effect-ipc/promise"
import { WorkerClient } from "effect-ipc/testing"
import { GetUser, Greet } from "./requests.js"

await WorkerClient.connect(async (runner) => {
  const discovery = new LocalDiscovery(Number(process.env.IPC_PORT))
  await discovery.join()
  const users = new ServiceClient(discovery, "users")
  runner.handle(Greet, async ({ id }) => `Hello, ${await users.sendFrameworkRequest(GetUser, { id })}!`)
})
