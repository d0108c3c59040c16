/**
 * Keeps an inspector's state current: connected to the leader, through every change of leader.
 *
 * @internal
 */
import { randomBytes } from "node:crypto"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as LeaderRoutes from "../../src/discovery/LeaderRoutes.js"
import * as RouteCache from "../../src/discovery/RouteCache.js"
import * as GatewayProtocol from "../../src/election/GatewayProtocol.js"
import type { IPCClient } from "../../src/IPCClient.js"
import type { ConnectFailed, RequestError, StreamError } from "../../src/IPCError.js"
import { closeReason } from "../../src/internal/ErrorMessage.js"
import { oneLine } from "../../src/internal/Printable.js"
import * as NodeIPCClient from "../NodeIPCClient.js"
import { pageOf } from "./FeedDecoder.js"
import type { GatewayTarget } from "./GatewayTarget.js"
import type { FeedPage, MockSpec } from "./InspectorProtocol.js"
import { Watch } from "./InspectorProtocol.js"
import { type InspectorState, inspectorName } from "./InspectorState.js"
import type { LeaderView } from "./Views.js"

export interface GatewayWatch {
  /** Installs these mocks, in place of those before, with this leader and every later one. */
  readonly setMocks: (mocks: ReadonlyArray<MockSpec>) => Effect.Effect<void>
}

/** Until the scope closes; whatever the gateway does, it tries again. */
export const make: (target: GatewayTarget, state: InspectorState) => Effect.Effect<GatewayWatch, never, Scope.Scope> =
  Effect.fnUntraced(function* (target, state) {
    const mocks = yield* SubscriptionRef.make<ReadonlyArray<MockSpec>>([])
    const runtimeId = `${inspectorName}${process.pid}-${randomBytes(4).toString("hex")}`
    const known = yield* RouteCache.make(maxRoutes)
    state.useRoutes(known.routes)
    yield* known.changes.pipe(
      Stream.runForEach((change) => Effect.sync(() => state.onRouteChange(change))),
      Effect.forkScoped
    )
    yield* Effect.yieldNow()

    const session = Effect.gen(function* () {
      const client = yield* connect(target, runtimeId)
      const leader = yield* leaderOf(client)
      yield* LeaderRoutes.follow(client, known, maxRoutes)
      // Shown as connected only once the gateway records, so that the page misses nothing after it says so.
      let isConnected = false
      const enter = () => {
        if (!isConnected) state.onConnected(leader)
        isConnected = true
      }
      const onPage = (page: FeedPage) =>
        Effect.sync(() => {
          enter()
          state.problem = undefined
          state.onPage(page)
        })
      const unwatchable = (problem: string) =>
        Effect.sync(() => {
          enter()
          state.problem = problem
          state.changed.announce()
        })
      const watching = Stream.runForEach(feed(client, mocks.changes), onPage).pipe(
        Effect.catchTags({
          NoHandler: () => unwatchable(otherVersion),
          StreamsUnsupported: () => unwatchable(otherVersion),
          // The end of the session reports it, below.
          ConnectionClosed: () => Effect.void
        }),
        // For example, too many inspectors may watch it now.
        Effect.tapError((error) => unwatchable(error._tag === "RequestFailed" ? oneLine(error.error) : error.message)),
        Effect.retry(Schedule.spaced("1 second"))
      )
      yield* Effect.forkScoped(watching)
      return yield* client.closed
    })
    /** A leader that was watched is followed by the next one within a moment. */
    const retry = Schedule.exponential("25 millis").pipe(
      Schedule.union(Schedule.spaced("1 second")),
      Schedule.resetAfter("2 seconds")
    )
    yield* Effect.scoped(session).pipe(
      Effect.match({
        onFailure: (error) => state.onDisconnected(error.message),
        onSuccess: (event) => state.onDisconnected(`the connection to the leader ended: ${closeReason(event)}`)
      }),
      Effect.repeat(retry),
      Effect.forkScoped
    )
    return { setMocks: (given) => SubscriptionRef.set(mocks, given) }
  })

/** What is recorded of a gateway now, and from now on. */
export const feed = (
  client: IPCClient.Service,
  mocks: Stream.Stream<ReadonlyArray<MockSpec>>
): Stream.Stream<FeedPage, StreamError> =>
  Stream.map(client.stream(Watch, undefined, mocks, { window: { bytes: windowBytes } }), pageOf)

/** One connection, which isn't restored. */
export const connect = (
  target: GatewayTarget,
  runtimeId: string
): Effect.Effect<IPCClient.Service, ConnectFailed, Scope.Scope> =>
  Effect.tap(NodeIPCClient.make({ ...target, runtimeId, reconnect: false, heartbeat: Duration.seconds(3) }), (client) =>
    // A leader that steps down notifies its followers; here the end of the connection is enough.
    client.handle(GatewayProtocol.SteppingDown, () => Effect.void)
  )

const leaderOf = (client: IPCClient.Service): Effect.Effect<LeaderView, RequestError> =>
  Effect.catchTag(client.request(GatewayProtocol.GetServerInfo), "NoHandler", () =>
    Effect.succeed<LeaderView>({ kind: "server" })
  )

const otherVersion = "its version can't be watched"

/** More than any registry has. */
const maxRoutes = 1_000_000

const windowBytes = 2 * 1024 * 1024
