import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { WebSocket, WebSocketServer } from "ws"
import * as HttpProxyUpstream from "../../../layers/http-proxy/HttpProxyUpstream.js"
import * as LocalDiscovery from "../../../layers/LocalDiscovery.js"
import * as NodeIPCServer from "../../../layers/NodeIPCServer.js"
import { Discovery } from "../../../src/Discovery.js"
import { HttpGateway } from "../../../src/HttpGateway.js"
import { IPCServer } from "../../../src/IPCServer.js"
import { ask, serve } from "./support.js"

/** Another HTTP client in place of the default. */
const Swapped = HttpProxyUpstream.layer({ headers: { "x-by": "http-proxy" } })

const service = Effect.gen(function* () {
  const sockets = new WebSocketServer({ noServer: true })
  sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(String(data))))
  return yield* serve({
    onRequest: (request, response) => {
      response.statusMessage = "Fine"
      response.end(`${request.method} ${request.url} by ${request.headers["x-by"]}`)
    },
    onUpgrade: (request, socket, head) =>
      sockets.handleUpgrade(request, socket, head, (client) => sockets.emit("connection", client))
  })
})

const echo = (url: string) =>
  Effect.async<string>((resume) => {
    const client = new WebSocket(url)
    client.on("open", () => client.send("hello"))
    client.on("message", (data) => {
      client.close()
      resume(Effect.succeed(String(data)))
    })
  })

describe("an UpstreamProxy that is provided", () => {
  it.scopedLive("forwards in place of the default, requests and WebSockets", () =>
    Effect.gen(function* () {
      const { url: upstream } = yield* service
      const gateway = yield* Layer.build(NodeIPCServer.layer().pipe(Layer.provide(Swapped)))
      const { url } = Context.get(gateway, IPCServer)
      yield* Context.get(gateway, HttpGateway).proxy(() => upstream)
      assert.strictEqual((yield* ask(`${url}/x`)).text, "GET /x by http-proxy")
      assert.strictEqual(yield* echo(url.replace("http", "ws")), "hello")
    })
  )

  it.scopedLive("forwards for a leader, too, and is told of the instance's end", () =>
    Effect.gen(function* () {
      const { url: upstream } = yield* service
      const gateway = yield* Layer.build(LocalDiscovery.layerStandalone({ port: 0 }).pipe(Layer.provide(Swapped)))
      const discovery = Context.get(gateway, Discovery)
      yield* discovery.register([{ api: "service", baseUrl: upstream, pathPrefix: "/service" }])
      const { url } = Context.get(gateway, IPCServer)
      assert.strictEqual((yield* ask(`${url}/service/x`)).text, "GET /service/x by http-proxy")
      yield* Effect.repeat(discovery.routes, {
        until: (routes) => routes.every(({ connections }) => connections === 0)
      })
    })
  )
})
