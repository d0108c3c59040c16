/** Under Bun, what connects or listens by itself says at once that it doesn't run there; what doesn't starts. */
import assert from "node:assert/strict"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { NatsDiscovery } from "effect-ipc/nats"
import { Inspector, LocalDiscovery, NodeIPCClient, NodeIPCServer, PortElection, StaticDiscovery } from "effect-ipc/node"
import * as Facade from "effect-ipc/promise"
import { MemoryIPC, TestGateway } from "effect-ipc/testing"

const start = (layer) => Effect.runPromise(Effect.scoped(Layer.build(layer)))

const started = [
  start(NodeIPCServer.layer()),
  start(NodeIPCClient.layer()),
  start(PortElection.layer()),
  start(LocalDiscovery.layer()),
  start(Inspector.layer()),
  start(NatsDiscovery.layer()),
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

await start(MemoryIPC.layer())
await start(StaticDiscovery.layer({ users: "http://127.0.0.1:4001" }))
