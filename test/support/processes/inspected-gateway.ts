/**
 * A gateway that proxies to the URL that it is given. Tells what it holds in memory, in bytes, whenever asked.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as LocalDiscovery from "../../../layers/LocalDiscovery.js"
import { Discovery } from "../../../src/Discovery.js"
import { IPCServer } from "../../../src/IPCServer.js"
import { collectGarbage } from "../garbage.js"
import { hear, say } from "../ParentProcess.js"

const program = Effect.gen(function* () {
  const services = yield* LocalDiscovery.makeStandalone({ port: 0, warmUp: false })
  const baseUrl = process.argv[2] as string
  yield* Context.get(services, Discovery).register({ api: "asked", baseUrl, pathPrefix: "/asked" })
  yield* say("port", String(Context.get(services, IPCServer).port))
  for (;;) {
    const word = yield* hear
    yield* collectGarbage
    const { arrayBuffers, heapUsed } = process.memoryUsage()
    yield* say(word, { held: heapUsed + arrayBuffers })
  }
})

void Effect.runPromise(Effect.scoped(program))
