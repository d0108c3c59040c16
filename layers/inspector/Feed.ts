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
import type { Page } from "./EventLog.js"
import type { EventsPage } from "./FeedLog.js"
import { type FeedPage, Watch } from "./InspectorProtocol.js"
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
const installMocks = ({ mocks }: Recording.Recording, given: Stream.Stream<unknown>) =>
  Effect.gen(function* () {
    const watcher = {}
    yield* Effect.addFinalizer(() => Effect.sync(() => mocks.remove(watcher)))
    const set = (specs: unknown) => Effect.sync(() => mocks.set(watcher, specs))
    yield* Effect.forkScoped(Stream.runForEach(given, set))
  })

/** The present state, then the recorded events, in pages of JSON as {@link FeedPage} decodes them. */
const watch = ({ log, name, now }: Recording.Recording): Stream.Stream<Uint8Array> =>
  Stream.unwrap(
    Effect.map(now, (events) => {
      const { start } = log
      let next: number | undefined
      const printed = ({ items }: Page<EventsPage>): Uint8Array => {
        const [{ first }] = items as [EventsPage]
        const missed = first - (next ?? first)
        next = items.reduce((end, { count }) => end + count, first)
        return pageOf({ recording: name, missed, behind: log.count - next }, items)
      }
      const known = { first: 0, count: events.length, json: Buffer.from(JSON.stringify(events).slice(1, -1)) }
      return Stream.concat(
        Stream.succeed(pageOf({ recording: name, missed: 0, behind: log.end - start }, [known])),
        Stream.map(pages(log, start, bytesAtOnce), printed)
      )
    })
  )

const pageOf = (head: Omit<FeedPage, "events">, pages: ReadonlyArray<EventsPage>): Uint8Array => {
  const parts: Array<Uint8Array> = [Buffer.from(`${JSON.stringify(head).slice(0, -1)},"events":[`)]
  for (const { count, json } of pages) {
    if (count === 0) continue
    if (parts.length > 1) parts.push(comma)
    parts.push(json)
  }
  return Buffer.concat([...parts, end])
}

const comma = Buffer.from(",")
const end = Buffer.from("]}")

const maxWatchers = 16

/** With twenty pages a second, 5 MiB each second. A page blocks the gateway's event loop for about a millisecond. */
const bytesAtOnce = 256 * 1024
