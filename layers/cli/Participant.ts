/**
 * Taking part at the gateway's port, as `register` and `run` do.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Discovery } from "../../src/Discovery.js"
import { LeaderElection } from "../../src/LeaderElection.js"
import * as LocalDiscovery from "../LocalDiscovery.js"
import type { CommandFailed } from "./CommandFailed.js"
import { explain, heldByStranger } from "./CommandFailed.js"
import type { GatewayAddress } from "./options.js"
import { runtimeIdFor } from "./options.js"

/**
 * Takes part until the scope closes, and logs what role it has from then on.
 *
 * @since 0.1.0
 * @category constructors
 */
export const join: (
  address: GatewayAddress,
  api: string
) => Effect.Effect<Discovery.Service, CommandFailed, Scope.Scope> = Effect.fnUntraced(function* (address, api) {
  const services = yield* LocalDiscovery.make({ ...address, runtimeId: runtimeIdFor(api) }).pipe(
    Effect.mapError(explain(address)),
    // What accepts connections only to close them is neither to be followed nor bid against.
    Effect.timeoutFail({
      duration: patience,
      onTimeout: () => heldByStranger(address, "it closes the connection")
    })
  )
  yield* Context.get(services, LeaderElection).roles.pipe(
    Stream.filter((role) => role !== "electing"),
    Stream.changes,
    Stream.runForEach((role) =>
      Effect.logInfo(
        role === "leader" ? `leading at port ${address.port}` : `following the leader at port ${address.port}`
      )
    ),
    Effect.forkScoped
  )
  return Context.get(services, Discovery)
})

/** Longer than the attempts to connect, and than followers wait for a gateway that takes over. */
const patience = Duration.seconds(15)
