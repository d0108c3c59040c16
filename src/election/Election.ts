/**
 * The rules of the election, whatever is bid for: the participant that wins it leads, the others follow, and when the
 * leader ends, all bid again.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { ConnectFailed, ListenError, PortInUse } from "../IPCError.js"
import { detached } from "../internal/Detached.js"
import * as Terms from "./Terms.js"

export type { Election, SettledTerm, Term } from "./Terms.js"

/**
 * What a leader has won, held until its scope closes.
 */
export interface Leadership<Leader> {
  readonly leader: Leader
  /** Completes after a step-down request, once followers are notified. */
  readonly stepDownRequested: Effect.Effect<void>
  /**
   * Gives it up at once: another participant can win it, and every follower knows that this one leads no longer. What is in
   * flight goes on until the scope closes.
   */
  readonly release: Effect.Effect<void>
}

/**
 * A follower's connection to the leader.
 */
export interface FollowerConnection<Follower> {
  readonly follower: Follower
  /** Whether the leader is a standalone gateway, against which no participant bids. */
  readonly standalone: boolean
  /** How many followers the leader had before this one: the earliest bid first. */
  readonly rank: number
  /** Completes when the connection has ended. */
  readonly lost: Effect.Effect<Loss>
}

/**
 * Why a follower's connection ended: the leader has ended, it stepped down for a standalone gateway, or another participant
 * connected with this one's runtimeId.
 */
export type Loss = "gone" | "steppedDown" | "replaced"

/**
 * Why a participant can't take part at all.
 *
 * @since 0.1.0
 * @category models
 */
export type ElectionError = ConnectFailed | Exclude<ListenError, PortInUse>

/**
 * What is bid for, and how its holder is followed.
 */
export interface ElectionOptions<Leader, Follower> {
  readonly bid: Effect.Effect<Leadership<Leader>, ListenError, Scope.Scope>
  readonly follow: Effect.Effect<FollowerConnection<Follower>, ConnectFailed, Scope.Scope>
  /** When to try again while this participant can neither lead nor follow. Default: `PortElection.defaultRetry`. */
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

/** How long after a step-down request only the standalone gateway bids. */
const stepDownGrace = Duration.seconds(3)

/** How long a participant stays away after another one took its runtimeId. Else the two would replace each other for ever. */
const replacedPause = Duration.seconds(1)

/** How long a participant tries for its first role while the port's holder refuses connections, or doesn't answer in time. */
const firstRolePatience = Duration.seconds(10)

/** How often the port's holder may fail to answer in time before it is taken for something that never does. */
const maxTimeouts = 3

/** How long a participant is without a role before that is logged. */
const silentElecting = Duration.seconds(5)

/**
 * Takes part until the scope closes. Done when the first role is decided; fails where it can't be: the port is held by
 * something that can't be followed, or can't be bound for another reason than being in use.
 */
export const make: <Leader, Follower>(
  options: ElectionOptions<Leader, Follower>
) => Effect.Effect<Terms.Election<Leader, Follower>, ElectionError, Scope.Scope> = Effect.fnUntraced(function* <
  Leader,
  Follower
>(options: ElectionOptions<Leader, Follower>) {
  const scope = yield* Effect.scope
  const clock = yield* Effect.clock
  const retry = options.retry ?? defaultRetry
  const terms = yield* Terms.make<Leader, Follower>()
  const decided = yield* Deferred.make<void, ElectionError>()

  /** The moment after a while, in monotonic nanoseconds. */
  const after = (duration: Duration.Duration): bigint =>
    clock.unsafeCurrentTimeNanos() + Duration.unsafeToNanos(duration)
  const hasCome = (moment: bigint): boolean => clock.unsafeCurrentTimeNanos() >= moment

  /** After it has seen a standalone gateway, this participant never bids again. */
  let standaloneSeen = false
  let noBidBefore = clock.unsafeCurrentTimeNanos()
  let logNotBefore = after(silentElecting)
  let logged = false
  let over = false

  const enter = (term: Terms.SettledTerm<Leader, Follower>) =>
    Effect.zipRight(terms.enter(term), Deferred.succeed(decided, undefined))

  const leave = Effect.suspend(() => {
    logged = false
    logNotBefore = after(silentElecting)
    return terms.leave
  })

  const suspendBids = Effect.sync(() => {
    noBidBefore = after(stepDownGrace)
  })

  const lead = Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const held = yield* Scope.make()
      const bid = yield* Effect.exit(restore(Scope.extend(options.bid, held)))
      if (Exit.isFailure(bid)) {
        yield* Scope.close(held, bid)
        return yield* bid
      }
      const { leader, release, stepDownRequested } = bid.value
      const term = yield* Effect.exit(restore(Effect.zipRight(enter({ role: "leader", leader }), stepDownRequested)))
      yield* release
      yield* leave
      // What is in flight delays the end of this participant, but not its next term.
      if (Exit.isFailure(term)) yield* Scope.close(held, term)
      else yield* Effect.forkIn(detached(Scope.close(held, term)), scope)
      return yield* Effect.zipRight(term, suspendBids)
    })
  )

  const follow = Effect.flatMap(
    Effect.scoped(
      Effect.gen(function* () {
        const connection = yield* options.follow
        standaloneSeen ||= connection.standalone
        yield* Effect.addFinalizer(() => leave)
        yield* enter({ role: "follower", follower: connection.follower })
        const loss = yield* connection.lost
        yield* leave
        // Delays this participant's cleanup, so that the new leader gets the CPU time first.
        if (loss === "gone") yield* sleep(turnOf(connection.rank))
        return loss
      })
    ),
    (loss) => {
      if (loss === "gone") return Effect.void
      return loss === "steppedDown" ? suspendBids : Effect.zipRight(logReplaced, Effect.sleep(replacedPause))
    }
  )

  const attempt = Effect.suspend(() => {
    if (over) return Effect.void
    const mayBid = !standaloneSeen && hasCome(noBidBefore)
    return mayBid ? Effect.catchTag(lead, "PortInUse", () => follow) : follow
  })

  /**
   * Logs once in each stretch without a role. A next leader is given time; a standalone gateway has none, and other failures
   * don't pass by themselves.
   */
  const logFailure = (error: ElectionError) =>
    Effect.suspend(() => {
      if (logged || (isTransient(error) && !standaloneSeen && !hasCome(logNotBefore))) return Effect.void
      logged = true
      return Effect.logWarning(
        standaloneSeen
          ? `The standalone gateway can't be reached; retrying until it is back: ${error.message}`
          : `No leader is reachable and the port can't be bound; retrying: ${error.message}`
      )
    })

  const takePart = Effect.gen(function* () {
    const patienceEnds = after(firstRolePatience)
    let timeouts = 0
    const mayPass = (error: ElectionError): boolean =>
      !hasCome(patienceEnds) && (isTransient(error) || (isTimeout(error) && ++timeouts < maxTimeouts))
    // The caller can fix what prevents the first role. Later failures end once the other participants are back.
    yield* Effect.retry(attempt, { schedule: retry, while: mayPass })
    while (!over) yield* Effect.retry(Effect.tapError(attempt, logFailure), retry)
  })

  yield* Effect.addFinalizer(() => terms.end)
  yield* takePart.pipe(
    Effect.catchAllCause((cause) =>
      Effect.flatMap(Deferred.failCause(decided, cause), (isFirst) =>
        isFirst
          ? Effect.void
          : Effect.zipRight(terms.end, Effect.logError("This participant has left the election", cause))
      )
    ),
    detached,
    Effect.forkScoped
  )
  // Effect loses an interruption that comes while a scope's finalizer waits (addFinalizer restores the FiberRefs of before).
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      over = true
    })
  )
  yield* Deferred.await(decided)
  return terms.election
})

/**
 * No election: this participant leads until the scope closes, and then releases what it holds before anything else.
 */
export const uncontested = <Leader, Follower = never>({
  leader,
  release
}: Pick<Leadership<Leader>, "leader" | "release">): Effect.Effect<
  Terms.Election<Leader, Follower>,
  never,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const terms = yield* Terms.make<Leader, Follower>()
    yield* terms.enter({ role: "leader", leader })
    yield* Effect.addFinalizer(() => Effect.zipRight(Effect.zipRight(release, terms.leave), terms.end))
    return terms.election
  })

/**
 * Whether there is just no leader to follow: the last one has ended, or is closing (503), and the next isn't there yet.
 *
 * @internal
 */
export const isTransient = (error: ElectionError): boolean =>
  error._tag === "ConnectFailed" &&
  (error.reason === "Refused" || error.reason === "Unreachable" || error.status === 503)

/** A leader, or this process, that gets no CPU time for a while looks like one that never answers. */
const isTimeout = (error: ElectionError): boolean => error._tag === "ConnectFailed" && error.reason === "TimedOut"

/**
 * How long to wait, in milliseconds, before taking part in the election of the next leader. The first few bid at once. If
 * all the others did the same, they would take CPU time from the winner just when every request depends on it, so they come
 * one after the other, when the winner is ready. Nothing misses them meanwhile: the winner answers for their routes already.
 */
const turnOf = (rank: number): number => (rank < 4 ? 0 : Math.min(250 + (rank - 4) * 10, 1000))

const sleep = (millis: number): Effect.Effect<void> => (millis === 0 ? Effect.void : Effect.sleep(millis))

const logReplaced = Effect.logWarning(
  "Another participant has connected with this one's runtimeId; this one stays away for a second. Give each participant a runtimeId of its own."
)
