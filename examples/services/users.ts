import { createServer } from "node:http"
import { HttpApiBuilder, HttpMiddleware } from "@effect/platform"
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Config, Effect, Layer, Option, Schedule, Stream } from "effect"
import { Discovery, ServiceServer } from "effect-ipc"
import { GetUser, Logins, UnknownUser, User, UsersApi } from "./api.js"
import { DiscoveryLive } from "./discovery.js"

// #region service
const find = (id: number) =>
  id === 1 ? Effect.succeed(new User({ id, name: "Ada" })) : Effect.fail(new UnknownUser({ id }))

// Typed requests and streams, at an endpoint of their own.
const Service = ServiceServer.layer("users", (server) =>
  Effect.gen(function* () {
    yield* server.handle(GetUser, ({ id }) => find(id))
    yield* server.handleStream(Logins, () => Stream.repeat(Stream.make("Ada"), Schedule.spaced("100 millis")))
  })
)
// #endregion

// #region address
// Only on this machine, unless IPC_ADVERTISE names the host by which other machines reach it.
const address = Config.map(Config.option(Config.nonEmptyString("IPC_ADVERTISE")), (advertised) => ({
  host: Option.isSome(advertised) ? "0.0.0.0" : "127.0.0.1",
  port: 0
}))
// #endregion

// #region http
// An HttpApi on a free port, which the gateway serves below /users.
const Endpoints = HttpApiBuilder.group(UsersApi, "users", (handlers) =>
  handlers.handle("get", ({ path }) => find(path.id))
)

const Http = HttpApiBuilder.serve(HttpMiddleware.logger).pipe(
  Layer.provide(HttpApiBuilder.api(UsersApi)),
  Layer.provide(Endpoints),
  Layer.merge(Discovery.registerHttp({ api: "users", pathPrefix: "/users", stripPrefix: true })),
  Layer.provide(NodeHttpServer.layerConfig(createServer, address))
)
// #endregion

// #region launch
Layer.mergeAll(Service, Http).pipe(Layer.provide(DiscoveryLive), Layer.launch, NodeRuntime.runMain)
// #endregion
