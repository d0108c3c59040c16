/**
 * A gateway before the upstream given, with a spy and a matcher that looks at bodies. Tells its port, then its peak memory
 * whenever asked.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as LocalDiscovery from "../../../layers/LocalDiscovery.js"
import * as NodeHttpInterception from "../../../layers/NodeHttpInterception.js"
import { HttpInterception } from "../../../src/HttpInterception.js"
import * as Intercept from "../../../src/Intercept.js"
import { IPCServer } from "../../../src/IPCServer.js"

const target = process.argv[2] as string

const program = Effect.gen(function* () {
  const server = yield* IPCServer
  yield* server.setRouteProxyResolver(() => target)
  const interception = yield* HttpInterception
  yield* interception.spy(Intercept.any())
  yield* interception.mock(Intercept.any({ body: /never/ }), Intercept.status(500))
  yield* interception.spy(Intercept.any())
  process.send?.({ port: server.port })
  yield* Effect.never
}).pipe(
  Effect.provide(Layer.provideMerge(NodeHttpInterception.layer(), LocalDiscovery.layerStandalone({ port: 0 }))),
  Effect.scoped
)

let peak = 0
const sample = () => {
  const { rss } = process.memoryUsage()
  peak = Math.max(peak, rss)
}
setInterval(sample, 10).unref()
process.on("message", (question) => {
  sample()
  process.send?.({ question, connections: 0, peak })
  if (question === "reset peak") peak = 0
})
process.on("disconnect", () => process.exit())
Effect.runFork(program)
