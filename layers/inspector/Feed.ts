/**
 * A gateway's feed for inspectors: it records while at least one of them watches, and nothing otherwise.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as RcRef from "effect/RcRef"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { IPCPeer } from "../../src/IPCPeer.js"
import type { NodeHttpGateway } from "../http/NodeHttpGateway.js"
import { type FeedPage, type MockSpec, type SentEvent, Watch } from "./InspectorProtocol.js"
import { pages } from "./Pages.js"
import * as Recording from "./Recording.js"

/** Answers inspectors until the scope closes. */
export const install: (peer: IPCPeer, gateway: NodeHttpGateway) => Effect.Effect<void, never, Scope.Scope> =
  Effect.fnUntraced(function* (peer, gateway) {
    const recording = yield* RcRef.make({ acquire: Recording.make(peer, gateway) })
    let watchers = 0
    const enter = Effect.acquireRelease(
      Effect.suspend(() => {
        if (watchers >= maxWatchers) return Effect.fail(`${maxWatchers} inspectors watch this gateway already`)
        watchers++
        return Effect.void
      }),
      () =>
        Effect.sync(() => {
          watchers--
        })
    )
    yield* peer.handleStream(Watch, (_, mocks) =>
      Stream.unwrapScoped(
        Effect.gen(function* () {
          yield* enter
          const current = yield* RcRef.get(recording)
          yield* installMocks(current, mocks)
          return watch(current)
        })
      )
    )
  })

/** Until the scope closes. */
const installMocks = ({ mocks }: Recording.Recording, given: Stream.Stream<ReadonlyArray<MockSpec>>) =>
  Effect.gen(function* () {
    const watcher = {}
    yield* Effect.addFinalizer(() => Effect.sync(() => mocks.remove(watcher)))
    const set = (specs: unknown) => Effect.sync(() => mocks.set(watcher, specs))
    yield* Effect.forkScoped(Stream.runForEach(given, set))
  })

const watch = ({ log, name, now }: Recording.Recording): Stream.Stream<FeedPage<SentEvent>> =>
  Stream.unwrap(
    Effect.map(now, (events) => {
      const first: FeedPage<SentEvent> = { recording: name, events, missed: 0, behind: log.end - log.start }
      return Stream.concat(
        Stream.succeed(first),
        Stream.map(
          pages(log, log.start, bytesAtOnce),
          ({ items, missed, next }): FeedPage<SentEvent> => ({
            recording: name,
            events: items.map((event) => event()),
            missed,
            behind: log.end - next
          })
        )
      )
    })
  )

const maxWatchers = 16

/** A larger page would keep the gateway's event loop for longer than a millisecond or so. */
const bytesAtOnce = 128 * 1024
