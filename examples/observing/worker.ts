import { NodeRuntime } from "@effect/platform-node"
import { Effect, Layer, Schedule } from "effect"
import { IPCClient } from "effect-ipc"
import { NodeIPCClient } from "effect-ipc/node"
import { Render } from "./api.js"
import { telemetry } from "./telemetry.js"

const Rendering = Layer.scopedDiscard(
  Effect.gen(function* () {
    const client = yield* IPCClient
    yield* client.handle(Render, (title) => Effect.withSpan(Effect.succeed(`<h1>${title}</h1>`), "layout"))
  })
)

Rendering.pipe(
  Layer.provide(NodeIPCClient.layerConfig({ runtimeId: "worker" }).pipe(Layer.retry(Schedule.spaced("100 millis")))),
  Layer.provide(telemetry("worker")),
  Layer.launch,
  NodeRuntime.runMain
)
