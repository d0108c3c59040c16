import { once } from "node:events"
import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import { continueTrace, IPCClient, IPCServer, traceHeaders } from "effect-ipc/promise"

/** A server on a free port, with its URL. */
const listen = async (listener: RequestListener) => {
  const server = createServer(listener).listen(0, "127.0.0.1")
  await once(server, "listening")
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() }
}

const prices = await listen((request, response) => response.end(String(request.headers.traceparent).split("-")[1]))

// #region trace
const Price = IPCServer.defineRequest<string, string>("price")

// In a handler: the headers for a request to another server.
const server = new IPCServer()
server.onFrameworkMessage(Price, async (item) => {
  const response = await fetch(`${prices.url}/${item}`, { headers: traceHeaders() })
  return response.text()
})
if (!(await server.start())) throw new Error("Another program holds the port.")

// In a server of another library: the trace of the request that came.
const client = new IPCClient(server.getPort())
await client.connect()
const shop = await listen((request, response) => {
  continueTrace(request.headers, async () => response.end(await client.sendFrameworkRequest(Price, "tea")))
})
// #endregion

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
const response = await fetch(shop.url, { headers: { traceparent } })
console.log(`the trace at the last server: ${await response.text()}`)
await client.disconnect()
await server.teardown()
shop.close()
prices.close()
