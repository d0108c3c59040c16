/**
 * The terms of one participant, as its program sees them: the role, its changes, and what runs while it leads.
 *
 * @internal
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { boundedRelease } from "../internal/BoundedRelease.js"
import { CurrentValue } from "../internal/Events.js"
import { Waiters } from "../internal/Waiters.js"
import type { LeaderElection, Role } from "../LeaderElection.js"
import { onRoleChange } from "../telemetry/Metrics.js"
import * as Tracing from "../telemetry/Tracing.js"

/**
 * One stretch of time in one role.
 */
export type Term<Leader, Follower> =
  | {
      readonly role: "leader"
      readonly leader: Leader
      /** The fencing token, where the election has them. */
      readonly token?: number
    }
  | { readonly role: "follower"; readonly follower: Follower }
  | { readonly role: "electing" }

/**
 * A term with a leader: this participant, or the one that it follows.
 */
export type SettledTerm<Leader, Follower> = Exclude<Term<Leader, Follower>, { readonly role: "electing" }>

export interface Election<Leader, Follower> extends LeaderElection.Service {
  /**
   * Waits for a term with a leader, other than the one given. None once this participant has left the election.
   */
  readonly settledTerm: (
    other?: SettledTerm<Leader, Follower>
  ) => Effect.Effect<Option.Option<SettledTerm<Leader, Follower>>>
}

/** The terms as the election makes them. */
export interface Terms<Leader, Follower> {
  readonly enter: (term: SettledTerm<Leader, Follower>) => Effect.Effect<void>
  /** Ends the term. Interrupts what runs while this process leads, and waits for its end, for a second at most. */
  readonly leave: Effect.Effect<void>
  /** After the last term: streams end, and nothing waits any longer. */
  readonly end: Effect.Effect<void>
  readonly election: Election<Leader, Follower>
}

/** How long a leader that leaves waits for the end of what runs while it leads. */
const endGrace = Duration.seconds(1)

export const make = <Leader, Follower>(): Effect.Effect<Terms<Leader, Follower>> =>
  Effect.map(Tracing.current, (tracing) => {
    const state = new CurrentValue<State<Leader, Follower>>({ role: "electing" })
    onRoleChange(undefined, "electing")
    const waiters = new Waiters()
    /** What runs while this process leads. */
    const running = new Set<Deferred.Deferred<void>>()

    /** The span of the present term, which is part of nothing else. */
    let term: Tracing.TracedCall | undefined

    const observe = (before: Role | undefined, after: Role | undefined) => {
      if (before === after) return
      onRoleChange(before, after)
      term?.end(Exit.void)
      const isSettled = after === "leader" || after === "follower"
      term = isSettled ? Tracing.begin(tracing, undefined, "effect_ipc.election.term", "internal") : undefined
      term?.attribute("effect_ipc.role", after)
    }

    const set = (next: State<Leader, Follower>) =>
      Effect.sync(() => {
        observe(roleOf(state.get()), roleOf(next))
        state.set(next)
        waiters.announce()
      })

    const until = (isWanted: (role: Role | "over") => boolean): Effect.Effect<void> =>
      waiters.until(() => (isWanted(state.get().role) ? Effect.void : undefined))

    const begin = Effect.sync(() => {
      if (state.get().role !== "leader") return undefined
      const ended = Deferred.unsafeMake<void>(FiberId.none)
      running.add(ended)
      return ended
    })

    const finish = (ended: Deferred.Deferred<void> | undefined) =>
      Effect.sync(() => {
        if (ended === undefined) return
        running.delete(ended)
        Deferred.unsafeDone(ended, Effect.void)
      })

    const allFinished = Effect.suspend(() => {
      if (running.size === 0) return Effect.void
      return boundedRelease(Effect.forEach(running, Deferred.await, { discard: true }), endGrace)
    })

    /** Runs the effect in the next term in which this process leads; none where that ends before the effect does. */
    const inOneTerm = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Option.Option<A>, E, R> =>
      Effect.zipRight(
        until((role) => role === "leader"),
        Effect.raceFirst(
          Effect.asSome(
            Effect.acquireUseRelease(begin, (ended) => (ended === undefined ? Effect.never : effect), finish)
          ),
          Effect.as(
            until((role) => role !== "leader"),
            Option.none<A>()
          )
        )
      )

    const whileLeader = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.flatMap(inOneTerm(effect), Option.match({ onNone: () => whileLeader(effect), onSome: Effect.succeed }))

    const terms: Terms<Leader, Follower> = {
      enter: set,
      leave: Effect.zipRight(set({ role: "electing" }), allFinished),
      end: set({ role: "over" }),
      election: {
        settledTerm: (other) =>
          waiters.until(() => {
            const current = state.get()
            if (current.role === "over") return Effect.succeedNone
            return current.role === "electing" || current === other ? undefined : Effect.succeedSome(current)
          }),
        role: Effect.sync(() => {
          const { role } = state.get()
          return role === "over" ? "electing" : role
        }),
        roles: state.changes.pipe(
          Stream.map(({ role }) => role),
          Stream.takeWhile(isRole),
          Stream.changes
        ),
        whileLeader,
        term: Effect.sync(() => {
          const current = state.get()
          return Option.fromNullable(current.role === "leader" ? current.token : undefined)
        })
      }
    }
    return terms
  })

/** `over` once the participant has left the election. */
type State<Leader, Follower> = Term<Leader, Follower> | { readonly role: "over" }

const roleOf = ({ role }: { readonly role: Role | "over" }): Role | undefined => (role === "over" ? undefined : role)

const isRole = (role: Role | "over"): role is Role => role !== "over"
