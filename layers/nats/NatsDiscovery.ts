/**
 * Discovery and leader election among the processes of several machines, on NATS: each provides this Layer in place of
 * `LocalDiscovery`'s.
 *
 * There is no gateway in between: `discover` answers an instance's own URL, by the api's strategy. Entries stay as long as
 * their owner renews them; where its process ends without leaving, they are dropped within the lease and a sixth of it. While NATS can't be
 * reached, participants keep what they know, and register again by themselves once it can be.
 *
 * @since 0.2.0
 */
import { randomUUID } from "node:crypto"
import type { NatsConnection as Connection } from "@nats-io/transport-node"
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Record from "effect/Record"
import type * as Scope from "effect/Scope"
import { Discovery } from "../../src/Discovery.js"
import type { RegistryLimits } from "../../src/discovery/RegistryLimits.js"
import * as RegistryBounds from "../../src/discovery/RegistryLimits.js"
import { NatsFailed } from "../../src/IPCError.js"
import * as ArgumentIssue from "../../src/internal/ArgumentIssue.js"
import { check, issueOf, type OptionNames } from "../../src/internal/OptionNames.js"
import * as Variable from "../../src/internal/Variable.js"
import { LeaderElection } from "../../src/LeaderElection.js"
import * as LeaseMember from "../../src/lease/LeaseMember.js"
import type { RoutingStrategy } from "../../src/RoutingStrategy.js"
import * as MemberServices from "../../src/service/MemberServices.js"
import * as ConfigOptions from "../ipc/ConfigOptions.js"
import { limitsIssue } from "../ipc/ConnectionOptions.js"
import * as SupportedRuntime from "../ipc/SupportedRuntime.js"
import * as ProcessMemory from "../ProcessMemory.js"
import * as Advertised from "./Advertised.js"
import * as MaxPayload from "./MaxPayload.js"
import * as Namespace from "./Namespace.js"
import * as NatsBucket from "./NatsBucket.js"
import * as NatsConnection from "./NatsConnection.js"
import * as NatsEndpoints from "./NatsEndpoints.js"
import * as NatsOptionIssue from "./NatsOptionIssue.js"
import type { NatsConnectionOptions } from "./NatsOptions.js"
import * as NatsServers from "./NatsServers.js"

/**
 * How a participant takes part in discovery on NATS.
 *
 * @since 0.2.0
 * @category models
 */
export interface NatsDiscoveryOptions extends NatsConnectionOptions {
  /** Participants of one namespace find each other: letters, digits, `-` and `_`. Default `default`. */
  readonly namespace?: string | undefined
  /**
   * This participant's name, which no other participant of the namespace may have: at most 256 characters, and no control
   * characters. Default a random one.
   */
  readonly runtimeId?: string | undefined
  /**
   * How long a participant may be silent before others take its entries, and its leadership, for abandoned. All
   * participants of a namespace have to be given the same. From a second to an hour; default 5 seconds.
   */
  readonly lease?: Duration.DurationInput | undefined
  /** How many nodes of the cluster keep the bucket, from 1 to 5, where this participant is the first and makes it. Default 1. */
  readonly replicas?: number | undefined
  /**
   * The host by which other machines reach this one: a name or an IP address alone, and none of the loopback interface. An
   * entry whose base URL has a loopback host is registered with this host instead; without it, such an entry is refused.
   */
  readonly advertise?: string | undefined
  /** How often the ends of a connection between services ping each other; one that is silent for two is dropped. Default 3 seconds. */
  readonly heartbeat?: Duration.DurationInput | undefined
  /** How one of an api's instances is chosen. Default round robin. */
  readonly strategy?: RoutingStrategy | undefined
  /** Strategies by api. */
  readonly strategies?: Readonly<Record<string, RoutingStrategy>> | undefined
  /** Bounds of what this participant registers, and of what it keeps of others. */
  readonly limits?: RegistryLimits | undefined
}

/**
 * How long the bucket keeps a record that isn't written again. It is for what processes leave that have ended: participants judge by
 * their own clocks.
 */
const maxAge = Duration.hours(1)

const defaultHeartbeat = Duration.seconds(3)

/**
 * Takes part until the scope closes. Done once this process leads or follows. Fails with `NatsFailed` where no server is
 * reached, it refuses the credentials, or it lacks what the bucket needs.
 *
 * @since 0.2.0
 * @category constructors
 */
export const make: (
  options?: NatsDiscoveryOptions
) => Effect.Effect<Context.Context<Discovery | LeaderElection>, NatsFailed, Scope.Scope> = Effect.fnUntraced(function* (
  options: NatsDiscoveryOptions = {}
) {
  yield* SupportedRuntime.check
  check("NatsDiscovery", options, optionNames)
  const servers = NatsServers.named(options)
  const issue = issueOf("its options", options, optionChecks)
  if (issue !== undefined) return yield* new NatsFailed({ reason: "InvalidOptions", servers, detail: issue })
  const { namespace = "default", replicas = 1, runtimeId = randomUUID() } = options
  const lease = Duration.decode(options.lease ?? "5 seconds")
  const name = yield* Namespace.bucketOf(namespace, servers)

  const connection = yield* NatsConnection.make(options, runtimeId, Duration.toMillis(lease) / 3)
  const bucket = yield* NatsBucket.make(connection, {
    servers,
    name,
    replicas,
    maxAge: Duration.toMillis(maxAge),
    answerTimeout: Math.min(Duration.toMillis(lease) / 3, 2000)
  })
  const member = yield* LeaseMember.make(bucket, {
    runtimeId,
    lease: Duration.toMillis(lease),
    maxAge: Duration.toMillis(maxAge),
    strategy: options.strategy,
    strategies: options.strategies,
    limits: limitsOf(connection, options.limits),
    advertised: Advertised.make(options.advertise)
  }).pipe(Effect.mapError((error) => NatsBucket.failureOf(servers, error)))
  const connectionOptions = { heartbeat: options.heartbeat ?? defaultHeartbeat }
  const discovery = yield* ProcessMemory.provide(
    Effect.flatMap(NatsEndpoints.make(connection, { namespace, runtimeId }, connectionOptions), (endpoints) =>
      MemberServices.provide(member, { endpoints, connection: connectionOptions })
    )
  )
  return Context.make(Discovery, discovery).pipe(Context.add(LeaderElection, member.election))
})

/** An entry has to fit into one message. */
const limitsOf = (connection: Connection, limits: RegistryLimits = {}): RegistryLimits => {
  const { maxEntryBytes } = RegistryBounds.make(limits)
  return { ...limits, maxEntryBytes: Math.min(maxEntryBytes, MaxPayload.roomIn(connection)) }
}

/**
 * As {@link make}.
 *
 * @example
 * ```ts
 * import { Discovery } from "effect-ipc"
 * import { NatsDiscovery } from "effect-ipc/nats"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const discovery = yield* Discovery
 *   yield* discovery.register([{ api: "users", baseUrl: "http://10.0.0.7:4001", pathPrefix: "/users" }])
 *   return yield* Effect.never
 * })
 *
 * export const main = program.pipe(
 *   Effect.scoped,
 *   Effect.provide(NatsDiscovery.layer({ servers: "nats://10.0.0.2:4222", namespace: "shop" }))
 * )
 * ```
 *
 * @since 0.2.0
 * @category layers
 */
export const layer = (options?: NatsDiscoveryOptions): Layer.Layer<Discovery | LeaderElection, NatsFailed> =>
  Layer.scopedContext(make(options))

const optionChecks: OptionNames<NatsDiscoveryOptions> = {
  servers: (_, servers) => NatsServers.issueOf({ servers: servers as NatsDiscoveryOptions["servers"] }),
  credentials: NatsOptionIssue.credentialsIssue,
  connectTimeout: ArgumentIssue.durationIssue,
  namespace: ArgumentIssue.textIssue,
  runtimeId: NatsOptionIssue.runtimeIdIssue,
  lease: NatsOptionIssue.leaseIssue,
  replicas: NatsOptionIssue.replicasIssue,
  advertise: Advertised.issueOf,
  heartbeat: ArgumentIssue.durationIssue,
  strategy: true,
  strategies: true,
  limits: limitsIssue
}

/** The names alone: one that is unknown throws, as in all options of the library. */
const optionNames: OptionNames<NatsDiscoveryOptions> = Record.map(optionChecks, () => true as const)

const environment: ConfigOptions.Environment<NatsDiscoveryOptions> = {
  servers: Variable.optional(Variable.text("NATS_URL")),
  namespace: Variable.optional(Variable.text("IPC_NAMESPACE")),
  runtimeId: ConfigOptions.runtimeId,
  advertise: Variable.optional(Variable.text("IPC_ADVERTISE")),
  credentials: Config.all({
    user: Variable.optional(Variable.text("NATS_USER")),
    password: Variable.optional(Variable.secret("NATS_PASSWORD")),
    token: Variable.optional(Variable.secret("NATS_TOKEN")),
    nkeySeed: Variable.optional(Variable.secret("NATS_NKEY_SEED")),
    credsFile: Variable.optional(Variable.text("NATS_CREDS")),
    tls: Config.all({
      caFile: Variable.optional(Variable.text("NATS_CA")),
      certFile: Variable.optional(Variable.text("NATS_CERT")),
      keyFile: Variable.optional(Variable.text("NATS_KEY"))
    }).pipe(Config.map((files) => (Object.values(files).some((file) => file !== undefined) ? files : undefined)))
  })
}

/**
 * The options as `NATS_URL` (several servers with commas between them), `NATS_USER`, `NATS_PASSWORD`, `NATS_TOKEN`,
 * `NATS_NKEY_SEED`, `NATS_CREDS`, `NATS_CA`, `NATS_CERT`, `NATS_KEY`, `IPC_NAMESPACE`, `IPC_ADVERTISE` and
 * `IPC_RUNTIME_ID` give them.
 *
 * @since 0.2.0
 * @category config
 */
export const config: Config.Config<NatsDiscoveryOptions> = ConfigOptions.all(environment)

/**
 * As {@link layer}, with the options of {@link config} where they aren't given.
 *
 * @since 0.2.0
 * @category layers
 */
export const layerConfig = (
  options?: ConfigOptions.ConfigOptions<NatsDiscoveryOptions>
): Layer.Layer<Discovery | LeaderElection, NatsFailed | ConfigError> =>
  Layer.scopedContext(Effect.flatMap(ConfigOptions.read(environment, options), make))
