/**
 * @effect/rpc at its fastest: no spans, payloads passed unvalidated. Variants `json`, `msgpack`, and `maps`: MessagePack without
 * msgpackr's extension for records.
 */
import { createServer } from "node:http"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as Rpc from "@effect/rpc/Rpc"
import * as RpcClient from "@effect/rpc/RpcClient"
import * as RpcGroup from "@effect/rpc/RpcGroup"
import * as RpcSerialization from "@effect/rpc/RpcSerialization"
import * as RpcServer from "@effect/rpc/RpcServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { effectLoadOf, running } from "../effects.mjs"

const Group = RpcGroup.make(Rpc.make("echo", { payload: { data: Schema.Any }, success: Schema.Any }))

const serialization = {
  json: RpcSerialization.layerJson,
  msgpack: RpcSerialization.layerMsgPack,
  maps: RpcSerialization.layerMsgPackWith({ useRecords: false })
}

export const serve = async (variant) => {
  const http = createServer()
  const routes = RpcServer.layerHttpRouter({
    group: Group,
    path: "/rpc",
    protocol: "websocket",
    disableTracing: true
  }).pipe(Layer.provide(Group.toLayer({ echo: ({ data }) => Effect.succeed(data) })))
  const layer = HttpLayerRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
    Layer.provide(serialization[variant]),
    Layer.provide(NodeHttpServer.layer(() => http, { port: 0, host: "127.0.0.1" }))
  )
  await running(layer, Effect.void)
  return { port: http.address().port }
}

export const connect = (port, variant) =>
  running(
    RpcClient.layerProtocolSocket().pipe(
      Layer.provide(serialization[variant]),
      Layer.provide(NodeSocket.layerWebSocket(`ws://127.0.0.1:${port}/rpc`))
    ),
    Effect.gen(function* () {
      const client = yield* RpcClient.make(Group, { disableTracing: true })
      const runPromise = Runtime.runPromise(yield* Effect.runtime())
      const call = (data) => client.echo({ data })
      return { call: (data) => runPromise(call(data)), load: effectLoadOf(runPromise, () => call) }
    })
  )
