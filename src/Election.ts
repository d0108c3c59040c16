/**
 * The rules of the election, whatever is bid for: whoever gets the seat leads, the others follow, and when the leader
 * goes all bid again.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { ConnectFailed, ListenFailed, PortInUse, TokenRequired } from "./IPCError.js"
import type { LeaderElection, Role } from "./LeaderElection.js"

/**
 * What a leader has won: held until its scope closes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Seat<Leader> {
  readonly leader: Leader
  /** Ends when a standalone gateway has asked for the seat and the followers know. */
  readonly yielded: Effect.Effect<void>
}

/**
 * What ties a follower to the leader.
 *
 * @since 0.1.0
 * @category models
 */
export interface Tie<Follower> {
  readonly follower: Follower
  /** Whether the leader is a standalone gateway, which nobody bids against. */
  readonly standalone: boolean
  /** Ends when the leader is gone, and tells whether it went to make way for a standalone gateway. */
  readonly lost: Effect.Effect<{ readonly yielded: boolean }>
}

/**
 * One stretch of time in one role.
 *
 * @since 0.1.0
 * @category models
 */
export type Term<Leader, Follower> =
  | { readonly role: "leader"; readonly leader: Leader }
  | { readonly role: "follower"; readonly follower: Follower }
  | { readonly role: "electing" }

/**
 * Why a participant can't take part at all.
 *
 * @since 0.1.0
 * @category models
 */
export type ElectionError = ConnectFailed | ListenFailed | TokenRequired

/**
 * What is bid for, and how to follow whoever has it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ElectionOptions<Leader, Follower> {
  readonly bid: Effect.Effect<Seat<Leader>, PortInUse | ListenFailed | TokenRequired, Scope.Scope>
  readonly follow: Effect.Effect<Tie<Follower>, ConnectFailed, Scope.Scope>
  /** When to try again while there is neither a free seat nor a leader to follow. Default {@link defaultRetry}. */
  readonly retry?: Schedule.Schedule<unknown> | undefined
}

/**
 * Exponential from 5 ms up to a quarter of a second, with jitter, without end.
 *
 * @since 0.1.0
 * @category schedules
 */
export const defaultRetry: Schedule.Schedule<unknown> = Schedule.exponential("5 millis", 1.5).pipe(
  Schedule.union(Schedule.spaced("250 millis")),
  Schedule.jittered
)

/**
 * @since 0.1.0
 * @category models
 */
export interface Election<Leader, Follower> extends LeaderElection.Service {
  /** The term now. */
  readonly term: Effect.Effect<Term<Leader, Follower>>
  /** The term now and every later one. */
  readonly terms: Stream.Stream<Term<Leader, Follower>>
  /** Waits for a term with a leader, other than the one given. */
  readonly settledTerm: (other?: SettledTerm<Leader, Follower>) => Effect.Effect<SettledTerm<Leader, Follower>>
}

/**
 * @since 0.1.0
 * @category models
 */
export type SettledTerm<Leader, Follower> = Exclude<Term<Leader, Follower>, { readonly role: "electing" }>

/**
 * For how long after a leader yielded nobody but the standalone gateway bids.
 */
const yieldGrace = Duration.seconds(3)

/**
 * Takes part until the scope closes. Done when the first role is decided; fails where it can't be: the port is held by
 * something that can't be followed, or can't be bound for another reason than being in use.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: <Leader, Follower>(
  options: ElectionOptions<Leader, Follower>
) => Effect.Effect<Election<Leader, Follower>, ElectionError, Scope.Scope> = Effect.fnUntraced(function* <
  Leader,
  Follower
>(options: ElectionOptions<Leader, Follower>) {
  const clock = yield* Effect.clock
  const retry = options.retry ?? defaultRetry
  const current = yield* SubscriptionRef.make<Term<Leader, Follower>>({ role: "electing" })
  const decided = yield* Deferred.make<void, ElectionError>()

  /** Once a standalone gateway was seen, this participant never bids again. */
  let standaloneSeen = false
  let noBidBefore = Number.NEGATIVE_INFINITY

  const enter = (term: Term<Leader, Follower>) =>
    Effect.zipRight(SubscriptionRef.set(current, term), Deferred.succeed(decided, undefined))
  const leave = SubscriptionRef.set(current, { role: "electing" } as Term<Leader, Follower>)
  const giveWay = Effect.sync(() => {
    noBidBefore = clock.unsafeCurrentTimeMillis() + Duration.toMillis(yieldGrace)
  })

  const lead = Effect.scoped(
    Effect.gen(function* () {
      const seat = yield* options.bid
      yield* enter({ role: "leader", leader: seat.leader })
      yield* Effect.ensuring(seat.yielded, leave)
      yield* giveWay
    })
  )

  const follow = Effect.scoped(
    Effect.gen(function* () {
      const tie = yield* options.follow
      standaloneSeen ||= tie.standalone
      yield* enter({ role: "follower", follower: tie.follower })
      const { yielded } = yield* Effect.ensuring(tie.lost, leave)
      if (yielded) yield* giveWay
    })
  )

  const serve = Effect.suspend(() => {
    const mayBid = !standaloneSeen && clock.unsafeCurrentTimeMillis() >= noBidBefore
    return mayBid ? Effect.catchTag(lead, "PortInUse", () => follow) : follow
  })

  const isFatal = (error: ElectionError) =>
    error._tag !== "ConnectFailed" || error.reason === "Rejected" || error.reason === "TimedOut"

  const campaign = Effect.gen(function* () {
    // What keeps a participant from its first role is for its owner to mend; later it is for the others to come back.
    yield* Effect.retry(serve, { schedule: retry, until: isFatal })
    while (true) yield* Effect.retry(serve, retry)
  })

  yield* campaign.pipe(
    Effect.catchAllCause((cause) => Deferred.failCause(decided, cause)),
    Effect.forkScoped
  )
  yield* Deferred.await(decided)

  const service: Election<Leader, Follower> = {
    term: SubscriptionRef.get(current),
    terms: current.changes,
    settledTerm: (other) =>
      Effect.flatMap(SubscriptionRef.get(current), (term) =>
        isSettled(term) && term !== other
          ? Effect.succeed(term)
          : current.changes.pipe(
              Stream.filter((next): next is SettledTerm<Leader, Follower> => isSettled(next) && next !== other),
              Stream.runHead,
              Effect.flatMap(Option.match({ onNone: () => Effect.never, onSome: Effect.succeed }))
            )
      ),
    role: Effect.map(SubscriptionRef.get(current), (term) => term.role),
    roles: Stream.map(current.changes, (term) => term.role),
    whileLeader: (effect) =>
      whileLeader(
        Stream.map(current.changes, (term) => term.role),
        effect
      )
  }
  return service
})

/**
 * No election: this process leads for as long as it lives.
 *
 * @since 0.1.0
 * @category constructors
 */
export const uncontested = <Leader, Follower>(leader: Leader): Election<Leader, Follower> => {
  const term: SettledTerm<Leader, Follower> = { role: "leader", leader }
  return {
    term: Effect.succeed(term),
    terms: Stream.make(term),
    settledTerm: () => Effect.succeed(term),
    role: Effect.succeed("leader"),
    roles: Stream.make<[Role]>("leader"),
    whileLeader: identity
  }
}

const isSettled = <Leader, Follower>(term: Term<Leader, Follower>): term is SettledTerm<Leader, Follower> =>
  term.role !== "electing"

const whileLeader = <A, E, R>(roles: Stream.Stream<Role>, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  roles.pipe(
    Stream.changes,
    // Each role interrupts what the one before it started.
    Stream.flatMap((role) => (role === "leader" ? Stream.fromEffect(effect) : Stream.never), { switch: true }),
    Stream.runHead,
    Effect.flatMap(Option.match({ onNone: () => Effect.never, onSome: Effect.succeed }))
  )
