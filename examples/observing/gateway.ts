import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { HttpGateway, IPCPeer } from "effect-ipc"
import { LocalDiscovery } from "effect-ipc/node"
import { Render } from "./api.js"
import { telemetry } from "./telemetry.js"

// A route of the gateway itself, which has the worker do the work.
const Pages = Layer.scopedDiscard(
  Effect.gen(function* () {
    const gateway = yield* HttpGateway
    const peer = yield* IPCPeer
    yield* gateway.route("GET", "/pages/:title", ({ params: { title = "" } }) => peer.request("worker", Render, title))
    yield* peer.awaitClient("worker")
    yield* Console.log("ready")
  })
)

// #region gateway
// The tracer goes to the Layers whose work is to be traced. IPC_METRICS=true serves the metrics for Prometheus, too.
Pages.pipe(
  Layer.provide(LocalDiscovery.layerStandaloneConfig()),
  Layer.provide(telemetry("gateway")),
  Layer.launch,
  NodeRuntime.runMain
)
// #endregion
