import { Array as Arr, Effect } from "effect"

export interface Outcome {
  readonly sentAt: number
  readonly endedAt: number
  /** Why it failed, if it did. */
  readonly failure: string | undefined
}

const seconds = 2

/** Runs the effect so many times a second, for two seconds, without waiting for the one before. */
export const underLoad = <R>(
  once: Effect.Effect<void, string, R>,
  perSecond: number
): Effect.Effect<ReadonlyArray<Outcome>, never, R> =>
  Effect.forEach(Arr.range(0, perSecond * seconds - 1), (n) => Effect.delay(outcomeOf(once), (n * 1000) / perSecond), {
    concurrency: "unbounded"
  })

const outcomeOf = <R>(once: Effect.Effect<void, string, R>): Effect.Effect<Outcome, never, R> =>
  Effect.suspend(() => {
    const sentAt = performance.now()
    return Effect.match(once, {
      onFailure: (failure) => ({ sentAt, endedAt: performance.now(), failure }),
      onSuccess: () => ({ sentAt, endedAt: performance.now(), failure: undefined })
    })
  })

export const failed = (outcomes: ReadonlyArray<Outcome>): ReadonlyArray<Outcome> =>
  outcomes.filter(({ failure }) => failure !== undefined)

/** The longest that one of them took, in milliseconds. */
export const slowest = (outcomes: ReadonlyArray<Outcome>): number =>
  Math.round(Math.max(0, ...outcomes.map(({ endedAt, sentAt }) => endedAt - sentAt)))

/** Until when requests failed: the end of the first that succeeded after the last that didn't. */
export const recoveredAt = (outcomes: ReadonlyArray<Outcome>): number => {
  const lastFailed = Math.max(0, ...failed(outcomes).map(({ sentAt }) => sentAt))
  return Math.min(...outcomes.filter(({ sentAt }) => sentAt > lastFailed).map(({ endedAt }) => endedAt))
}

/** `2 × one reason, 3 × another` */
export const reasons = (outcomes: ReadonlyArray<Outcome>): string =>
  Object.entries(Arr.groupBy(failed(outcomes), ({ failure = "" }) => failure))
    .map(([failure, { length }]) => `${length} × ${failure}`)
    .join(", ")
