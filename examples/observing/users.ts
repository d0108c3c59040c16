import { HttpClient } from "@effect/platform"
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { Discovery, ServiceServer } from "effect-ipc"
import { LocalDiscovery } from "effect-ipc/node"
import { GetUser } from "./api.js"
import { telemetry } from "./telemetry.js"

// #region handler
const find = (id: number) =>
  Effect.gen(function* () {
    const http = yield* HttpClient.HttpClient
    const { discover } = yield* Discovery
    const gateway = yield* discover("orders")
    const page = yield* http.get(`${gateway}/pages/user-${id}`)
    return String(yield* page.json)
  }).pipe(Effect.withSpan("find user", { attributes: { id } }), Effect.orDie)

const Service = ServiceServer.layer("users", (server) => server.handle(GetUser, find))
// #endregion

Service.pipe(
  Layer.provide([LocalDiscovery.layerConfig(), NodeHttpClient.layerUndici]),
  Layer.provide(telemetry("users")),
  Layer.launch,
  NodeRuntime.runMain
)
