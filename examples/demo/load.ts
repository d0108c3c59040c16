import { Array as Arr, Effect, Fiber, Option } from "effect"

export interface Outcome {
  readonly sentAt: number
  readonly endedAt: number
  /** Why it failed, if it did. */
  readonly failure: string | undefined
}

/**
 * Runs the effect so many times a second, without waiting for the run before, until the fiber has ended. A run that is late
 * isn't made up for.
 */
export const underLoad = <R, A, E>(
  once: Effect.Effect<void, string, R>,
  perSecond: number,
  until: Fiber.Fiber<A, E>
): Effect.Effect<ReadonlyArray<Outcome>, never, R> =>
  Effect.gen(function* () {
    const runs: Array<Fiber.Fiber<Outcome>> = []
    let dueAt = performance.now()
    while (Option.isNone(yield* Fiber.poll(until))) {
      runs.push(yield* Effect.fork(outcomeOf(once)))
      dueAt = Math.max(dueAt + 1000 / perSecond, performance.now())
      yield* Effect.sleep(dueAt - performance.now())
    }
    return yield* Fiber.joinAll(runs)
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

/** When requests were answered again: the end of the first that succeeded after the last that failed. */
export const recoveredAt = (outcomes: ReadonlyArray<Outcome>): number => {
  const lastFailed = Math.max(0, ...failed(outcomes).map(({ sentAt }) => sentAt))
  return Math.min(...outcomes.filter(({ sentAt }) => sentAt > lastFailed).map(({ endedAt }) => endedAt))
}

/** `2 × one reason, 3 × another` */
export const reasons = (outcomes: ReadonlyArray<Outcome>): string =>
  Object.entries(Arr.groupBy(failed(outcomes), ({ failure = "" }) => failure))
    .map(([failure, { length }]) => `${length} × ${failure}`)
    .join(", ")
