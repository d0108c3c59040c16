/**
 * Discovery among the processes of one machine that know one port: each provides this Layer, one of them leads.
 *
 * @since 0.1.0
 */
import { randomUUID } from "node:crypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Discovery } from "../src/Discovery.js"
import * as DiscoveryParticipant from "../src/DiscoveryParticipant.js"
import type { ElectionError } from "../src/Election.js"
import * as Election from "../src/Election.js"
import type { IPCClient } from "../src/IPCClient.js"
import type { ListenFailed, PortInUse, TokenRequired } from "../src/IPCError.js"
import { IPCServer } from "../src/IPCServer.js"
import { LeaderElection } from "../src/LeaderElection.js"
import type { Registry } from "../src/Registry.js"
import type { RoutingStrategy } from "../src/RoutingStrategy.js"
import { HttpGateway } from "./http/HttpGateway.js"
import type { PortElectionOptions } from "./PortElection.js"
import * as PortElection from "./PortElection.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface LocalDiscoveryOptions extends PortElectionOptions {
  /** How the gateway chooses among an api's instances. Default round robin. */
  readonly strategy?: RoutingStrategy | undefined
  /** Strategies by api. They count while this process leads, so every participant is best given the same. */
  readonly strategies?: Readonly<Record<string, RoutingStrategy>> | undefined
}

/**
 * Takes part until the scope closes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: (
  options?: LocalDiscoveryOptions
) => Effect.Effect<Context.Context<Discovery | LeaderElection>, ElectionError, Scope.Scope> = Effect.fnUntraced(
  function* (options: LocalDiscoveryOptions = {}) {
    const { runtimeId = randomUUID() } = options
    const { discovery, election } = yield* DiscoveryParticipant.make({ ...options, runtimeId }, (setup) =>
      PortElection.make({ ...options, runtimeId }, setup)
    )
    return Context.make(Discovery, discovery).pipe(Context.add(LeaderElection, election))
  }
)

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: LocalDiscoveryOptions): Layer.Layer<Discovery | LeaderElection, ElectionError> =>
  Layer.scopedContext(make(options))

/**
 * A standalone gateway: asks an embedded leader to make way, leads for as long as it lives, and is followed, never bid
 * against, by everybody who has seen it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeStandalone: (
  options?: LocalDiscoveryOptions
) => Effect.Effect<
  Context.Context<Discovery | LeaderElection | IPCServer | HttpGateway>,
  PortInUse | ListenFailed | TokenRequired,
  Scope.Scope
> = Effect.fnUntraced(function* (options: LocalDiscoveryOptions = {}) {
  const { runtimeId = randomUUID() } = options
  const gateway = yield* DiscoveryParticipant.make({ ...options, runtimeId }, (setup) =>
    Effect.map(PortElection.makeStandalone({ ...options, runtimeId }, setup), ({ gateway, prepared, server }) => ({
      ...Election.uncontested<Registry, IPCClient.Service>(prepared),
      gateway,
      server
    }))
  )
  return Context.make(Discovery, gateway.discovery).pipe(
    Context.add(LeaderElection, gateway.election),
    Context.add(IPCServer, gateway.election.server),
    Context.add(HttpGateway, gateway.election.gateway)
  )
})

/**
 * @since 0.1.0
 * @category layers
 */
export const layerStandalone = (
  options?: LocalDiscoveryOptions
): Layer.Layer<Discovery | LeaderElection | IPCServer | HttpGateway, PortInUse | ListenFailed | TokenRequired> =>
  Layer.scopedContext(makeStandalone(options))
