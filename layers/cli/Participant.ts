/**
 * Participation in discovery at the gateway's port, as `register` and `run` do it.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Discovery } from "../../src/Discovery.js"
import type { DiscoveryEntry } from "../../src/DiscoveryEntry.js"
import { LeaderElection, type Role } from "../../src/LeaderElection.js"
import * as LocalDiscovery from "../LocalDiscovery.js"
import type { CommandFailed } from "./CommandFailed.js"
import { explain, heldByStranger } from "./CommandFailed.js"
import type { GatewayAddress } from "./options.js"
import { runtimeIdFor } from "./options.js"

/** Joins until the scope closes, and logs each change of role. */
export const join: (
  address: GatewayAddress,
  api: string
) => Effect.Effect<Discovery.Service, CommandFailed, Scope.Scope> = Effect.fnUntraced(function* (address, api) {
  const services = yield* LocalDiscovery.make({ ...address, runtimeId: runtimeIdFor(api) }).pipe(
    Effect.mapError(explain(address)),
    // A server that closes each connection can't be followed, and its port can't be bound.
    Effect.timeoutFail({
      duration: patience,
      onTimeout: () => heldByStranger(address, "it closes the connection")
    })
  )
  yield* Context.get(services, LeaderElection).roles.pipe(
    Stream.mapAccum<Role, Role, Effect.Effect<void>>("electing", (before, role) => [
      role,
      logRole(before, role, address.port)
    ]),
    Stream.runForEach((log) => log),
    Effect.forkScoped
  )
  return Context.get(services, Discovery)
})

/**
 * Registers an entry until the scope closes, however long there is no leader to register with: a service isn't stopped
 * because the gateway is. Says why when the first attempt fails.
 */
export const register = (
  discovery: Pick<Discovery.Service, "register">,
  entry: typeof DiscoveryEntry.Encoded
): Effect.Effect<void, never, Scope.Scope> => {
  const attempt = discovery.register([entry])
  return Effect.catchAll(attempt, (error) =>
    Effect.zipRight(
      Effect.logWarning(`${entry.api} isn't registered yet: ${error.message}`),
      Effect.orDie(Effect.retry(attempt, Schedule.spaced("1 second")))
    )
  )
}

const logRole = (before: Role, role: Role, port: number): Effect.Effect<void> => {
  if (role === "leader") return Effect.logInfo(`leading at port ${port}`)
  if (role === "follower") return Effect.logInfo(`following the leader at port ${port}`)
  // The election itself logs that there is no leader, where that lasts.
  return before === "leader" ? Effect.logInfo(`no longer leading at port ${port}`) : Effect.void
}

/** Longer than the attempts to connect, and longer than followers wait for a standalone gateway that takes over. */
const patience = Duration.seconds(15)
