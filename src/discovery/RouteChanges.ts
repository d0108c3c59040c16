/**
 * The changes of routes as a participant tells its program of them.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { RouteChange } from "../DiscoveryEntry.js"

/**
 * @category models
 */
export interface RouteChanges {
  /** Does nothing once the scope has closed. */
  readonly publish: (change: RouteChange) => void
  /** From now on; ends with the scope. */
  readonly stream: Stream.Stream<RouteChange>
}

/** How many changes are kept for a consumer that doesn't read them; then the oldest are dropped. */
const maxUnread = 4096

/**
 * @category constructors
 */
export const make: Effect.Effect<RouteChanges, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(PubSub.sliding<RouteChange>(maxUnread), PubSub.shutdown),
  (pubSub) => ({
    // unsafeOffer would drop the newest change, not the oldest. After the shutdown, publishing is interrupted.
    publish: (change) => void Effect.runSyncExit(PubSub.publish(pubSub, change)),
    stream: Stream.fromPubSub(pubSub)
  })
)
