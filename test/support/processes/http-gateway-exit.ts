/**
 * Closes a gateway with everything in progress; the process must then end by itself. Its upstream is the parent's.
 */

import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { GatewayResponse } from "../../../layers/http/GatewayResponse.js"
import * as NodeHttpGateway from "../../../layers/http/NodeHttpGateway.js"

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
  yield* Scope.close(scope, Exit.void)
  server.close()
  process.disconnect()
})

await Effect.runPromise(program)
