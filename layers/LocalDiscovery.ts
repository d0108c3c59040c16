/**
 * Discovery among the processes of one machine that know one port: each provides this Layer, one of them leads.
 *
 * While there is no leader, calls wait for the next one within their own timeout and then fail with `RequestTimeout`; the
 * gateway's port refuses connections. A leader that ends, by SIGKILL too, is replaced at once. One that is stopped (SIGSTOP, or an event
 * loop that doesn't turn) still holds the port, so no other can replace it: its followers notice within 6 to 9 seconds (see
 * `heartbeat`), calls go on ending within their timeouts, HTTP requests get no answer, and all goes on with SIGCONT.
 *
 * @since 0.1.0
 */
import { randomUUID } from "node:crypto"
import type * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Discovery } from "../src/Discovery.js"
import * as DiscoveryMember from "../src/discovery/DiscoveryMember.js"
import type { RegistryLimits } from "../src/discovery/RegistryLimits.js"
import type { ElectionError } from "../src/election/Election.js"
import type { GatewayServer } from "../src/election/GatewayElection.js"
import type { HttpGateway } from "../src/HttpGateway.js"
import type { ListenError } from "../src/IPCError.js"
import type { IPCPeer } from "../src/IPCPeer.js"
import type { IPCServer } from "../src/IPCServer.js"
import * as ArgumentIssue from "../src/internal/ArgumentIssue.js"
import { check, type OptionNames } from "../src/internal/OptionNames.js"
import { LeaderElection } from "../src/LeaderElection.js"
import type { RoutingStrategy } from "../src/RoutingStrategy.js"
import * as MemberServices from "../src/service/MemberServices.js"
import * as FailoverWarmUp from "./FailoverWarmUp.js"
import * as Address from "./ipc/Address.js"
import * as ConfigOptions from "./ipc/ConfigOptions.js"
import * as ConnectionOptions from "./ipc/ConnectionOptions.js"
import * as LoopbackEndpoints from "./LoopbackEndpoints.js"
import * as NodeIPCServer from "./NodeIPCServer.js"
import type { PortElectionOptions } from "./PortElection.js"
import * as PortElection from "./PortElection.js"
import * as ProcessMemory from "./ProcessMemory.js"

/**
 * How a participant elects, as of `PortElection`, and how its gateway chooses among instances.
 *
 * @since 0.1.0
 * @category models
 */
export interface LocalDiscoveryOptions extends PortElectionOptions {
  /** How the gateway chooses among an api's instances. Default round robin. */
  readonly strategy?: RoutingStrategy | undefined
  /** Strategies by api. They apply while this process leads, so every participant should be given the same. */
  readonly strategies?: Readonly<Record<string, RoutingStrategy>> | undefined
  /** Bounds of what participants register. They are the leader's, so every participant should be given the same. */
  readonly limits?: RegistryLimits | undefined
  /**
   * Whether this process does the work of a failover once in advance, on a free port, three seconds after it has started to
   * take part: loading and compiling that code takes several times as long as running it. A process with several
   * participants needs it of one. Default `true`.
   */
  readonly warmUp?: boolean | undefined
}

/**
 * The names of a participant's options, beside the port.
 *
 * @internal
 */
export const optionNames: OptionNames<Omit<LocalDiscoveryOptions, "port">> = {
  strategy: true,
  strategies: true,
  limits: ConnectionOptions.limitsIssue,
  warmUp: ArgumentIssue.flagIssue,
  ...PortElection.optionNames
}

const takePart: (
  options?: LocalDiscoveryOptions
) => Effect.Effect<Context.Context<Discovery | LeaderElection>, ElectionError, Scope.Scope> = Effect.fnUntraced(
  function* (options: LocalDiscoveryOptions = {}) {
    const { runtimeId = randomUUID() } = options
    const member = yield* DiscoveryMember.make({ ...options, runtimeId, isOwnUrl: isOwnUrl(options) }, (setup) =>
      PortElection.makeWith({ ...options, runtimeId }, setup)
    )
    const { election } = member
    return Context.make(Discovery, yield* withServices(member, options)).pipe(Context.add(LeaderElection, election))
  }
)

const withServices = (
  member: Parameters<typeof MemberServices.provide>[0],
  options: LocalDiscoveryOptions
): Effect.Effect<Discovery.Service> => {
  const connection = { ...options, heartbeat: options.heartbeat ?? PortElection.defaultHeartbeat }
  return ProcessMemory.provide(
    MemberServices.provide(member, { endpoints: LoopbackEndpoints.make(connection), connection })
  )
}

const isOwnUrl =
  ({ host = Address.defaultHost }: LocalDiscoveryOptions) =>
  (baseUrl: string, { port }: GatewayServer): boolean =>
    Address.leadsTo(baseUrl, { host, port })

const warmUp = ({ warmUp = true }: LocalDiscoveryOptions): Effect.Effect<void, never, Scope.Scope> =>
  warmUp ? FailoverWarmUp.schedule(takePart) : Effect.void

/**
 * Takes part until the scope closes. Done once this process leads or follows. Fails with `ConnectFailed` where something
 * that isn't a gateway, that doesn't answer, or that has another token holds the port, and with `ListenFailed`,
 * `TokenRequired` or `InvalidToken` where the port can't be bound.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: LocalDiscoveryOptions = {}
): Effect.Effect<Context.Context<Discovery | LeaderElection>, ElectionError, Scope.Scope> =>
  Effect.suspend(() => {
    checkOptions(options)
    return Effect.zipLeft(takePart(options), warmUp(options))
  })

const checkOptions = (options: LocalDiscoveryOptions): void =>
  check("LocalDiscovery", options, { port: true, ...optionNames })

/**
 * As {@link make}.
 *
 * @example
 * ```ts
 * import { LocalDiscovery } from "effect-ipc/node"
 * import { Discovery, LeaderElection } from "effect-ipc"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const discovery = yield* Discovery
 *   const election = yield* LeaderElection
 *   yield* discovery.register([{ api: "users", baseUrl: "http://127.0.0.1:4001", pathPrefix: "/users" }])
 *   yield* Effect.log(`registered as ${yield* election.role}`)
 *   return yield* Effect.never
 * })
 *
 * export const main = program.pipe(Effect.scoped, Effect.provide(LocalDiscovery.layer({ port: 9000 })))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: LocalDiscoveryOptions): Layer.Layer<Discovery | LeaderElection, ElectionError> =>
  Layer.scopedContext(make(options))

/**
 * The options as `IPC_HOST`, `IPC_PORT`, `IPC_TOKEN`, `IPC_TOKEN_SCHEME`, `IPC_RUNTIME_ID` and
 * `IPC_METRICS` give them.
 *
 * @since 0.1.0
 * @category config
 */
export const config: Config.Config<LocalDiscoveryOptions> = PortElection.config

/**
 * As {@link layer}, with the options of {@link config} where they aren't given.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  options?: ConfigOptions.ConfigOptions<LocalDiscoveryOptions>
): Layer.Layer<Discovery | LeaderElection, ElectionError | ConfigError> =>
  Layer.scopedContext(Effect.flatMap(ConfigOptions.read(PortElection.environment, options), make))

/**
 * A standalone gateway: asks an embedded leader to step down, leads until its scope closes, and is followed by every
 * participant that has seen it: those never bid for its port again.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeStandalone: (
  options?: LocalDiscoveryOptions
) => Effect.Effect<
  Context.Context<Discovery | LeaderElection | IPCServer | IPCPeer | HttpGateway>,
  ListenError,
  Scope.Scope
> = Effect.fnUntraced(function* (options: LocalDiscoveryOptions = {}) {
  checkOptions(options)
  const { runtimeId = randomUUID() } = options
  const member = yield* DiscoveryMember.make({ ...options, runtimeId, isOwnUrl: isOwnUrl(options) }, (setup) =>
    Effect.map(PortElection.makeStandalone({ ...options, runtimeId }, setup), ({ election, gateway, server }) => ({
      ...election,
      gateway,
      server
    }))
  )
  yield* warmUp(options)
  return Context.make(Discovery, yield* withServices(member, options)).pipe(
    Context.add(LeaderElection, member.election),
    Context.merge(NodeIPCServer.toContext(member.election))
  )
})

/**
 * Provides a standalone gateway. As {@link makeStandalone}.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerStandalone = (
  options?: LocalDiscoveryOptions
): Layer.Layer<Discovery | LeaderElection | IPCServer | IPCPeer | HttpGateway, ListenError> =>
  Layer.scopedContext(makeStandalone(options))

/**
 * As {@link layerStandalone}, with the options of {@link config} where they aren't given.
 *
 * @since 0.2.0
 * @category layers
 */
export const layerStandaloneConfig = (
  options?: ConfigOptions.ConfigOptions<LocalDiscoveryOptions>
): Layer.Layer<Discovery | LeaderElection | IPCServer | IPCPeer | HttpGateway, ListenError | ConfigError> =>
  Layer.scopedContext(Effect.flatMap(ConfigOptions.read(standaloneEnvironment, options), makeStandalone))

/** A gateway may show the port that it got. */
const standaloneEnvironment = { ...PortElection.environment, port: ConfigOptions.port }
