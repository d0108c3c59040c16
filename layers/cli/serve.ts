/**
 * `effect-ipc serve`: the standalone gateway.
 *
 * @internal
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Protocol from "../../src/election/GatewayProtocol.js"
import { IPCServer } from "../../src/IPCServer.js"
import * as RoutingStrategy from "../../src/RoutingStrategy.js"
import { urlOf } from "../ipc/Address.js"
import * as MetricsEndpoint from "../ipc/MetricsEndpoint.js"
import * as LocalDiscovery from "../LocalDiscovery.js"
import * as NodeIPCClient from "../NodeIPCClient.js"
import * as ListeningPort from "../process/ListeningPort.js"
import type { CommandFailed } from "./CommandFailed.js"
import { explain, heldByAnotherGateway, heldByStranger } from "./CommandFailed.js"
import { serve as serveInspector } from "./inspect.js"
import * as Output from "./Output.js"
import type { GatewayAddress } from "./options.js"
import { drain, gateway, inspectorPort, runtimeIdFor, strategy } from "./options.js"

export const serve = Command.make(
  "serve",
  {
    address: gateway(0),
    strategy,
    drain,
    inspect: Options.boolean("inspect").pipe(
      Options.withDescription("Serve the inspector's page as well, at a port of its own.")
    ),
    inspectorPort,
    metrics: Options.boolean("metrics").pipe(
      Options.withDescription(`Serve the gateway's metrics at ${MetricsEndpoint.path}, as text for Prometheus.`)
    ),
    allowWithoutToken: Options.boolean("allow-without-token").pipe(
      Options.withDescription("Let other machines connect without a token, where --host is reachable for them.")
    ),
    allowedHosts: Options.text("allowed-host").pipe(
      Options.repeated,
      Options.withDescription(
        "Another name of the gateway, or name:port where something (a TLS proxy, a container's mapped port) forwards from there to it. Can be repeated."
      )
    )
  },
  ({ address, allowedHosts, allowWithoutToken, drain, inspect, inspectorPort, metrics, strategy }) =>
    Effect.gen(function* () {
      if (yield* ListeningPort.isInUse(address)) yield* refuseHeld(address)
      const services = yield* LocalDiscovery.makeStandalone({
        ...address,
        allowWithoutToken,
        allowedHosts,
        drainTimeout: drain,
        metrics,
        strategy: RoutingStrategy.fromName(strategy),
        runtimeId: runtimeIdFor("gateway")
      }).pipe(
        Effect.catchTag("PortInUse", () =>
          Effect.zipRight(refuseHeld(address), Effect.fail(heldByStranger(address, "it closes the connection")))
        ),
        Effect.mapError(explain(address))
      )
      const { port, url } = Context.get(services, IPCServer)
      yield* Output.print(`The gateway listens on ${url}`)
      if (inspect) yield* serveInspector({ ...address, port }, inspectorPort)
      return yield* Effect.never
    }).pipe(Effect.scoped)
).pipe(
  Command.withDescription(
    "Runs a standalone gateway until stopped. Every service that takes part at its port follows it."
  )
)

/** Fails where the holder of the port doesn't step down. A service that leads does. */
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
    // The holder may be ending. If it closes each connection instead, the port stays in use.
    Effect.catchIf(
      (error) => error._tag === "ConnectionClosed" || (error._tag === "ConnectFailed" && error.reason === "Refused"),
      () => Effect.void
    ),
    Effect.mapError(explain(address))
  )
