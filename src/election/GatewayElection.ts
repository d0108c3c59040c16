/**
 * The election as a gateway's seat makes it: whoever gets to serve leads and says what kind of leader it is, the others
 * are its clients, and a standalone gateway asks whoever leads to make way.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { CloseCode } from "../CloseEvent.js"
import type { IPCClient } from "../IPCClient.js"
import type { ListenFailed, RequestError, TokenRequired } from "../IPCError.js"
import { ConnectFailed, type PortInUse } from "../IPCError.js"
import type { IPCServer } from "../IPCServer.js"
import * as Election from "./Election.js"
import * as Protocol from "./GatewayProtocol.js"

/**
 * Where one serves and all others connect.
 *
 * @since 0.1.0
 * @category models
 */
export interface GatewayEndpoint<Served extends { readonly server: IPCServer.Service }> {
  /** What a participant calls the place in its errors. */
  readonly name: string
  /** Serves until the scope closes. `prepare` is run once the seat is won, and before anybody is let in. */
  readonly serve: <A>(
    prepare: (server: IPCServer.Service) => Effect.Effect<A, never, Scope.Scope>
  ) => Effect.Effect<Served & { readonly prepared: A }, PortInUse | ListenFailed | TokenRequired, Scope.Scope>
  /** One connection to whoever serves, not restored when it ends. */
  readonly connect: Effect.Effect<IPCClient.Service, ConnectFailed, Scope.Scope>
}

/**
 * What has to stand in each role: called with the server before it lets anybody in, and with the client once it is
 * connected.
 *
 * @since 0.1.0
 * @category models
 */
export interface RoleSetup<Leader, Follower> {
  readonly onLead: (server: IPCServer.Service) => Effect.Effect<Leader, never, Scope.Scope>
  readonly onFollow: (
    client: IPCClient.Service,
    leader: Protocol.ServerInfo
  ) => Effect.Effect<Follower, RequestError, Scope.Scope>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface GatewayElectionOptions {
  readonly runtimeId: string
  /** When to try again while the seat is neither free nor answered for. Default {@link Election.defaultRetry}. */
  readonly retry?: Schedule.Schedule<unknown> | undefined
}

/**
 * Takes part until the scope closes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <Served extends { readonly server: IPCServer.Service }, Leader, Follower>(
  seat: GatewayEndpoint<Served>,
  setup: RoleSetup<Leader, Follower>,
  options: GatewayElectionOptions
): Effect.Effect<Election.Election<Leader, Follower>, Election.ElectionError, Scope.Scope> => {
  const { retry, runtimeId } = options

  const bid = Effect.gen(function* () {
    const asked = yield* Deferred.make<void>()
    const { prepared, server } = yield* serve(seat, setup, { kind: "embedded", runtimeId }, () =>
      Deferred.succeed(asked, undefined)
    )
    const tellFollowers = Effect.ignore(Effect.timeout(server.broadcast(Protocol.Yielding), broadcastPatience))
    return { leader: prepared, yielded: Effect.zipRight(Deferred.await(asked), tellFollowers) }
  })

  const follow = Effect.gen(function* () {
    const client = yield* seat.connect
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
    const { follower, info } = yield* Effect.mapError(ready, notFollowable(seat.name))
    const lost = Effect.map(client.closed, ({ code }): Election.Loss => {
      if (code === CloseCode.Replaced) return "replaced"
      return yielded ? "yielded" : "gone"
    })
    return { follower, standalone: info.kind === "bin", rank: info.others ?? 0, lost }
  })

  return Election.make({ bid, follow, retry })
}

/**
 * Takes the seat for as long as the scope lives: asks an embedded leader to yield, and never follows. Fails with
 * `PortInUse` where another standalone gateway, or something else, has the seat and keeps it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeStandalone = <Served extends { readonly server: IPCServer.Service }, Leader, Follower>(
  seat: GatewayEndpoint<Served>,
  setup: RoleSetup<Leader, Follower>,
  { runtimeId }: GatewayElectionOptions
): Effect.Effect<Served & { readonly prepared: Leader }, PortInUse | ListenFailed | TokenRequired, Scope.Scope> => {
  const take = serve(seat, setup, { kind: "bin", runtimeId }, () => Effect.void)

  const askToYield = Effect.gen(function* () {
    const client = yield* seat.connect
    const { kind } = yield* client.request(Protocol.GetServerInfo)
    if (kind === "bin") return yield* new StepDownRefused()
    // It follows for a moment, to know what it takes over. The leader stays a participant, so nothing goes with it.
    yield* setup.onFollow(client, { kind })
    yield* client.handle(Protocol.Yielding, () => Effect.void)
    yield* client.request(Protocol.RequestYield)
    yield* client.closed
  }).pipe(
    Effect.scoped,
    // It may be going already; whether the seat is free shows at the next attempt to take it.
    Effect.catchIf(isGoing, () => Effect.void),
    Effect.timeoutFail({ duration: yieldPatience, onTimeout: () => new StepDownRefused() }),
    Effect.mapError(() => new StepDownRefused())
  )

  return Effect.catchTag(take, "PortInUse", (inUse) =>
    Effect.zipRight(askToYield, take).pipe(
      Effect.retry({
        schedule: Schedule.upTo(Election.defaultRetry, yieldPatience),
        while: (error) => error._tag === "PortInUse"
      }),
      Effect.catchTag("StepDownRefused", () => Effect.fail(inUse))
    )
  )
}

/** How long an embedded leader may take to make way, and others who bid at the same time to be asked too. */
const yieldPatience = Duration.seconds(5)

/** How long a follower that doesn't read may delay the leader that makes way. */
const broadcastPatience = Duration.millis(500)

/** Whoever has the seat doesn't give it up. */
class StepDownRefused extends Data.TaggedError("StepDownRefused") {}

const isGoing = (error: ConnectFailed | RequestError | StepDownRefused): boolean =>
  error._tag === "ConnectionClosed" || (error._tag === "ConnectFailed" && Election.isTransient(error))

const serve = <Served extends { readonly server: IPCServer.Service }, Leader, Follower>(
  seat: GatewayEndpoint<Served>,
  setup: RoleSetup<Leader, Follower>,
  info: Protocol.ServerInfo,
  onYieldRequested: () => Effect.Effect<unknown>
) =>
  seat.serve(
    Effect.fnUntraced(function* (server) {
      yield* server.handle(Protocol.GetServerInfo, () =>
        Effect.map(server.clients, (clients) => ({ ...info, others: Math.max(clients.length - 1, 0) }))
      )
      yield* server.handle(Protocol.RequestYield, () => Effect.asVoid(onYieldRequested()))
      return yield* setup.onLead(server)
    })
  )

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
