/**
 * Which of several processes leads.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"

/**
 * `leader` while this process leads, `follower` while it follows another, `electing` in between.
 *
 * @since 0.1.0
 * @category models
 */
export type Role = "leader" | "follower" | "electing"

/**
 * What {@link LeaderElection} is made of.
 *
 * @since 0.1.0
 * @category models
 */
export declare namespace LeaderElection {
  /**
   * What a program knows of the election in which this process takes part.
   *
   * @since 0.1.0
   * @category models
   */
  export interface Service {
    /** The role now. */
    readonly role: Effect.Effect<Role>
    /**
     * The role now and every later one; ends when this process has left the election. A consumer that falls behind by more than 4,096
     * changes misses the oldest.
     */
    readonly roles: Stream.Stream<Role>
    /**
     * Runs the effect while this process leads: waits until it does, interrupts the effect when it no longer does, and
     * starts it anew when it leads again. Ends with the effect. A leader that hands over gives
     * up the port first, then interrupts the effect and waits up to a second for its end: the next leader may start its own
     * meanwhile.
     */
    readonly whileLeader: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
    /**
     * The fencing token of the term in which this process leads: greater than every earlier term's. A store that refuses a
     * write whose token is lower than one that it has seen is safe from a leader that was stopped and goes on for a moment.
     * None while this process doesn't lead, and where the election needs none: a port's holder keeps the port while it is
     * stopped.
     *
     * @since 0.2.0
     */
    readonly term: Effect.Effect<Option.Option<number>>
  }
}

/**
 * The election as a service.
 *
 * @example
 * ```ts
 * import { PortElection } from "effect-ipc/node"
 * import { LeaderElection } from "effect-ipc"
 * import { Effect, Schedule } from "effect"
 *
 * const sweep = Effect.log("only one process on this machine does this")
 *
 * const program = Effect.gen(function* () {
 *   const election = yield* LeaderElection
 *   yield* election.whileLeader(Effect.repeat(sweep, Schedule.spaced("1 minute")))
 * })
 *
 * export const main = program.pipe(Effect.provide(PortElection.layer({ port: 9000 })))
 * ```
 *
 * @since 0.1.0
 * @category tags
 */
export class LeaderElection extends Context.Tag("effect-ipc/LeaderElection")<
  LeaderElection,
  LeaderElection.Service
>() {}
