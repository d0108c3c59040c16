/**
 * Closes a gateway with everything in progress; the process must then end by itself, and complains where that takes long. Its upstream is the parent's.
 */

import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { GatewayResponse } from "../../../layers/http/GatewayResponse.js"
import * as NodeHttpGateway from "../../../layers/http/NodeHttpGateway.js"
import { clockWithoutWaiting } from "../processor.js"

/** Less than an idle connection is kept. */
const mostMillis = 4000

const target = process.argv[2] as string

const program = Effect.gen(function* () {
  const scope = yield* Scope.make()
  const gateway = yield* Scope.extend(NodeHttpGateway.make({ maxBodyBytes: 1024 }), scope)
  yield* Scope.extend(
    gateway.proxy(() => target),
    scope
  )
  yield* Scope.extend(
    gateway.route("GET", "/handler", () => Effect.never),
    scope
  )
  yield* Scope.extend(
    gateway.route("POST", "/handler", () => Effect.never),
    scope
  )
  const server = http.createServer({ ServerResponse: GatewayResponse }, gateway.onRequest)
  server.on("upgrade", gateway.onUpgrade)
  const port = yield* Effect.async<number>((resume) => {
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as AddressInfo).port)))
  })
  process.send?.({ port })
  yield* Effect.async<void>((resume) => {
    process.once("message", () => resume(Effect.void))
  })
  const now = clockWithoutWaiting()
  const since = now()
  process.once("exit", () => {
    const millis = Math.round(now() - since)
    if (millis > mostMillis) console.error(`It took ${millis} ms to end.`)
  })
  yield* Scope.close(scope, Exit.void)
  server.close()
  process.disconnect()
})

await Effect.runPromise(program)
