import { createServer } from "node:http"
import { HttpRouter, HttpServer, HttpServerResponse } from "@effect/platform"
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { Discovery } from "effect-ipc"
import { LocalDiscovery } from "effect-ipc/node"
import { GetUser, Users } from "./api.js"
import { telemetry } from "./telemetry.js"

const Orders = HttpRouter.empty.pipe(
  HttpRouter.get(
    "/orders/:id",
    Effect.gen(function* () {
      const users = yield* Users
      return HttpServerResponse.text(`an order of ${yield* users.request(GetUser, 7)}`)
    })
  ),
  HttpServer.serve(),
  Layer.merge(Discovery.registerHttp({ api: "orders", pathPrefix: "/orders" })),
  Layer.provide(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 }))
)

Orders.pipe(
  Layer.provide(Users.layer),
  Layer.provide(LocalDiscovery.layerConfig()),
  Layer.provide(telemetry("orders")),
  Layer.launch,
  NodeRuntime.runMain
)
