/** Uses each entry's types from outside: what is wrong here must not compile, what is right must. */
import type * as Socket from "@effect/platform/Socket"
import type * as SocketServer from "@effect/platform/SocketServer"
import { Effect, Layer, Schema } from "effect"
import {
  type ClientNotConnected,
  type Discovery,
  type ElectionError,
  HttpInterception,
  Intercept,
  IPCClient,
  type IPCPeer,
  IPCServer,
  type LeaderElection,
  type RequestError,
  ServiceClient,
  type ServiceNotRegistered,
  ServiceServer
} from "effect-ipc"
import { HttpProxyUpstream } from "effect-ipc/http-proxy"
import { NatsDiscovery, type NatsFailed } from "effect-ipc/nats"
import { LocalDiscovery, NodeIPCClient, NodeIPCServer } from "effect-ipc/node"
import * as Facade from "effect-ipc/promise"
import { ServiceRpcClient, ServiceRpcServer } from "effect-ipc/rpc"
import { SocketIPCClient, SocketIPCServer } from "effect-ipc/socket"
import { GatewayTest, TestGateway, Worker } from "effect-ipc/testing"

class TooBig extends Schema.TaggedError<TooBig>()("TooBig", { n: Schema.Number }) {}

const Double = IPCServer.defineRequest<number, number>("double")
const Half = IPCClient.defineRequest("half", { payload: Schema.Number, success: Schema.Number, failure: TooBig })

export const program: Effect.Effect<number, TooBig | RequestError | ClientNotConnected, IPCServer> = Effect.gen(
  function* () {
    const server = yield* IPCServer
    yield* server.handle(Double, (n, { clientId }) => Effect.succeed(n + clientId.length))
    return yield* server.request("worker-1", Half, 42, { timeout: "1 second" })
  }
).pipe(Effect.scoped)

export const onNats: Layer.Layer<Discovery | LeaderElection, NatsFailed> = NatsDiscovery.layer({
  servers: ["nats://10.0.0.2:4222"],
  credentials: { user: "shop", tls: true }
})

export const byHttpProxy = NodeIPCServer.layer().pipe(
  Layer.provide(
    HttpProxyUpstream.layer({
      changeOrigin: true,
      on: {
        proxyReq: (outgoing, request) => void outgoing.setHeader("x-from", request.url ?? ""),
        error: (error, _request, response) => void response.end(error.message)
      }
    })
  )
)
// @ts-expect-error no option of http-proxy
HttpProxyUpstream.layer({ changeOrigins: true })

export const answer = Effect.gen(function* () {
  const client = yield* IPCClient
  return yield* client.request(Double, 21, { idempotent: true })
})

export const main = program.pipe(
  Effect.zip(Effect.provide(answer, NodeIPCClient.layer({ port: 9000, runtimeId: "worker-1" }))),
  Effect.provide(NodeIPCServer.layer({ port: 9000, heartbeat: "5 seconds" }))
)

export const facade = async () => {
  const server = new Facade.IPCServer()
  server.onFrameworkMessage(Double, async (n) => n * 2)
  const started: boolean = await server.start()
  const half: number = await server.sendFrameworkMessage("worker-1", Half, 42)
  await server.teardown()
  return { started, half }
}

export const wrong = Effect.gen(function* () {
  const server = yield* IPCServer
  // @ts-expect-error a request that the server answers
  yield* server.request("worker-1", Double, 21)
  // @ts-expect-error another payload
  yield* server.request("worker-1", Half, "42")
  // @ts-expect-error another result
  yield* server.handle(Double, () => Effect.succeed("42"))
})

/** Both ends over platform sockets. */
export const overSockets = program.pipe(
  Effect.provide(NodeIPCServer.layer()),
  Effect.zip(answer),
  Effect.provide(SocketIPCClient.layer({ runtimeId: "worker-1" }))
) satisfies Effect.Effect<unknown, unknown, Socket.Socket>

export const peer: Layer.Layer<IPCPeer, never, SocketServer.SocketServer> = SocketIPCServer.layer()

class Doubles extends ServiceClient.Tag("doubles") {}

/** A service and its client: what is asked and what may go wrong are known without an annotation. */
export const byName = Effect.gen(function* () {
  const doubles = yield* Doubles
  return yield* doubles.request(Double, 21)
}) satisfies Effect.Effect<number, RequestError | ServiceNotRegistered, ServiceClient.Of<"doubles">>

export const served: Layer.Layer<
  ServiceClient.Of<"doubles">,
  ServiceServer.ServiceServerError | ElectionError
> = Doubles.layer.pipe(
  Layer.merge(ServiceServer.layer("doubles", (server) => server.handle(Double, (n) => Effect.succeed(2 * n)))),
  Layer.provide(LocalDiscovery.layer({ port: 0 }))
)

export const rpc = Layer.merge(ServiceRpcServer.layer("doubles"), ServiceRpcClient.layer("doubles"))

export const suite: Effect.Effect<string, unknown> = Effect.gen(function* () {
  const http = yield* HttpInterception
  const users = yield* http.mock(Intercept.get("/users/:id"), ({ params }) => Effect.succeed({ id: params.id }))
  const orders = yield* Worker.make({ module: "orders.js" })
  const half: number = yield* orders.request(Half, 42)
  const [call] = yield* users.calls
  return `${half} ${call?.request.path}`
}).pipe(Effect.scoped, Effect.provide(GatewayTest.layer()))

export const promised = async (): Promise<string> => {
  const gateway = await TestGateway.start()
  const users = await gateway.mock(
    Intercept.get("/users/:id"),
    async ({ params }) => ({ id: params.id }),
    Intercept.once
  )
  const orders = await gateway.worker({ module: "orders.js" })
  const half: number = await orders.request(Half, 42)
  // @ts-expect-error another payload
  await orders.request(Half, "42")
  // @ts-expect-error a fault isn't an answer
  await gateway.mock(Intercept.any(), Intercept.drop)
  const call = await users.awaitCall(1)
  await gateway.close()
  return `${half} ${call.request.path}`
}
