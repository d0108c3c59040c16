/**
 * A proxy in a process of its own, before the upstream given: http-proxy itself (`http-proxy`), our gateway (`gateway`), or our
 * gateway by http-proxy (`http-proxy layer`). Tells its port, then how many
 * TCP connections it has open, or its peak memory, whenever asked.
 */

import * as http from "node:http"
import type { AddressInfo } from "node:net"
import type { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import { GatewayResponse } from "../../../layers/http/GatewayResponse.js"
import { make } from "../../../layers/http/NodeHttpGateway.js"
import * as HttpProxyUpstream from "../../../layers/http-proxy/HttpProxyUpstream.js"
import * as UndiciUpstream from "../../../layers/UndiciUpstream.js"

const [kind, target] = process.argv.slice(2) as [string, string]
const server = http.createServer({ ServerResponse: GatewayResponse })

if (kind === "http-proxy") {
  const { default: httpProxy } = await import("http-proxy")
  const proxy = httpProxy.createProxyServer({ target, agent: new http.Agent({ keepAlive: true }) })
  proxy.on("error", (error, _request, response) => {
    if (!(response instanceof http.ServerResponse)) return
    response.writeHead(502)
    response.end((error as NodeJS.ErrnoException).code)
  })
  server.on("request", (request, response) => proxy.web(request, response))
  server.on("upgrade", (request, socket, head) => proxy.ws(request, socket, head))
} else {
  const program = Effect.gen(function* () {
    const gateway = yield* make({ maxBodyBytes: 1024 })
    yield* gateway.proxy(() => target)
    server.on("request", gateway.onRequest)
    server.on("upgrade", (request, socket: Duplex, head) => gateway.onUpgrade(request, socket, head))
    yield* Effect.never
  })
  const upstream = kind === "gateway" ? UndiciUpstream.layer() : HttpProxyUpstream.layer()
  Effect.runFork(Effect.provide(Effect.scoped(program), upstream))
}

let peak = 0
const sample = () => {
  const { rss, external } = process.memoryUsage()
  peak = Math.max(peak, rss + external)
}
setInterval(sample, 10).unref()

process.on("message", (question) => {
  sample()
  const connections = process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length
  process.send?.({ question, connections, peak })
  if (question === "reset peak") peak = 0
})
process.on("disconnect", () => process.exit())
server.listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }))
