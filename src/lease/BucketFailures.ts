/**
 * A bucket whose failures are kept: why a participant can't begin, why its requests have no answer, and what its log says.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { millisOf } from "../internal/MonotonicTime.js"
import { Waiters } from "../internal/Waiters.js"
import { type Bucket, BucketUnavailable, type RevisionMismatch } from "./Bucket.js"

export interface BucketFailures {
  readonly bucket: Bucket
  /** Why the last write failed, or the watch; none where both succeed. */
  readonly last: () => BucketUnavailable | undefined
  /** Fails at once where the bucket can't be used until somebody changes it, else where it still fails after a time. */
  readonly sinceStart: Effect.Effect<never, BucketUnavailable>
}

/** One warning in so many milliseconds. */
const warningInterval = 60_000

/** Beside two leases, how long a participant that begins waits for a bucket that fails, in milliseconds. */
const startPatience = 10_000

const unlisted = new BucketUnavailable({ reason: "NoAnswer", detail: "the server didn't list what is in the bucket" })

export const make = (original: Bucket, lease: number): Effect.Effect<BucketFailures> =>
  Effect.map(Effect.clock, (clock) => {
    const failures = new Map<"write" | "watch", { readonly error: BucketUnavailable; readonly since: number }>()
    const waiters = new Waiters()
    let warnedAt = Number.NEGATIVE_INFINITY

    const last = () => (failures.get("watch") ?? failures.get("write"))?.error
    const failed = (what: "write" | "watch", error: BucketUnavailable) =>
      Effect.suspend(() => {
        const now = millisOf(clock)
        const since = failures.get(what)?.since ?? now
        failures.set(what, { error, since })
        waiters.announce()
        // What passes by itself, as a server's restart, is no warning.
        const isLasting = error.reason !== "NoAnswer" || now - since >= 2 * lease
        if (!isLasting || now - warnedAt < warningInterval) return Effect.void
        warnedAt = now
        return Effect.logWarning(
          `The bucket can't be ${what === "write" ? "written to" : "watched"}: ${error.detail}; trying again`
        )
      })

    const noted = (write: Effect.Effect<number, RevisionMismatch | BucketUnavailable>) =>
      Effect.tapBoth(write, {
        onSuccess: () => Effect.sync(() => failures.delete("write")),
        onFailure: (error) =>
          error._tag === "BucketUnavailable"
            ? failed("write", error)
            : Effect.sync(() => {
                failures.delete("write")
              })
      })

    const failure = (isWanted: (error: BucketUnavailable) => boolean) =>
      waiters.until(() => {
        const error = last()
        return error !== undefined && isWanted(error) ? Effect.fail(error) : undefined
      })

    return {
      bucket: {
        write: (key, value, expected) => noted(original.write(key, value, expected)),
        remove: (key, expected) => noted(original.remove(key, expected)),
        watch: (listener) =>
          Effect.suspend(() => {
            let isCurrent = false
            const onCurrent = () => {
              isCurrent = true
              failures.delete("watch")
              listener.onCurrent()
            }
            return original.watch({ ...listener, onCurrent }).pipe(
              Effect.tapError((error) => failed("watch", error)),
              // It is given up where it doesn't list all that there is in time.
              Effect.onInterrupt(() => (isCurrent ? Effect.void : failed("watch", unlisted)))
            )
          })
      },
      last,
      sinceStart: Effect.raceFirst(
        failure(({ reason }) => reason !== "NoAnswer"),
        Effect.delay(
          failure(() => true),
          Duration.millis(startPatience + 2 * lease)
        )
      )
    }
  })
