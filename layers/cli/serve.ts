/**
 * `effect-ipc serve`: the standalone gateway.
 *
 * @since 0.1.0
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Protocol from "../../src/election/GatewayProtocol.js"
import { IPCServer } from "../../src/IPCServer.js"
import * as RoutingStrategy from "../../src/RoutingStrategy.js"
import { urlOf } from "../ipc/Address.js"
import * as LocalDiscovery from "../LocalDiscovery.js"
import * as NodeIPCClient from "../NodeIPCClient.js"
import * as ListeningPort from "../process/ListeningPort.js"
import type { CommandFailed } from "./CommandFailed.js"
import { explain, heldByAnotherGateway, heldByStranger } from "./CommandFailed.js"
import * as Output from "./Output.js"
import type { GatewayAddress } from "./options.js"
import { gateway, runtimeIdFor } from "./options.js"

/**
 * @since 0.1.0
 * @category commands
 */
export const serve = Command.make(
  "serve",
  {
    address: gateway(0),
    strategy: Options.choice("strategy", RoutingStrategy.RoutingStrategyName.literals).pipe(
      Options.withPseudoName("name"),
      Options.withDefault<RoutingStrategy.RoutingStrategyName>("roundRobin"),
      Options.withDescription("How it chooses among a service's instances.")
    ),
    allowWithoutToken: Options.boolean("allow-without-token").pipe(
      Options.withDescription("With a --host that other machines reach: let them in without a token.")
    )
  },
  ({ address, allowWithoutToken, strategy }) =>
    Effect.gen(function* () {
      if (yield* ListeningPort.isInUse(address)) yield* refuseHeld(address)
      const services = yield* LocalDiscovery.makeStandalone({
        ...address,
        allowWithoutToken,
        strategy: RoutingStrategy.fromName(strategy),
        runtimeId: runtimeIdFor("gateway")
      }).pipe(
        Effect.catchTags({
          PortInUse: () =>
            Effect.zipRight(refuseHeld(address), Effect.fail(heldByStranger(address, "it closes the connection"))),
          ListenFailed: (error) => Effect.fail(explain(address)(error)),
          TokenRequired: (error) => Effect.fail(explain(address)(error)),
          InvalidToken: (error) => Effect.fail(explain(address)(error))
        })
      )
      yield* Output.print(`The gateway listens on ${Context.get(services, IPCServer).url}`)
      return yield* Effect.never
    }).pipe(Effect.scoped)
).pipe(
  Command.withDescription(
    "The gateway by itself, until stopped. Every service that takes part at its port then follows it, and none leads."
  )
)

/** Fails where the port's holder won't give it up, as a service that leads does. */
const refuseHeld = (address: GatewayAddress): Effect.Effect<void, CommandFailed> =>
  Effect.gen(function* () {
    const client = yield* NodeIPCClient.make({
      url: urlOf(address),
      token: address.token,
      tokenScheme: address.tokenScheme,
      reconnect: false,
      connectTimeout: "2 seconds"
    })
    const { kind } = yield* client.request(Protocol.GetServerInfo, undefined, { timeout: "2 seconds" })
    if (kind === "bin") return yield* heldByAnotherGateway(address)
  }).pipe(
    Effect.scoped,
    // It may be going; if it closes every connection instead, the port stays in use.
    Effect.catchIf(
      (error) => error._tag === "ConnectionClosed" || (error._tag === "ConnectFailed" && error.reason === "Refused"),
      () => Effect.void
    ),
    Effect.mapError((error) => (error._tag === "CommandFailed" ? error : explain(address)(error)))
  )
