/** Every entry loads in plain Node and does its work. */
import assert from "node:assert/strict"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

const core = await import("effect-ipc")
const node = await import("effect-ipc/node")
const promise = await import("effect-ipc/promise")
const { default: manifest } = await import("effect-ipc/package.json", { with: { type: "json" } })

assert.equal(manifest.name, "effect-ipc")
await assert.rejects(
  import("effect-ipc/dist/src/index.js"),
  // Deno has the second.
  ({ code }) => code === "ERR_PACKAGE_PATH_NOT_EXPORTED" || code === "ERR_MODULE_NOT_FOUND"
)

// There is one of each module, whichever entry it is reached by.
assert.equal(promise.RequestTimeout, core.RequestTimeout)

const Double = core.IPCServer.defineRequest("double")

const doubled = Effect.gen(function* () {
  const server = yield* core.IPCServer
  yield* server.handle(Double, (n) => Effect.succeed(2 * n))
  const client = yield* node.NodeIPCClient.make({ url: server.url })
  return yield* client.request(Double, 21)
}).pipe(Effect.scoped, Effect.provide(node.NodeIPCServer.layer()))
assert.equal(await Effect.runPromise(doubled), 42)

const server = new promise.IPCServer()
server.onFrameworkMessage(Double, async (n) => 2 * n)
await server.start()
const client = new promise.IPCClient(server.getPort())
await client.connect()
assert.equal(await client.sendFrameworkRequest(Double, 21), 42)
await client.disconnect()
await server.teardown()

const socket = await import("effect-ipc/socket")
const Socket = await import("@effect/platform/Socket")
const SocketServer = await import("@effect/platform/SocketServer")
const NodeSocket = await import("@effect/platform-node/NodeSocket")
const NodeSocketServer = await import("@effect/platform-node/NodeSocketServer")

const overTcp = Effect.gen(function* () {
  const peer = yield* core.IPCPeer
  yield* peer.handle(Double, (n) => Effect.succeed(2 * n))
  const { address } = yield* SocketServer.SocketServer
  const net = yield* NodeSocket.makeNet({ host: "127.0.0.1", port: address.port })
  const client = yield* Effect.provideService(socket.SocketIPCClient.make(), Socket.Socket, net)
  return yield* client.request(Double, 21)
}).pipe(
  Effect.scoped,
  Effect.provide(socket.SocketIPCServer.layer()),
  Effect.provide(NodeSocketServer.layer({ host: "127.0.0.1", port: 0 }))
)
assert.equal(await Effect.runPromise(overTcp), 42)

const { ServiceRpcClient, ServiceRpcServer } = await import("effect-ipc/rpc")
const { Rpc, RpcClient, RpcGroup, RpcServer } = await import("@effect/rpc")

const Doubles = RpcGroup.make(Rpc.make("double", { payload: { n: Schema.Number }, success: Schema.Number }))
const byName = Effect.flatMap(RpcClient.make(Doubles), (doubles) => doubles.double({ n: 21 })).pipe(
  Effect.scoped,
  Effect.provide(ServiceRpcClient.layer("doubles")),
  Effect.provide(
    RpcServer.layer(Doubles).pipe(
      Layer.provide(Doubles.toLayer({ double: ({ n }) => Effect.succeed(2 * n) })),
      Layer.provide(ServiceRpcServer.layer("doubles"))
    )
  ),
  Effect.provide(node.LocalDiscovery.layer({ port: 0 }))
)
assert.equal(await Effect.runPromise(byName), 42)

const { HttpProxyUpstream } = await import("effect-ipc/http-proxy")
const { createServer } = await import("node:http")

const upstream = createServer((request, response) => response.end(`${request.url} by ${request.headers["x-by"]}`))
await new Promise((resolve) => upstream.listen(0, "127.0.0.1", resolve))
const byHttpProxy = Effect.gen(function* () {
  const server = yield* core.IPCServer
  yield* server.setRouteProxyResolver(() => `http://127.0.0.1:${upstream.address().port}`)
  return yield* Effect.promise(() => fetch(`${server.url}/users`).then((response) => response.text()))
}).pipe(
  Effect.scoped,
  Effect.provide(node.NodeIPCServer.layer()),
  Effect.provide(HttpProxyUpstream.layer({ on: { proxyReq: (outgoing) => outgoing.setHeader("x-by", "http-proxy") } }))
)
assert.equal(await Effect.runPromise(byHttpProxy), "/users by http-proxy")
upstream.close()

// What suites without Effect use needs no test library: the optional peer isn't there.
await assert.rejects(import("@effect/vitest"), { code: "ERR_MODULE_NOT_FOUND" })
const { Intercept, TestGateway } = await import("effect-ipc/testing")
const Half = promise.IPCClient.defineRequest("half")

const gateway = await TestGateway.start()
const worker = await gateway.worker({ module: new URL("./worker.mjs", import.meta.url) })
assert.equal(await worker.request(Half, 84), 42)
const users = await gateway.mock(Intercept.get("/users/:id", { api: "users" }), async ({ params }) => params)
const response = await fetch(`${await gateway.discover("users")}/users/7`)
assert.deepEqual(await response.json(), { id: "7" })
assert.equal(users.calls().length, 1)
gateway.verify()
await gateway.close()
