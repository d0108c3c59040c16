/**
 * A leader with handlers and routes of its own, attacked by its parent. Tells its memory, the routes and what runs in it
 * whenever asked; its descriptors, too, and the longest turn of its event loop.
 */
import { readdirSync } from "node:fs"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as LocalDiscovery from "../../../layers/LocalDiscovery.js"
import * as Facade from "../../../layers/promise/index.js"
import { Discovery } from "../../../src/Discovery.js"
import { IPCServer } from "../../../src/IPCServer.js"
import { collectGarbage } from "../garbage.js"
import { hear, say, stopHearing } from "../ParentProcess.js"
import { watchTurns } from "../processor.js"
import { Add, add, Blob, Hang, RepeatBack } from "../requests.js"

/** As `repeat` gives it, but in one piece, which costs far less to encode. */
const blob = (length: number): string => Buffer.alloc(length, "b").toString("latin1")

const program = Effect.gen(function* () {
  const services = yield* LocalDiscovery.makeStandalone({ port: 0, runtimeId: "leader" })
  const server = Context.get(services, IPCServer)
  const discovery = Context.get(services, Discovery)
  let running = 0
  const hang = Effect.acquireUseRelease(
    Effect.sync(() => running++),
    () => Effect.never,
    () => Effect.sync(() => running--)
  )
  yield* server.handle(Add, add)
  yield* server.handle(Blob, (length) => Effect.sync(() => blob(length)))
  yield* server.handle(RepeatBack, (text) => Effect.succeed(text))
  yield* server.handle(Hang, () => hang)
  yield* server.interceptHttp("GET", "/route/hang", () => hang)
  yield* server.interceptHttp("GET", "/route/blob/:length", ({ params }) =>
    Effect.sync(() => blob(Number(params.length)))
  )
  yield* server.interceptHttp("POST", "/route/length", ({ bytes }) => Effect.succeed({ length: bytes.length }))
  yield* server.interceptHttp("POST", "/route/hang", () => hang)
  const facade = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const facade = new Facade.IPCServer(0)
      const waiting = new Set<() => void>()
      facade.interceptHttp("POST", "/hang", () => new Promise<void>((resolve) => waiting.add(resolve)))
      facade.interceptHttp("GET", "/end", () => {
        for (const end of waiting) end()
        waiting.clear()
      })
      await facade.start()
      return facade
    }),
    (started) => Effect.promise(() => started.teardown())
  )
  yield* say("port", String(server.port))
  yield* say("facade", String(facade.getPort()))

  let longestTurn: (() => number) | undefined
  for (;;) {
    switch (yield* hear) {
      case "longest turn": {
        longestTurn ??= watchTurns()
        yield* say("longest", String(longestTurn()))
        break
      }
      case "state": {
        yield* collectGarbage
        const { external, heapUsed, rss } = process.memoryUsage()
        yield* say("state", {
          held: heapUsed + external,
          rss,
          peak: process.resourceUsage().maxRSS * 1024,
          descriptors: readdirSync("/proc/self/fd").length,
          clients: (yield* server.clients).length,
          routes: (yield* Effect.orDie(discovery.routes)).length,
          running,
          // What a polluted prototype would give every object.
          polluted: Object.keys(Object.prototype).length > 0 || "polluted" in {}
        })
        break
      }
      default:
        return yield* stopHearing
    }
  }
})

process.on("warning", (warning) => console.error(`${warning.name}: ${warning.message}`))
await Effect.runPromise(Effect.scoped(program))
