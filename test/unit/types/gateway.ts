import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { HttpGateway } from "effect-ipc"
import { NodeIPCServer, UndiciUpstream, UpstreamProxy } from "effect-ipc/node"

// A program that emits declarations names every type of what it exports.
export const Live = NodeIPCServer.layer()
export const Configured = NodeIPCServer.layerConfig()
export const Swapped = NodeIPCServer.layer().pipe(Layer.provide(UndiciUpstream.layer({ headersTimeout: "1 second" })))
export const Custom = Layer.succeed(UpstreamProxy, Effect.succeed({ forward: ({ response }) => void response.end() }))
export const program = Effect.gen(function* () {
  const gateway = yield* HttpGateway
  yield* gateway.route("GET", "/", () => Effect.succeed(1))
  yield* gateway.proxy(() => undefined)
})
