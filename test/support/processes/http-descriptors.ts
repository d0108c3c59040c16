/**
 * A server whose proxy leads to the parent's upstream. Takes every file descriptor there is when told to, and frees them.
 */
import { closeSync, openSync } from "node:fs"
import * as Effect from "effect/Effect"
import { make } from "../../../layers/NodeIPCServer.js"
import { hear, say } from "../ParentProcess.js"

const target = process.argv[2] as string

const taken: Array<number> = []

const take = Effect.sync(() => {
  try {
    for (;;) taken.push(openSync("/dev/null", "r"))
  } catch {
    return taken.length
  }
})

const free = Effect.sync(() => {
  while (taken.length > 0) closeSync(taken.pop() as number)
})

const program = Effect.gen(function* () {
  const server = yield* make()
  yield* server.interceptHttp("GET", "/ready", () => Effect.succeed("ready"))
  yield* server.setRouteProxyResolver(() => target)
  yield* say("port", String(server.port))
  while (true) {
    if ((yield* hear) === "take") yield* say("taken", String(yield* take))
    else yield* Effect.zipRight(free, say("freed"))
  }
})

Effect.runFork(Effect.scoped(program))
