/**
 * The rules of the election, whatever is bid for: whoever gets the seat leads, the others follow, and when the leader
 * goes all bid again.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { ConnectFailed, ListenFailed, PortInUse, TokenRequired } from "../IPCError.js"
import type { LeaderElection, Role } from "../LeaderElection.js"

/**
 * What a leader has won: held until its scope closes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Leadership<Leader> {
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
export interface FollowerConnection<Follower> {
  readonly follower: Follower
  /** Whether the leader is a standalone gateway, which nobody bids against. */
  readonly standalone: boolean
  /** How many followed before this one: those who came first bid first. */
  readonly rank: number
  /** Ends when the tie has. */
  readonly lost: Effect.Effect<Loss>
}

/**
 * How a tie ended: the leader is gone, it made way for a standalone gateway, or it now has another participant by this
 * one's name.
 *
 * @since 0.1.0
 * @category models
 */
export type Loss = "gone" | "yielded" | "replaced"

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
  readonly bid: Effect.Effect<Leadership<Leader>, PortInUse | ListenFailed | TokenRequired, Scope.Scope>
  readonly follow: Effect.Effect<FollowerConnection<Follower>, ConnectFailed, Scope.Scope>
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
  /**
   * Waits for a term with a leader, other than the one given. None once this participant takes no more part.
   */
  readonly settledTerm: (
    other?: SettledTerm<Leader, Follower>
  ) => Effect.Effect<Option.Option<SettledTerm<Leader, Follower>>>
}

/**
 * @since 0.1.0
 * @category models
 */
export type SettledTerm<Leader, Follower> = Exclude<Term<Leader, Follower>, { readonly role: "electing" }>

/** For how long after a leader yielded nobody but the standalone gateway bids. */
const yieldGrace = Duration.seconds(3)

/** For how long a participant stays away whose name another has taken: two of one name would else chase each other out. */
const replacedPause = Duration.seconds(1)

/** For how long a participant tries for its first role at a port that is held, yet refuses connections. */
const firstRolePatience = Duration.seconds(10)

/** For how long a leader holds on to its seat for what runs while it leads. */
const handOverGrace = Duration.seconds(1)

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
  const state = yield* SubscriptionRef.make<State<Leader, Follower>>({ role: "electing" })
  const decided = yield* Deferred.make<void, ElectionError>()
  const engagements = makeEngagements()

  /** Once a standalone gateway was seen, this participant never bids again. */
  let standaloneSeen = false
  let noBidBefore = Number.NEGATIVE_INFINITY
  let warned = false
  let over = false

  const enter = (term: SettledTerm<Leader, Follower>) =>
    Effect.suspend(() => {
      warned = false
      return Effect.zipRight(SubscriptionRef.set(state, term), Deferred.succeed(decided, undefined))
    })
  const leave = SubscriptionRef.set<State<Leader, Follower>>(state, { role: "electing" })
  const giveWay = Effect.sync(() => {
    noBidBefore = clock.unsafeCurrentTimeMillis() + Duration.toMillis(yieldGrace)
  })

  const lead = Effect.scoped(
    Effect.gen(function* () {
      const seat = yield* options.bid
      // What runs while this process leads ends before the seat is free.
      yield* Effect.acquireRelease(engagements.open, () => Effect.zipRight(leave, engagements.close))
      yield* enter({ role: "leader", leader: seat.leader })
      yield* seat.yielded
      yield* giveWay
    })
  )

  const follow = Effect.flatMap(
    Effect.scoped(
      Effect.gen(function* () {
        const tie = yield* options.follow
        standaloneSeen ||= tie.standalone
        yield* Effect.addFinalizer(() => leave)
        yield* enter({ role: "follower", follower: tie.follower })
        const loss = yield* tie.lost
        yield* leave
        // Even the clearing up is put off: the processor is for whoever wins.
        if (loss === "gone") yield* waitFor(turnOf(tie.rank))
        return loss
      })
    ),
    (loss) => {
      if (loss === "gone") return Effect.void
      return loss === "yielded" ? giveWay : Effect.zipRight(warnReplaced, Effect.sleep(replacedPause))
    }
  )

  const serve = Effect.suspend(() => {
    if (over) return Effect.void
    const mayBid = !standaloneSeen && clock.unsafeCurrentTimeMillis() >= noBidBefore
    return mayBid ? Effect.catchTag(lead, "PortInUse", () => follow) : follow
  })

  /** One line for each stretch without a leader, and only where it isn't just that nobody leads yet. */
  const warnOnce = (error: ElectionError) =>
    Effect.suspend(() => {
      if (warned || isTransient(error)) return Effect.void
      warned = true
      return Effect.logWarning(`Nobody can be followed, and this participant can't lead; it tries on: ${error.message}`)
    })

  const campaign = Effect.gen(function* () {
    // What keeps a participant from its first role is for its owner to mend; later it is for the others to come back.
    yield* Effect.retry(serve, { schedule: Schedule.upTo(retry, firstRolePatience), while: isTransient })
    while (!over) yield* Effect.retry(Effect.tapError(serve, warnOnce), retry)
  })

  yield* Effect.addFinalizer(() => SubscriptionRef.set<State<Leader, Follower>>(state, { role: "over" }))
  yield* campaign.pipe(
    Effect.catchAllCause((cause) =>
      Effect.flatMap(Deferred.failCause(decided, cause), (first) =>
        first
          ? Effect.void
          : Effect.zipRight(
              SubscriptionRef.set<State<Leader, Follower>>(state, { role: "over" }),
              Effect.logError("This participant takes no more part in the election", cause)
            )
      )
    ),
    Effect.forkScoped
  )
  // Effect loses an interruption that comes while a scope's finalizer waits (addFinalizer restores the FiberRefs of before).
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      over = true
    })
  )
  yield* Deferred.await(decided)

  const terms = Stream.takeWhile(state.changes, isTerm)
  const roles = Stream.changes(Stream.map(terms, (term) => term.role))

  const until = (isWanted: (role: Role) => boolean): Effect.Effect<void> =>
    Effect.flatMap(
      Stream.runHead(Stream.filter(roles, isWanted)),
      Option.match({ onNone: () => Effect.never, onSome: () => Effect.void })
    )

  /** Runs the effect the next time that this process leads; none where it ceased to lead before the effect's end. */
  const inOneTerm = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Option.Option<A>, E, R> =>
    Effect.zipRight(
      until((role) => role === "leader"),
      Effect.raceFirst(
        Effect.asSome(engagements.during(effect)),
        Effect.as(
          until((role) => role !== "leader"),
          Option.none<A>()
        )
      )
    )

  const whileLeader = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(inOneTerm(effect), Option.match({ onNone: () => whileLeader(effect), onSome: Effect.succeed }))

  const service: Election<Leader, Follower> = {
    settledTerm: (other) =>
      Effect.flatMap(SubscriptionRef.get(state), (now) =>
        isSettled(now) && now !== other
          ? Effect.succeedSome(now)
          : Stream.runHead(
              Stream.filter(terms, (term): term is SettledTerm<Leader, Follower> => isSettled(term) && term !== other)
            )
      ),
    role: Effect.map(SubscriptionRef.get(state), (now) => (now.role === "over" ? "electing" : now.role)),
    roles,
    whileLeader
  }
  return service
})

/**
 * No election: this process leads for as long as it lives.
 *
 * @since 0.1.0
 * @category constructors
 */
export const uncontested = <Leader, Follower>(leader: Leader): Election<Leader, Follower> => ({
  settledTerm: () => Effect.succeedSome({ role: "leader", leader }),
  role: Effect.succeed("leader"),
  roles: Stream.make<[Role]>("leader"),
  whileLeader: identity
})

/** `over` when the participant takes no more part: its streams end with it. */
type State<Leader, Follower> = Term<Leader, Follower> | { readonly role: "over" }

const isTerm = <Leader, Follower>(state: State<Leader, Follower>): state is Term<Leader, Follower> =>
  state.role !== "over"

const isSettled = <Leader, Follower>(state: State<Leader, Follower>): state is SettledTerm<Leader, Follower> =>
  state.role === "leader" || state.role === "follower"

/**
 * Whether there is just nobody to follow: the last leader has gone, or is going (503), and the next isn't there yet.
 *
 * @internal
 */
export const isTransient = (error: ElectionError): boolean =>
  error._tag === "ConnectFailed" &&
  (error.reason === "Refused" || error.reason === "Unreachable" || error.status === 503)

/**
 * How long to wait, in milliseconds, before taking part in the election of the next leader. The first few bid at once,
 * whichever of them the processor comes to first. For all the others to do the same would take it from the one that has
 * won just when everybody needs it, so they come one after the other, when that one is ready. Nobody misses them
 * meanwhile: it answers for their routes already.
 */
const turnOf = (rank: number): number => (rank < 4 ? 0 : Math.min(250 + (rank - 4) * 10, 1000))

const waitFor = (millis: number): Effect.Effect<void> => (millis === 0 ? Effect.void : Effect.sleep(millis))

const warnReplaced = Effect.logWarning(
  "Another participant has taken this one's runtimeId; this one stays away for a second. Give each a runtimeId of its own."
)

/** What runs for as long as this process leads, so that a hand-over can wait for its end. */
const makeEngagements = () => {
  const running = new Set<Deferred.Deferred<void>>()
  let isOpen = false

  const begin = Effect.sync(() => {
    if (!isOpen) return undefined
    const ended = Deferred.unsafeMake<void>(FiberId.none)
    running.add(ended)
    return ended
  })
  const end = (ended: Deferred.Deferred<void> | undefined) =>
    Effect.sync(() => {
      if (ended === undefined) return
      running.delete(ended)
      Deferred.unsafeDone(ended, Effect.void)
    })

  return {
    open: Effect.sync(() => {
      isOpen = true
    }),
    /** Lets nothing begin any more, and waits for what runs. */
    close: Effect.suspend(() => {
      isOpen = false
      if (running.size === 0) return Effect.void
      // In a fiber of its own, since a release can't be interrupted, and so can't time out.
      const allEnded = Effect.forEach(running, Deferred.await, { discard: true })
      return Effect.flatMap(
        Effect.forkDaemon(Effect.interruptible(Effect.timeoutOption(allEnded, handOverGrace))),
        Fiber.await
      )
    }),
    during: <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.acquireUseRelease(begin, (ended) => (ended === undefined ? Effect.never : effect), end)
  }
}
