/**
 * The election for a gateway's endpoint: the leader serves there and tells its kind, the others are its
 * clients, and a standalone gateway asks an embedded leader to step down.
 *
 * @internal
 */
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { CloseCode } from "../CloseEvent.js"
import type { IPCClient } from "../IPCClient.js"
import type { ListenError, RequestError } from "../IPCError.js"
import { ConnectFailed } from "../IPCError.js"
import type { IPCPeer } from "../IPCPeer.js"
import type { IPCServer } from "../IPCServer.js"
import * as Election from "./Election.js"
import * as Protocol from "./GatewayProtocol.js"

/**
 * What a leader uses of its server: its clients, and where the gateway forwards to.
 */
export interface GatewayServer extends IPCPeer, Pick<IPCServer.Service, "url" | "port" | "setRouteProxyResolver"> {}

/**
 * Where the leader serves and all others connect.
 */
export interface GatewayEndpoint<Served extends { readonly server: GatewayServer }> {
  /** What errors call the endpoint. */
  readonly name: string
  /** Serves until the scope closes. `prepare` runs after the endpoint is bound and before a client is accepted. */
  readonly serve: <A>(
    prepare: (server: GatewayServer) => Effect.Effect<A, never, Scope.Scope>
  ) => Effect.Effect<Served & Serving<A>, ListenError, Scope.Scope>
  /** One connection to the leader, which isn't restored when it ends. */
  readonly connect: Effect.Effect<IPCClient.Service, ConnectFailed, Scope.Scope>
}

export interface Serving<A> {
  readonly prepared: A
  /** Lets another process bind the endpoint and closes every client's connection, at once. HTTP exchanges go on. */
  readonly release: Effect.Effect<void>
}

/**
 * What has to be ready in each role: called with the server before it accepts a client, and with the client once it is
 * connected.
 */
export interface RoleSetup<Leader, Follower> {
  readonly onLead: (
    server: GatewayServer,
    /** Whether the endpoint was released: clients that disconnect from then on go to the next leader. */
    isReleased: () => boolean
  ) => Effect.Effect<Leader, never, Scope.Scope>
  readonly onFollow: (
    client: IPCClient.Service,
    leader: Protocol.ServerInfo
  ) => Effect.Effect<Follower, RequestError, Scope.Scope>
}

export interface GatewayElectionOptions {
  readonly runtimeId: string
  /** When to try again while this participant can neither lead nor follow. Default {@link Election.defaultRetry}. */
  readonly retry?: Schedule.Schedule<unknown> | undefined
}

/**
 * Takes part until the scope closes.
 */
export const make = <Served extends { readonly server: GatewayServer }, Leader, Follower>(
  endpoint: GatewayEndpoint<Served>,
  setup: RoleSetup<Leader, Follower>,
  options: GatewayElectionOptions
): Effect.Effect<Election.Election<Leader, Follower>, Election.ElectionError, Scope.Scope> => {
  const { retry, runtimeId } = options

  const bid = Effect.gen(function* () {
    const requested = yield* Deferred.make<void>()
    const { prepared, release, server } = yield* serve(endpoint, setup, { kind: "embedded", runtimeId }, () =>
      Deferred.succeed(requested, undefined)
    )
    const notifyFollowers = Effect.ignore(Effect.timeout(server.broadcast(Protocol.SteppingDown), broadcastPatience))
    const stepDownRequested = Effect.zipRight(Deferred.await(requested), notifyFollowers)
    return { leader: prepared, release, stepDownRequested }
  })

  const follow = Effect.gen(function* () {
    const client = yield* endpoint.connect
    let steppedDown = false
    yield* client.handle(Protocol.SteppingDown, () =>
      Effect.sync(() => {
        steppedDown = true
      })
    )
    const ready = Effect.gen(function* () {
      const info = yield* client.request(Protocol.GetServerInfo)
      return { info, follower: yield* setup.onFollow(client, info) }
    })
    const { follower, info } = yield* Effect.mapError(ready, notFollowable(endpoint.name))
    const lost = Effect.map(client.closed, ({ code }): Election.Loss => {
      if (code === CloseCode.Replaced) return "replaced"
      return steppedDown ? "steppedDown" : "gone"
    })
    return { follower, standalone: info.kind === "bin", rank: info.others ?? 0, lost }
  })

  return Election.make({ bid, follow, retry })
}

/**
 * Serves at the endpoint until the scope closes: asks an embedded leader to step down, and never follows. Fails
 * with `PortInUse` where another standalone gateway, or something else, holds the endpoint and keeps it.
 */
export const makeStandalone: <Served extends { readonly server: GatewayServer }, Leader, Follower>(
  endpoint: GatewayEndpoint<Served>,
  setup: RoleSetup<Leader, Follower>,
  options: GatewayElectionOptions
) => Effect.Effect<
  Served & Serving<Leader> & { readonly election: Election.Election<Leader, Follower> },
  ListenError,
  Scope.Scope
> = Effect.fnUntraced(function* <Served extends { readonly server: GatewayServer }, Leader, Follower>(
  endpoint: GatewayEndpoint<Served>,
  setup: RoleSetup<Leader, Follower>,
  { runtimeId }: GatewayElectionOptions
) {
  const clock = yield* Effect.clock
  const patienceEnds = clock.unsafeCurrentTimeNanos() + Duration.unsafeToNanos(stepDownPatience)
  const take = serve(endpoint, setup, { kind: "bin", runtimeId }, () => Effect.void)

  const requestStepDown = Effect.gen(function* () {
    const client = yield* endpoint.connect
    const info = yield* client.request(Protocol.GetServerInfo)
    if (info.kind === "bin") return yield* new StepDownRefused()
    // It follows for a moment, to learn the routes that it takes over. The leader remains a participant and registers again.
    yield* setup.onFollow(client, { kind: info.kind })
    yield* client.handle(Protocol.SteppingDown, () => Effect.void)
    yield* client.request(Protocol.RequestStepDown)
    yield* client.closed
  }).pipe(
    Effect.scoped,
    // It may be closing already; whether the endpoint is free shows at the next attempt to bind it.
    Effect.catchIf(isClosing, () => Effect.void),
    Effect.timeoutFail({ duration: stepDownPatience, onTimeout: () => new StepDownRefused() }),
    Effect.mapError(() => new StepDownRefused())
  )

  const served = yield* Effect.catchTag(take, "PortInUse", (inUse) =>
    Effect.zipRight(requestStepDown, take).pipe(
      // A follower that bids at the same time may win; then it is asked, too.
      Effect.retry({
        schedule: Election.defaultRetry,
        while: (error) => error._tag === "PortInUse" && clock.unsafeCurrentTimeNanos() < patienceEnds
      }),
      Effect.catchTag("StepDownRefused", () => Effect.fail(inUse))
    )
  )
  const { prepared: leader, release } = served
  return { ...served, election: yield* Election.uncontested<Leader, Follower>({ leader, release }) }
})

/** How long an embedded leader may take to step down, and followers that win the endpoint meanwhile. */
const stepDownPatience = Duration.seconds(5)

/** How long a follower that doesn't read may delay the leader that steps down. */
const broadcastPatience = Duration.millis(500)

/** The endpoint's holder keeps it. */
class StepDownRefused extends Data.TaggedError("StepDownRefused") {}

const isClosing = (error: ConnectFailed | RequestError | StepDownRefused): boolean =>
  error._tag === "ConnectionClosed" || (error._tag === "ConnectFailed" && Election.isTransient(error))

const serve = <Served extends { readonly server: GatewayServer }, Leader, Follower>(
  endpoint: GatewayEndpoint<Served>,
  setup: RoleSetup<Leader, Follower>,
  info: Protocol.ServerInfo,
  onStepDownRequested: () => Effect.Effect<unknown>
): Effect.Effect<Served & Serving<Leader>, ListenError, Scope.Scope> =>
  Effect.suspend(() => {
    let released = false
    const serving = endpoint.serve(
      Effect.fnUntraced(function* (server) {
        yield* server.handle(Protocol.GetServerInfo, () =>
          Effect.map(server.clients, (clients) => ({ ...info, others: Math.max(clients.length - 1, 0) }))
        )
        yield* server.handle(Protocol.RequestStepDown, () => Effect.asVoid(onStepDownRequested()))
        return yield* setup.onLead(server, () => released)
      })
    )
    return Effect.map(serving, (served) => ({
      ...served,
      release: Effect.suspend(() => {
        released = true
        return served.release
      })
    }))
  })

/** A leader that ended during the connection attempt counts as no leader; any other failure isn't a leader's. */
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
