/**
 * Leader election by binding a port: the participant that binds it leads and serves it, the others connect to it.
 *
 * @since 0.1.0
 */
import { randomUUID } from "node:crypto"
import type * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Election, ElectionError } from "../src/election/Election.js"
import type { GatewayEndpoint, RoleSetup } from "../src/election/GatewayElection.js"
import * as GatewayElection from "../src/election/GatewayElection.js"
import type { HttpGateway } from "../src/HttpGateway.js"
import type { ListenError } from "../src/IPCError.js"
import type { IPCServer } from "../src/IPCServer.js"
import * as ArgumentIssue from "../src/internal/ArgumentIssue.js"
import { check, type OptionNames } from "../src/internal/OptionNames.js"
import { LeaderElection } from "../src/LeaderElection.js"
import * as HttpRoutes from "./http/HttpRoutes.js"
import * as Address from "./ipc/Address.js"
import * as ConfigOptions from "./ipc/ConfigOptions.js"
import * as ConnectionOptions from "./ipc/ConnectionOptions.js"
import * as Credentials from "./ipc/Credentials.js"
import * as Listening from "./ipc/Listening.js"
import * as Lazily from "./Lazily.js"
import * as NodeIPCClient from "./NodeIPCClient.js"
import type { NodeIPCServerOptions } from "./NodeIPCServer.js"
import * as NodeIPCServer from "./NodeIPCServer.js"

export { defaultRetry } from "../src/election/Election.js"

/**
 * The port that is bid for, how it is served when won, and how a leader is followed.
 *
 * @since 0.1.0
 * @category models
 */
export interface PortElectionOptions extends NodeIPCServerOptions {
  /** The port that every participant knows. Default 9000. */
  readonly port?: number | undefined
  /** This participant's name. Default a random one. */
  readonly runtimeId?: string | undefined
  /** How a leader is shown that this participant knows the token; see `NodeIPCClient`. Default `proof`. */
  readonly tokenScheme?: NodeIPCClient.TokenScheme | undefined
  /** When to try again while the port is neither free nor answered. Default: `PortElection.defaultRetry`. */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /** How long one attempt to reach the leader may take. Default 5 seconds. */
  readonly connectTimeout?: Duration.DurationInput | undefined
  /**
   * How often leader and followers ping each other; one that is silent for two is dropped. Default 3 seconds, so that a
   * participant that is stopped (by SIGSTOP, for example) while its connection stands is noticed within 6 to 9 seconds.
   */
  readonly heartbeat?: Duration.DurationInput | undefined
}

/**
 * The names of the election's options, beside the port.
 *
 * @internal
 */
export const optionNames: OptionNames<Omit<PortElectionOptions, "port">> = {
  runtimeId: ArgumentIssue.textIssue,
  tokenScheme: ConnectionOptions.tokenSchemeIssue,
  retry: true,
  connectTimeout: ArgumentIssue.durationIssue,
  ...NodeIPCServer.optionNames
}

/**
 * Takes part in the election until the scope closes. Fails with `ConnectFailed` where something that isn't a gateway, or
 * that doesn't answer, holds the port, and with `ListenFailed` or `TokenRequired` where the port can't be bound.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: PortElectionOptions = {}
): Effect.Effect<LeaderElection.Service, ElectionError, Scope.Scope> =>
  Effect.suspend(() => {
    check("PortElection", options, { port: true, ...optionNames })
    return makeWith(options, { onLead: () => Effect.void, onFollow: () => Effect.void })
  })

/**
 * `make` with what has to stand in each role before it counts.
 *
 * @internal
 */
export const makeWith = <Leader, Follower>(
  options: PortElectionOptions,
  setup: RoleSetup<Leader, Follower>
): Effect.Effect<Election<Leader, Follower>, ElectionError, Scope.Scope> =>
  Effect.suspend(() => {
    const { retry, runtimeId = randomUUID() } = options
    return GatewayElection.make(endpointAt(options, runtimeId), setup, { runtimeId, retry })
  })

/**
 * The port as a standalone gateway holds it: asks an embedded leader to step down, and never follows. Fails with
 * `PortInUse` where another standalone gateway, or something else, holds the port.
 *
 * @internal
 */
export const makeStandalone = <Leader, Follower>(
  options: PortElectionOptions,
  setup: RoleSetup<Leader, Follower>
): Effect.Effect<
  {
    readonly election: Election<Leader, Follower>
    readonly server: IPCServer.Service
    readonly gateway: HttpGateway.Service
  },
  ListenError,
  Scope.Scope
> =>
  Effect.suspend(() => {
    const { runtimeId = randomUUID() } = options
    return GatewayElection.makeStandalone(endpointAt(options, runtimeId), setup, { runtimeId })
  })

/**
 * Provides the election as a service. As {@link make}.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: PortElectionOptions = {}): Layer.Layer<LeaderElection, ElectionError> =>
  Layer.scoped(LeaderElection, make(options))

/**
 * The options that the environment may have.
 *
 * @internal
 */
export const environment: ConfigOptions.Environment<PortElectionOptions> = {
  host: ConfigOptions.host,
  port: ConfigOptions.knownPort,
  token: Credentials.token,
  tokenScheme: Credentials.tokenScheme,
  runtimeId: ConfigOptions.runtimeId,
  metrics: ConfigOptions.metrics
}

/**
 * The options as `IPC_HOST`, `IPC_PORT`, `IPC_TOKEN`, `IPC_TOKEN_SCHEME`, `IPC_RUNTIME_ID` and
 * `IPC_METRICS` give them.
 *
 * @since 0.2.0
 * @category config
 */
export const config: Config.Config<PortElectionOptions> = ConfigOptions.all(environment)

/**
 * As {@link layer}, with the options of {@link config} where they aren't given.
 *
 * @since 0.2.0
 * @category layers
 */
export const layerConfig = (
  options?: ConfigOptions.ConfigOptions<PortElectionOptions>
): Layer.Layer<LeaderElection, ElectionError | ConfigError> =>
  Layer.scoped(LeaderElection, Effect.flatMap(ConfigOptions.read(environment, options), make))

/**
 * How often participants ping each other.
 *
 * @internal
 */
export const defaultHeartbeat = Duration.seconds(3)

const endpointAt = (
  options: PortElectionOptions,
  runtimeId: string
): GatewayEndpoint<{ readonly server: IPCServer.Service; readonly gateway: HttpGateway.Service }> => {
  const host = options.host ?? Address.defaultHost
  const heartbeat = options.heartbeat ?? defaultHeartbeat
  // Any free port, once it is bound, is the one to keep to.
  let port = options.port ?? Address.defaultPort

  const connectTo = (address: string) =>
    Effect.suspend(() =>
      NodeIPCClient.make({
        url: Address.urlOf({ host: address, port }),
        runtimeId,
        reconnect: false,
        heartbeat,
        token: options.token,
        tokenScheme: options.tokenScheme,
        connectTimeout: options.connectTimeout,
        requestTimeout: options.requestTimeout,
        highWaterMark: options.highWaterMark,
        maxHandlersInFlight: options.maxHandlersInFlight,
        maxFrameBytes: options.maxFrameBytes
      }).pipe(
        // A follower may lead next.
        Effect.tap(() => Lazily.soon(HttpRoutes.load))
      )
    )

  return {
    name: `port ${port}`,
    serve: (prepare) =>
      Effect.tap(
        Effect.suspend(() => {
          // A port that the system chooses is known to no other process.
          const bindings = port === 0 ? Listening.only(host) : Listening.exclusive(host)
          return NodeIPCServer.makePrepared({ ...options, heartbeat, port }, prepare, bindings)
        }),
        ({ server }) => {
          port = server.port
        }
      ),
    // A leader serves at both loopback addresses, except an older one, or where something else holds one of them.
    connect:
      Address.listenHost(host) === "::1"
        ? Effect.catchAll(connectTo(Address.defaultHost), (error) =>
            // Where no other server listens, what holds the one address is the reason.
            Effect.mapError(connectTo(host), (other) => (other.reason === "Refused" ? error : other))
          )
        : connectTo(host)
  }
}
