/**
 * A server that is closed while everything is in progress; the process must then end by itself. Its upstream is the parent's.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as NodeIPCServer from "../../../layers/NodeIPCServer.js"
import { hear, say, stopHearing } from "../ParentProcess.js"
import { clockWithoutWaiting } from "../processor.js"
import { Hang, HangThere } from "../requests.js"

const [upstream, clientCount] = process.argv.slice(2) as [string, string]

const program = Effect.gen(function* () {
  // Loading and compiling isn't what is timed.
  yield* Effect.scoped(NodeIPCServer.make())
  const scope = yield* Scope.make()
  let handlers = 0
  const allAsked = yield* Deferred.make<void>()
  const server = yield* Scope.extend(
    Effect.gen(function* () {
      const server = yield* NodeIPCServer.make({ drainTimeout: "50 millis" })
      yield* server.handle(Hang, () =>
        Effect.suspend(() => {
          const last = ++handlers === Number(clientCount)
          return last ? Effect.zipRight(Deferred.succeed(allAsked, undefined), Effect.never) : Effect.never
        })
      )
      yield* server.interceptHttp("GET", "/hang", () => Effect.never)
      yield* server.setRouteProxyResolver((path) => (path === "/unknown" ? undefined : upstream))
      return server
    }),
    scope
  )
  yield* say("port", String(server.port))

  yield* hear
  yield* Deferred.await(allAsked)
  const clients = yield* server.clients
  const requests = yield* Effect.forEach(clients, ({ runtimeId }) =>
    Effect.fork(Effect.flip(server.request(runtimeId ?? "", HangThere)))
  )
  yield* say("asked", { clients: clients.length, handlers })

  yield* hear
  const now = clockWithoutWaiting()
  const since = now()
  process.once("exit", () => console.log(`ended ${Math.round(now() - since)}`))
  yield* Scope.close(scope, Exit.void)
  const millis = Math.round(now() - since)
  const errors = yield* Effect.forEach(requests, Fiber.join)
  yield* say("closed", { millis, errors: Object.fromEntries(count(errors.map(({ _tag }) => _tag))) })
  yield* stopHearing
})

const count = (tags: ReadonlyArray<string>): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const tag of tags) counts.set(tag, (counts.get(tag) ?? 0) + 1)
  return counts
}

await Effect.runPromise(program)
