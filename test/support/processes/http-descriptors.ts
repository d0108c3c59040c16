/**
 * A server whose proxy leads to the parent's upstream. Takes every file descriptor there is, and frees them, when told to.
 */
import { closeSync, openSync } from "node:fs"
import * as Effect from "effect/Effect"
import { make } from "../../../layers/NodeIPCServer.js"

const target = process.argv[2] as string

const program = Effect.gen(function* () {
  const server = yield* make()
  yield* server.interceptHttp("GET", "/ready", () => Effect.succeed("ready"))
  yield* server.setRouteProxyResolver(() => target)
  process.send?.({ port: server.port })
  yield* Effect.never
})

const taken: Array<number> = []
process.on("message", (message) => {
  if (message === "take") {
    try {
      for (;;) taken.push(openSync("/dev/null", "r"))
    } catch {
      process.send?.({ connections: taken.length, peak: 0 })
    }
  } else {
    while (taken.length > 0) closeSync(taken.pop() as number)
    process.send?.({ connections: taken.length, peak: 0 })
  }
})
process.on("disconnect", () => process.exit())
Effect.runFork(Effect.scoped(program))
