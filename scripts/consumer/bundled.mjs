/** Bundled into one file: requests, and the proxy, whose HTTP client is loaded with its first request. */
import assert from "node:assert/strict"
import { createServer } from "node:http"
import * as Effect from "effect/Effect"
import { IPCServer } from "effect-ipc"
import { NodeIPCClient, NodeIPCServer } from "effect-ipc/node"

const Greet = IPCServer.defineRequest("greet")
const upstream = createServer((_, response) => response.end("proxied"))
await new Promise((resolve) => upstream.listen(0, "127.0.0.1", resolve))

const main = Effect.gen(function* () {
  const server = yield* IPCServer
  yield* server.handle(Greet, ({ name }) => Effect.succeed(`Hello, ${name}!`))
  yield* server.setRouteProxyResolver(() => `http://127.0.0.1:${upstream.address().port}`)
  const client = yield* NodeIPCClient.make({ url: server.url })
  assert.equal(yield* client.request(Greet, { name: "Ada" }), "Hello, Ada!")
  assert.equal(yield* Effect.promise(() => fetch(server.url).then((response) => response.text())), "proxied")
}).pipe(Effect.scoped, Effect.provide(NodeIPCServer.layer()))

await Effect.runPromise(main)
upstream.close()
