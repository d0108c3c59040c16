/** The same without Effect. Each worker has the URL of its runner's gateway in IPC_URL. */
import { LocalDiscovery, ServiceClient } from "effect-ipc/promise"
import { WorkerClient } from "effect-ipc/testing"
import { GetUser, Greet } from "./requests.js"

await WorkerClient.connect(async (runner) => {
  const discovery = new LocalDiscovery(Number(new URL(process.env.IPC_URL as string).port))
  await discovery.join()
  const users = new ServiceClient(discovery, "users")
  runner.handle(Greet, async ({ id }) => `Hello, ${await users.sendFrameworkRequest(GetUser, { id })}!`)
})
