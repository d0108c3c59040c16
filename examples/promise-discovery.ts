import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { LocalDiscovery } from "effect-ipc/promise"

/** Any HTTP server will do; this one tells its name. */
const startServer = async (name: string) => {
  const server = createServer((request, response) => response.end(`${name} answers ${request.url}`))
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() }
}

const port = Number(process.env.IPC_PORT ?? 9000)
const server = await startServer("orders")

// #region discovery
// In the process of a service: the first one that joins leads.
const orders = new LocalDiscovery(port)
orders.onRoleChange((role) => console.log(`orders: ${role}`))
await orders.join()
await orders.register([{ api: "orders", baseUrl: server.url, pathPrefix: "/orders" }])

// In any other process.
const caller = new LocalDiscovery(port)
await caller.join()
const gateway = await caller.discover("orders")
console.log(`caller: ${caller.getRole()}: ${await (await fetch(`${gateway}/orders/7`)).text()}`)

// #endregion
// #region end
process.once("SIGINT", () => Promise.all([orders.teardown(), caller.teardown()]))
// #endregion
// #region departure
await orders.teardown() // its entries go, and the caller leads
await caller.discover("orders").catch((error) => console.log(error.message))
await caller.teardown()
// #endregion
server.close()
