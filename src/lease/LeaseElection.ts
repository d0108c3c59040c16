/**
 * The election by lease: the leader's record in the bucket names it, and each write of it is a compare-and-set.
 *
 * | participant | does |
 * | --- | --- |
 * | a leader | renews its record every third of the lease; leads for three quarters of the lease after it began the last renewal that succeeded, and no longer |
 * | a follower | takes over, by a write of the revision that it knows, once it has seen that revision stand still for a whole lease by its own monotonic clock: the record's lease or its own, whichever is longer |
 *
 * A renewal is seen after it was begun, so a follower's lease ends after the leader's, however long messages take. A
 * process that is stopped may go on for a moment when it is resumed: for that, each term has a fencing token, the revision
 * of the write that won it. A record that is missing is first written without a name.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Terms from "../election/Terms.js"
import { boundedRelease } from "../internal/BoundedRelease.js"
import { millisOf } from "../internal/MonotonicTime.js"
import type { Bucket } from "./Bucket.js"
import type { BucketView, Seen } from "./BucketView.js"
import { releasePatience, sleepUntil } from "./BucketView.js"

/** The key of the leader's record. */
const leaderKey = "leader"

/** Whom the record names, and its lease in milliseconds, which participants of earlier versions don't tell. */
const Record = Schema.parseJson(
  Schema.Struct({ runtimeId: Schema.String, run: Schema.String, lease: Schema.optional(Schema.Positive) })
)

/** What stands in place of a leader's record where that was missing. */
const Vacancy = Schema.parseJson(Schema.Struct({ lease: Schema.optional(Schema.Positive) }))

export interface LeaseElectionOptions {
  readonly runtimeId: string
  /** Tells this process from every other, also of the same runtimeId. */
  readonly run: string
  /** In milliseconds. */
  readonly lease: number
}

/** After an attempt that failed, before the next. */
const bidPause = Schedule.exponential("20 millis", 2).pipe(
  Schedule.union(Schedule.spaced("1 second")),
  Schedule.jittered
)

/**
 * Takes part until the scope closes. The name of the leader is what a follower's term has.
 */
export const make: (
  bucket: Bucket,
  view: BucketView,
  options: LeaseElectionOptions
) => Effect.Effect<Terms.Election<number, string>, never, Scope.Scope> = Effect.fnUntraced(
  function* (bucket, view, options) {
    const { lease, run } = options
    const clock = yield* Effect.clock
    const terms = yield* Terms.make<number, string>()
    const own = encodeRecord({ runtimeId: options.runtimeId, run, lease })
    /** The revision that this participant has to expect, while it leads. */
    let revision = 0

    const now = () => millisOf(clock)
    const holderOf = (seen: Seen | undefined) =>
      seen?.value === undefined ? undefined : Option.getOrUndefined(Either.getRight(decodeRecord(seen.value)))
    const isOwn = (seen: Seen | undefined): boolean => holderOf(seen)?.run === run

    /** The record isn't there. That tells nothing: the bucket may have dropped it for its age while its leader leads. */
    const isMissing = (seen: Seen | undefined): boolean => seen === undefined || seen.isDropped

    /** The longest lease of any record that this participant has seen: that of one which the bucket dropped may be as long. */
    let longest = lease
    const leaseOf = (value: string): number => {
      const told = Option.getOrUndefined(Either.getRight(decodeVacancy(value)))?.lease ?? lease
      longest = Math.max(longest, told)
      return Math.max(lease, told)
    }

    /** Until when another participant may lead, as far as this one can know; none where it may bid. */
    const heldUntil = (): number | undefined => {
      const seen = view.get(leaderKey)
      if (seen?.value === undefined || isOwn(seen)) return undefined
      const end = seen.since + leaseOf(seen.value)
      return now() >= end ? undefined : end
    }

    /**
     * Writes a record without a name, which then has to stand still for a lease as any other. No participant is elected by
     * a write of a record that was missing: this process may have been stopped, and have missed the one that the bucket dropped.
     */
    const announceVacancy = Effect.suspend(() => bucket.write(leaderKey, encodeVacancy({ lease: longest }), 0)).pipe(
      Effect.tapErrorTag("RevisionMismatch", () => view.awaitWrite(leaderKey, (seen) => !isMissing(seen), lease / 6)),
      Effect.flatMap((written) => view.awaitWrite(leaderKey, (seen) => (seen?.revision ?? 0) >= written, lease / 3))
    )

    let hasWarned = false
    const warnOfOtherLease = (holder: typeof Record.Type | undefined) =>
      Effect.suspend(() => {
        if (hasWarned || holder?.lease === undefined || holder.lease === lease) return Effect.void
        hasWarned = true
        return logOtherLease(holder.runtimeId, holder.lease, lease)
      })

    /** Follows the one that the record names, until it names another or stands still for the lease. */
    const follow = Effect.suspend(() => {
      const holder = holderOf(view.get(leaderKey))
      const otherHolder = view.until(() =>
        holderOf(view.get(leaderKey))?.run === holder?.run ? undefined : Effect.void
      )
      const silence: Effect.Effect<void> = Effect.suspend(() => {
        const end = heldUntil()
        return end === undefined ? Effect.void : Effect.zipRight(sleepUntil(end), silence)
      })
      const entered = holder === undefined ? Effect.void : terms.enter({ role: "follower", follower: holder.runtimeId })
      return entered.pipe(
        Effect.zipRight(warnOfOtherLease(holder)),
        Effect.zipRight(Effect.raceFirst(otherHolder, silence)),
        Effect.ensuring(terms.leave)
      )
    })

    /** The moment until which this participant leads. */
    const bid = Effect.suspend(() => {
      const begun = now()
      const before = view.get(leaderKey)?.revision ?? 0
      return bucket.write(leaderKey, own, before).pipe(
        Effect.map((written) => {
          revision = written
          return begun + leadingPart * lease
        }),
        Effect.tapErrorTag("RevisionMismatch", () =>
          view.awaitWrite(leaderKey, (seen) => (seen?.revision ?? 0) !== before, lease / 6)
        )
      )
    })

    /** The next moment until which this participant leads, or the same where the renewal came to nothing. */
    const renew = (leadsUntil: number) =>
      Effect.suspend(() => {
        const begun = now()
        return Effect.matchEffect(bucket.write(leaderKey, own, revision), {
          onSuccess: (written) => {
            revision = written
            return Effect.succeed(begun + leadingPart * lease)
          },
          onFailure: (error) => {
            if (error._tag === "BucketUnavailable") return Effect.succeed(leadsUntil)
            // A write without an answer may have been done all the same.
            return view.until(() => {
              const seen = view.get(leaderKey)
              if (seen === undefined || seen.revision <= revision) return undefined
              if (!isOwn(seen)) return Effect.succeed(0)
              revision = seen.revision
              return Effect.succeed(leadsUntil)
            })
          }
        })
      })

    const lead = Effect.fnUntraced(function* (first: number) {
      let leadsUntil = first
      const keepRenewing = Effect.gen(function* () {
        while (leadsUntil > 0) {
          yield* Effect.sleep(Duration.millis(lease / 3))
          const renewed = yield* renew(leadsUntil)
          leadsUntil = renewed
        }
      })
      // Apart from renewing, which may wait for an answer.
      const untilTheEnd: Effect.Effect<void> = Effect.suspend(() =>
        now() >= leadsUntil ? Effect.void : Effect.zipRight(sleepUntil(leadsUntil), untilTheEnd)
      )
      yield* terms.enter({ role: "leader", leader: revision, token: revision })
      yield* Effect.raceFirst(keepRenewing, untilTheEnd)
    })

    const attempt = Effect.gen(function* () {
      yield* view.until(() => (view.currentSince() === undefined ? undefined : Effect.void))
      if (isMissing(view.get(leaderKey))) return yield* announceVacancy
      if (heldUntil() !== undefined) return yield* follow
      const leadsUntil = yield* bid
      // This process may have been stopped before it read the answer.
      if (now() < leadsUntil) yield* Effect.ensuring(lead(leadsUntil), terms.leave)
    })

    const release = Effect.suspend(() => {
      const seen = view.get(leaderKey)
      const expected = isOwn(seen) ? Math.max(revision, seen?.revision ?? 0) : revision
      return expected === 0 ? Effect.void : Effect.ignore(bucket.remove(leaderKey, expected))
    })

    yield* Effect.addFinalizer(() => Effect.zipRight(boundedRelease(release, releasePatience), terms.end))
    yield* Effect.forever(Effect.retry(attempt, bidPause)).pipe(Effect.interruptible, Effect.forkScoped)
    return terms.election
  }
)

/** The part of the lease for which a leader leads without a renewal. The rest is for the end of what runs while it leads. */
const leadingPart = 3 / 4

const encodeRecord = Schema.encodeSync(Record)
const decodeRecord = Schema.decodeUnknownEither(Record)
const encodeVacancy = Schema.encodeSync(Vacancy)
const decodeVacancy = Schema.decodeUnknownEither(Vacancy)

const logOtherLease = (runtimeId: string, other: number, own: number) =>
  Effect.logWarning(
    `${runtimeId} has a lease of ${other} ms, this participant one of ${own} ms: the longer one counts for the takeover between them. Give all participants of a namespace the same.`
  )
