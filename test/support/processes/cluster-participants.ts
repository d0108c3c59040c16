/**
 * Two workers of node:cluster, which share ports unless told otherwise, take part at the port given. Tells the role of
 * each, once both have one.
 */
import cluster from "node:cluster"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as LocalDiscovery from "../../../layers/LocalDiscovery.js"
import { LeaderElection } from "../../../src/LeaderElection.js"

const port = Number(process.argv[2])

const takePart = Effect.gen(function* () {
  const services = yield* LocalDiscovery.make({ port, warmUp: false })
  process.send?.(yield* Context.get(services, LeaderElection).role)
  yield* Effect.never
})

if (cluster.isPrimary) {
  const roles: Array<unknown> = []
  for (let i = 0; i < 2; i++) {
    cluster.fork().on("message", (role) => {
      if (roles.push(role) === 2) console.log(`roles ${roles.sort().join(" ")}`)
    })
  }
} else {
  Effect.runFork(Effect.scoped(takePart))
}
