/** The Effect API by a service's name. Both processes take part in discovery; the server leads. What they would do once at their start isn't measured. */
import { createServer } from "node:net"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import { IPCServer, ServiceClient, ServiceServer } from "effect-ipc"
import { LocalDiscovery } from "effect-ipc/node"
import { effectLoadOf, running } from "../effects.mjs"

const requests = { small: IPCServer.defineRequest("echo-small"), big: IPCServer.defineRequest("echo-big") }

const Echo = ServiceServer.layer("echo", (server) =>
  Effect.forEach(Object.values(requests), (request) => server.handle(request, (payload) => Effect.succeed(payload)))
)

class EchoClient extends ServiceClient.Tag("echo") {}

export const serve = async () => {
  const port = await freePort()
  return running(Layer.provide(Echo, LocalDiscovery.layer({ port, warmUp: false })), Effect.succeed({ port }))
}

export const connect = (port) =>
  running(
    Layer.provide(EchoClient.layer, LocalDiscovery.layer({ port, warmUp: false })),
    Effect.gen(function* () {
      const client = yield* EchoClient
      const runPromise = Runtime.runPromise(yield* Effect.runtime())
      return {
        call: (payload) => runPromise(client.request(Array.isArray(payload) ? requests.big : requests.small, payload)),
        load: effectLoadOf(runPromise, (kind) => (payload) => client.request(requests[kind], payload))
      }
    })
  )

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
