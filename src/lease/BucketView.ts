/**
 * What one participant has seen of the bucket, and when by its own monotonic clock: the only time that a lease is judged by.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { millisOf } from "../internal/MonotonicTime.js"
import { Waiters } from "../internal/Waiters.js"
import type { Bucket, Entry } from "./Bucket.js"

export interface Seen extends Entry {
  /** Since when the key stands at this revision, in monotonic milliseconds. */
  since: number
  /** Whether it is in the bucket no more, though no removal of it was seen: it was dropped for its age. */
  readonly isDropped: boolean
}

export interface BucketView {
  readonly get: (key: string) => Seen | undefined
  /** Since when all that was in the bucket at the start has been seen, in monotonic milliseconds; none before. */
  readonly currentSince: () => number | undefined
  /** Ends with the result of `look`, now or after a later change. */
  readonly until: <A, E>(look: () => Effect.Effect<A, E> | undefined) => Effect.Effect<A, E>
  /** Takes no time before now for a key's silence: this participant may have missed what was written. */
  readonly restartSilence: () => void
  /** What is waited for may have changed without the bucket. */
  readonly announce: () => void
  /** Watches anew, since what should have been seen wasn't. A watch that has begun to list what there is goes on. */
  readonly rewatch: () => void
  /** Waits a while for the watch to tell of the key what this participant knows to be so already; else watches anew. */
  readonly awaitWrite: (
    key: string,
    isTold: (seen: Seen | undefined) => boolean,
    patience: number
  ) => Effect.Effect<void>
}

/** When to watch again after the watch has failed. */
const rewatchSchedule = Schedule.exponential("100 millis").pipe(
  Schedule.union(Schedule.spaced("2 seconds")),
  Schedule.jittered
)

/**
 * Watches until the scope closes. `onEntry` is called with each write after it is in the view, and `onCurrent` once all are.
 */
export const make: (
  bucket: Bucket,
  /** How long the list of all that is in the bucket may take. */
  patience: Duration.DurationInput,
  onEntry: (entry: Entry) => void
) => Effect.Effect<BucketView, never, Scope.Scope> = Effect.fnUntraced(function* (bucket, patience, onEntry) {
  const clock = yield* Effect.clock
  const seen = new Map<string, Seen>()
  const waiters = new Waiters()
  let currentSince: number | undefined
  let watches = 0
  let isListing = true

  const learn = (entry: Entry): void => {
    const known = seen.get(entry.key)
    if (known !== undefined && known.revision >= entry.revision) return
    seen.set(entry.key, { ...entry, since: millisOf(clock), isDropped: false })
    onEntry(entry)
    waiters.announce()
  }

  const watchOnce = Effect.suspend(() => {
    const begun = ++watches
    const listed = new Set<string>()
    isListing = true
    const watching = Effect.scoped(
      bucket.watch({
        onEntry: (entry) => {
          if (isListing) listed.add(entry.key)
          learn(entry)
        },
        onReplaced: () => {
          for (const [key, entry] of seen) seen.set(key, { ...entry, revision: 0 })
        },
        onCurrent: () => {
          isListing = false
          // What the bucket has dropped for its age, or was removed so long ago that nothing tells of it.
          for (const [key, { isDropped, revision }] of seen) {
            if (listed.has(key) || isDropped) continue
            // Its next write may be of a lower revision than that of a write which was never told.
            seen.set(key, { key, revision: 0, value: undefined, since: millisOf(clock), isDropped: true })
            onEntry({ key, revision, value: undefined })
          }
          currentSince ??= millisOf(clock)
          waiters.announce()
        }
      })
    )
    const replaced = waiters.until(() => (watches > begun ? Effect.void : undefined))
    const stuck = Effect.delay(
      Effect.suspend(() => (isListing ? Effect.void : Effect.never)),
      patience
    )
    return Effect.raceFirst(watching, Effect.raceFirst(replaced, stuck))
  })

  yield* Effect.forever(Effect.retry(watchOnce, rewatchSchedule)).pipe(Effect.interruptible, Effect.forkScoped)

  const rewatch = (): void => {
    // Else a participant that misses its writes all the while would never let the slow answer to a watch arrive.
    if (isListing) return
    watches++
    waiters.announce()
  }

  return {
    get: (key) => seen.get(key),
    currentSince: () => currentSince,
    until: (look) => waiters.until(look),
    restartSilence: () => {
      const now = millisOf(clock)
      for (const entry of seen.values()) entry.since = now
      waiters.announce()
    },
    announce: () => waiters.announce(),
    rewatch,
    awaitWrite: (key, isTold, patience) =>
      Effect.flatMap(
        Effect.timeoutOption(
          waiters.until(() => (isTold(seen.get(key)) ? Effect.void : undefined)),
          Duration.millis(patience)
        ),
        (told) => (told._tag === "None" ? Effect.sync(rewatch) : Effect.void)
      )
  }
})

/** Waits until the moment, in monotonic milliseconds. */
export const sleepUntil = (moment: number): Effect.Effect<void> =>
  Effect.clockWith((clock) => {
    const left = moment - millisOf(clock)
    return left <= 0 ? Effect.void : Effect.sleep(Duration.millis(Math.ceil(left)))
  })

/** How long a participant that leaves, or closes a registration, waits for the bucket. */
export const releasePatience = Duration.seconds(1)
