/** Under Bun, each way to connect or to listen says at once that it doesn't run there. */
import assert from "node:assert/strict"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { LocalDiscovery, NodeIPCClient, NodeIPCServer, PortElection } from "effect-ipc/node"
import * as Facade from "effect-ipc/promise"
import { TestGateway } from "effect-ipc/testing"

const layers = [NodeIPCServer.layer(), NodeIPCClient.layer(), PortElection.layer(), LocalDiscovery.layer()]
const started = [
  ...layers.map((layer) => Effect.runPromise(Effect.scoped(Layer.build(layer)))),
  new Facade.IPCServer().start(),
  new Facade.IPCClient(9000).connect(),
  new Facade.LocalDiscovery().join(),
  new Facade.Gateway().start(),
  TestGateway.start()
]
for (const { reason, status } of await Promise.allSettled(started)) {
  assert.equal(status, "rejected")
  assert.match(String(reason), /effect-ipc doesn't run on Bun \d/)
}
