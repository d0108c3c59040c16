/**
 * Discovery with election for programs without Effect: the layer `LocalDiscovery` with promises.
 *
 * @since 0.1.0
 */

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { LeaderElection, type Role } from "../../src/LeaderElection.js"
import { defaultPort } from "../ipc/Address.js"
import * as Layer from "../LocalDiscovery.js"
import * as CallArguments from "./CallArguments.js"
import { Callbacks } from "./Callbacks.js"
import { notOpen } from "./NotOpen.js"
import { Participant, type ParticipantOptions, type Participation } from "./Participant.js"
import { handled, runSync } from "./Promises.js"

/**
 * The options of a participant, beside the port.
 *
 * @since 0.1.0
 * @category models
 */
export interface LocalDiscoveryOptions extends ParticipantOptions {}

/**
 * Takes part in discovery among the processes of one machine that share a known port. The first process binds the port: it
 * leads, keeps the registry and is the gateway. The others follow it, and one of them takes over when it has ended. The
 * program of a leader and of a follower is the same.
 *
 * Callbacks may be registered at any time, before `join` too, and stay registered. Entries and strategies last until
 * `teardown`, through every change of leader.
 *
 * Failures reject with the tagged errors of `effect-ipc`. A rejection that isn't awaited never ends the process.
 *
 * @example
 * ```ts
 * import { LocalDiscovery } from "effect-ipc/promise"
 *
 * const discovery = new LocalDiscovery(9000)
 * discovery.onRoleChange((role) => console.log(`this process is ${role}`))
 *
 * await discovery.join()
 * await discovery.register({ api: "users", baseUrl: "http://127.0.0.1:4001", pathPrefix: "/users" })
 *
 * const url = await discovery.discover("users")
 * console.log(await (await fetch(`${url}/users/7`)).json())
 * await discovery.teardown()
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export class LocalDiscovery extends Participant<LeaderElection> {
  readonly #roleCallbacks = new Callbacks<[role: Role]>("onRoleChange")

  /** The port that all participants know. */
  constructor(port = defaultPort, options: LocalDiscoveryOptions = {}) {
    super("LocalDiscovery", "join", port, options)
  }

  /**
   * Takes part, and resolves when this process leads or follows. Rejects with `ConnectFailed` where the process that holds the
   * port can't be followed, with `ListenFailed`, `TokenRequired` or `InvalidToken`, or with `ConnectionClosed` where `teardown`
   * was called meanwhile. One that takes part or is joining doesn't join twice.
   */
  join(): Promise<void> {
    const joined = this.session.open(
      (open) => this.#program(open),
      () => notOpen("join", this.address, "teardown() was called before this process had joined.")
    )
    return handled(joined.then(() => undefined))
  }

  /** The role now: `leader`, `follower`, or `electing` while there is no leader; `undefined` before `join` and after `teardown`. */
  getRole(): Role | undefined {
    const participation = this.session.value
    return participation === undefined ? undefined : runSync(electionOf(participation).role)
  }

  /** Called with each new role from `join` to `teardown`, the first included. */
  onRoleChange(callback: (role: Role) => unknown): void {
    this.#roleCallbacks.add(callback)
  }

  /**
   * Calls the function once this process leads, and again each time it leads again, until a call is done while this process
   * still leads: settles as that call does. The signal is aborted when leadership is lost. When this process releases it, by
   * `teardown` or a step-down, the port is free at once, so the next leader may call its own function while this one ends;
   * this process waits up to a second for that end.
   */
  whileLeader<A>(work: (signal: AbortSignal) => A | PromiseLike<A>): Promise<A> {
    const issue = CallArguments.functionIssue("whileLeader", "argument", work)
    if (issue !== undefined) return issue
    return this.ask("whileLeader", (participation) =>
      // A function that ignores its signal doesn't delay the scope's end.
      Effect.disconnect(electionOf(participation).whileLeader(abortable(work)))
    )
  }

  /** Runs from join to teardown. */
  #program(open: (participation: Participation<LeaderElection>) => void): Effect.Effect<void, unknown> {
    const joining = Effect.gen(this, function* () {
      const participation = yield* this.participate(Layer.make(this.options))
      const roles = Stream.changes(electionOf(participation).roles)
      yield* Stream.runForEach(roles, (role) =>
        Effect.sync(() => {
          open(participation)
          this.#roleCallbacks.call(role)
        })
      )
    })
    return Effect.scoped(joining)
  }
}

const electionOf = ({ services }: Participation<LeaderElection>): LeaderElection.Service =>
  Context.get(services, LeaderElection)

/** Interrupting it aborts the signal, and waits until the function is done. */
const abortable = <A>(work: (signal: AbortSignal) => A | PromiseLike<A>): Effect.Effect<A, unknown> =>
  Effect.async((resume) => {
    const controller = new AbortController()
    const called = async () => work(controller.signal)
    const done = called().then(Exit.succeed, Exit.fail)
    done.then(resume)
    return Effect.promise(() => {
      controller.abort()
      return done
    })
  })
