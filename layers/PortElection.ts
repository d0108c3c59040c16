/**
 * Leader election by binding a port: whoever binds it leads and serves it, the others connect to it.
 *
 * @since 0.1.0
 */
import { randomUUID } from "node:crypto"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { RoleSetup } from "../src/DiscoveryParticipant.js"
import * as Protocol from "../src/DiscoveryProtocol.js"
import * as Election from "../src/Election.js"
import type { ListenFailed, RequestError, TokenRequired } from "../src/IPCError.js"
import { ConnectFailed, PortInUse } from "../src/IPCError.js"
import type { IPCServer } from "../src/IPCServer.js"
import { LeaderElection } from "../src/LeaderElection.js"
import { defaultHost, defaultPort } from "./defaults.js"
import * as NodeIPCClient from "./NodeIPCClient.js"
import type { NodeIPCServerOptions } from "./NodeIPCServer.js"
import * as NodeIPCServer from "./NodeIPCServer.js"

/**
 * The port that is bid for, how it is served when won, and how a leader is followed.
 *
 * @since 0.1.0
 * @category models
 */
export interface PortElectionOptions extends NodeIPCServerOptions {
  /** The port everybody knows. Default 9000. */
  readonly port?: number | undefined
  /** This participant's name. Default a random one. */
  readonly runtimeId?: string | undefined
  /** When to try again while the port is neither free nor answered. Default `Election.defaultRetry`. */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /** How long one attempt to reach the leader may take. Default 5 seconds. */
  readonly connectTimeout?: Duration.DurationInput | undefined
}

/**
 * Takes part in the election until the scope closes; `setup` is what has to stand in each role.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <Leader, Follower>(
  options: PortElectionOptions,
  setup: RoleSetup<Leader, Follower>
): Effect.Effect<Election.Election<Leader, Follower>, Election.ElectionError, Scope.Scope> => {
  const { runtimeId = randomUUID() } = options
  let port = options.port ?? defaultPort

  const bid = Effect.gen(function* () {
    const asked = yield* Deferred.make<void>()
    const { prepared: leader, server } = yield* serve(
      { ...options, port },
      setup.onLead,
      { kind: "embedded", runtimeId },
      () => Deferred.succeed(asked, undefined)
    )
    port = server.port
    return {
      leader,
      yielded: Effect.zipRight(Deferred.await(asked), Effect.ignore(server.broadcast(Protocol.Yielding)))
    }
  })

  const follow = Effect.gen(function* () {
    const client = yield* NodeIPCClient.make({ ...clientOptions(options, port), runtimeId })
    let yielded = false
    yield* client.handle(Protocol.Yielding, () =>
      Effect.sync(() => {
        yielded = true
      })
    )
    const ready = Effect.gen(function* () {
      const info = yield* client.request(Protocol.GetServerInfo)
      return { info, follower: yield* setup.onFollow(client, info) }
    })
    const { follower, info } = yield* Effect.mapError(ready, notFollowable(`port ${port}`))
    return {
      follower,
      standalone: info.kind === "bin",
      lost: Effect.map(client.closed, () => ({ yielded }))
    }
  })

  return Election.make({ bid, follow, retry: options.retry })
}

/**
 * The port as a standalone gateway holds it: asks an embedded leader to yield, and never follows. Fails with `PortInUse`
 * where another standalone gateway, or something else, has the port and keeps it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeStandalone = <Leader, Follower>(
  options: PortElectionOptions,
  setup: RoleSetup<Leader, Follower>
): Effect.Effect<
  { readonly server: IPCServer.Service; readonly prepared: Leader },
  PortInUse | ListenFailed | TokenRequired,
  Scope.Scope
> => {
  const { port = defaultPort, runtimeId = randomUUID() } = options
  const take = serve({ ...options, port }, setup.onLead, { kind: "bin", runtimeId }, () => Effect.void)
  const askToYield = Effect.gen(function* () {
    const client = yield* NodeIPCClient.make({ ...clientOptions(options, port), runtimeId })
    const info = yield* client.request(Protocol.GetServerInfo)
    if (info.kind === "bin") return yield* new PortInUse({ host: options.host ?? defaultHost, port })
    // It follows for a moment, to know what it takes over. The leader stays a participant, so nothing goes with it.
    yield* setup.onFollow(client, { kind: info.kind })
    yield* client.handle(Protocol.Yielding, () => Effect.void)
    yield* client.request(Protocol.RequestYield)
    yield* client.closed
  }).pipe(
    Effect.scoped,
    // It may be going already; whether the port is free shows at the next attempt to bind it.
    Effect.catchIf(
      (error) => error._tag === "ConnectionClosed" || (error._tag === "ConnectFailed" && error.reason === "Refused"),
      () => Effect.void
    ),
    Effect.mapError(() => new PortInUse({ host: options.host ?? defaultHost, port }))
  )
  return Effect.catchTag(take, "PortInUse", () =>
    Effect.zipRight(askToYield, take).pipe(
      Effect.retry({
        schedule: Schedule.intersect(Election.defaultRetry, Schedule.recurs(takeOverAttempts)),
        while: (error) => error._tag === "PortInUse"
      })
    )
  )
}

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: PortElectionOptions): Layer.Layer<LeaderElection, Election.ElectionError> =>
  Layer.scoped(LeaderElection, make(options, { onLead: () => Effect.void, onFollow: () => Effect.void }))

/** How often a standalone gateway tries to get the port from those who bid for it at the same time. */
const takeOverAttempts = 20

const serve = <Leader>(
  options: NodeIPCServerOptions,
  onLead: (server: IPCServer.Service) => Effect.Effect<Leader, never, Scope.Scope>,
  info: Protocol.ServerInfo,
  onYieldRequested: () => Effect.Effect<unknown>
) =>
  NodeIPCServer.makePrepared(
    options,
    Effect.fnUntraced(function* (server) {
      yield* server.handle(Protocol.GetServerInfo, () => Effect.succeed(info))
      yield* server.handle(Protocol.RequestYield, () => Effect.asVoid(onYieldRequested()))
      return yield* onLead(server)
    })
  )

const clientOptions = (options: PortElectionOptions, port: number): NodeIPCClient.NodeIPCClientOptions => ({
  url: `http://${reachable(options.host ?? defaultHost)}:${port}`,
  reconnect: false,
  token: options.token,
  connectTimeout: options.connectTimeout,
  requestTimeout: options.requestTimeout,
  heartbeat: options.heartbeat,
  highWaterMark: options.highWaterMark,
  maxHandlersInFlight: options.maxHandlersInFlight,
  maxFrameBytes: options.maxFrameBytes
})

/** The address at which this machine reaches what listens on the host. */
const reachable = (host: string): string => {
  if (host === "0.0.0.0" || host === "::") return defaultHost
  return host.includes(":") ? `[${host}]` : host
}

/** A leader that went while it was being followed is as one that was never there; any other failure isn't a leader's. */
const notFollowable =
  (url: string) =>
  (error: RequestError): ConnectFailed => {
    switch (error._tag) {
      case "ConnectionClosed":
        return new ConnectFailed({ url, reason: "Refused", detail: error.message })
      case "RequestTimeout":
        return new ConnectFailed({ url, reason: "TimedOut", detail: error.message })
      default:
        return new ConnectFailed({ url, reason: "Rejected", detail: `it is no gateway: ${error.message}` })
    }
  }
