/** Every entry loads in plain Node and does its work. */
import assert from "node:assert/strict"
import * as Effect from "effect/Effect"

const core = await import("effect-ipc")
const node = await import("effect-ipc/node")
const promise = await import("effect-ipc/promise")
const { default: manifest } = await import("effect-ipc/package.json", { with: { type: "json" } })

assert.equal(manifest.name, "effect-ipc")
await assert.rejects(import("effect-ipc/dist/src/index.js"), { code: "ERR_PACKAGE_PATH_NOT_EXPORTED" })

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
