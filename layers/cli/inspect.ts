/**
 * `effect-ipc inspect`: serves the inspector's page.
 *
 * @internal
 */
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as RunningInspector from "../inspector/RunningInspector.js"
import { type CommandFailed, failure } from "./CommandFailed.js"
import * as ConnectionLog from "./ConnectionLog.js"
import * as Output from "./Output.js"
import { type GatewayAddress, gateway, inspectorPort } from "./options.js"

export const inspect = Command.make("inspect", { address: gateway(1), inspectorPort }, ({ address, inspectorPort }) =>
  Effect.scoped(Effect.zipRight(serve(address, inspectorPort), Effect.never))
).pipe(
  Command.withDescription(
    "Serves a page that shows services, traffic and processes live, at a port of its own on this machine, until stopped."
  )
)

/** Serves the page until the scope closes, prints its address, and logs when the gateway is lost and when there is one again. */
export const serve: (address: GatewayAddress, port: number) => Effect.Effect<void, CommandFailed, Scope.Scope> =
  Effect.fnUntraced(function* (address, port) {
    const { inspector, state } = yield* Effect.mapError(RunningInspector.make({ port, gateway: address }), (error) =>
      failure(
        error._tag === "PortInUse"
          ? `Port ${port} is in use. Choose another one for the page with --inspector-port.`
          : error.message
      )
    )
    yield* Output.print(`The inspector is at ${inspector.url}`)
    yield* ConnectionLog.start(state)
  })
