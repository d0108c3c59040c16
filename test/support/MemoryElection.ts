/**
 * A place in memory that participants bid for: who asked when, and whether anything of them is left.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Election from "../../src/election/Election.js"
import type { ListenError } from "../../src/IPCError.js"
import { ConnectFailed, PortInUse } from "../../src/IPCError.js"

interface Holder {
  readonly name: string
  readonly standalone: boolean
  readonly followers: Map<string, Deferred.Deferred<Election.Loss>>
  readonly asked: Deferred.Deferred<void>
}

export interface Attempt {
  readonly at: number
  readonly name: string
  readonly what: "bid" | "follow"
}

export const refused = new ConnectFailed({ url: "place", reason: "Refused", detail: "no leader" })

export const make = () => {
  let holder: Holder | undefined
  let opened = 0
  const attempts: Array<Attempt> = []
  /** What a bid or an attempt to follow fails with, instead of asking the holder. */
  const failing: { bid?: ListenError | undefined; follow?: ConnectFailed } = {}
  let slow: Attempt["what"] | undefined
  let draining: Effect.Effect<void> = Effect.void

  const attempt = (name: string, what: Attempt["what"]) =>
    Effect.zipRight(
      Effect.map(Clock.currentTimeMillis, (at) => void attempts.push({ at, name, what })),
      Effect.acquireRelease(
        Effect.sync(() => void opened++),
        () => Effect.sync(() => void opened--)
      )
    )

  const disconnect = (of: Holder, loss: Election.Loss) =>
    Effect.forEach(of.followers.values(), (lost) => Deferred.succeed(lost, loss), { discard: true })

  const release = (of: Holder) =>
    Effect.suspend(() => {
      if (holder === of) holder = undefined
      return disconnect(of, "gone")
    })

  const take = (name: string, standalone: boolean): Effect.Effect<Holder, PortInUse, Scope.Scope> =>
    Effect.acquireRelease(
      Effect.gen(function* () {
        if (holder !== undefined) return yield* new PortInUse({ host: "place", port: 1 })
        holder = { name, standalone, followers: new Map(), asked: yield* Deferred.make<void>() }
        return holder
      }),
      release
    )

  const participant = (
    name: string,
    retry?: Schedule.Schedule<unknown>
  ): Effect.Effect<Election.Election<string, string>, Election.ElectionError, Scope.Scope> =>
    Election.make({
      retry,
      bid: Effect.gen(function* () {
        yield* attempt(name, "bid")
        if (slow === "bid") yield* Effect.never
        if (failing.bid !== undefined) return yield* failing.bid
        const taken = yield* take(name, false)
        yield* Effect.addFinalizer(() => draining)
        const stepDownRequested = Effect.zipRight(Deferred.await(taken.asked), disconnect(taken, "steppedDown"))
        return { leader: name, release: release(taken), stepDownRequested }
      }),
      follow: Effect.gen(function* () {
        yield* attempt(name, "follow")
        if (slow === "follow") yield* Effect.never
        if (failing.follow !== undefined) return yield* failing.follow
        if (holder === undefined) return yield* refused
        const lost = yield* Deferred.make<Election.Loss>()
        const rank = holder.followers.size
        holder.followers.set(name, lost)
        return { follower: holder.name, standalone: holder.standalone, rank, lost: Deferred.await(lost) }
      })
    })

  return {
    attempts,
    failing,
    /** From now on it never comes to an end. */
    slowDown: (what: Attempt["what"]) =>
      Effect.sync(() => {
        slow = what
      }),
    participant,
    /** Holds the place as a standalone gateway does, until the scope closes. */
    standalone: take("bin", true),
    holder: () => holder?.name,
    /** What a leader that has released the place still has to wait for, before it has left. */
    drain: (ended: Effect.Effect<void>) =>
      Effect.sync(() => {
        draining = ended
      }),
    requestStepDown: Effect.suspend(() =>
      holder === undefined ? Effect.void : Deferred.succeed(holder.asked, undefined)
    ),
    /** One follower's connection ends. */
    cut: (name: string, loss: Election.Loss) =>
      Effect.suspend(() => {
        const lost = holder?.followers.get(name)
        return lost === undefined ? Effect.void : Deferred.succeed(lost, loss)
      }),
    /** Bids and connections that haven't been released. */
    open: () => opened
  }
}
