/**
 * The requests and streams that this process makes, shown while an inspector watches. While none does, a request costs one check.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { millisOf } from "./MonotonicTime.js"
import * as SyncEffect from "./SyncEffect.js"
import type { OnEnd, Waiting } from "./Waiting.js"

/** A request or stream that has ended. */
export interface Call {
  readonly kind: "request" | "stream"
  readonly name: string
  /** What the connection calls its peer: a runtimeId, or a URL. */
  readonly target: string
  /** In milliseconds since 1970. */
  readonly startedAt: number
  readonly durationMillis: number
  /** `success`, `interrupted`, `defect`, or the failure's tag. */
  readonly outcome: string
}

interface Watcher {
  readonly clock: Clock.Clock
  readonly onCall: (call: Call) => void
}

export class CallLog {
  private watchers: ReadonlyArray<Watcher> = []

  get isWatched(): boolean {
    return this.watchers.length > 0
  }

  /** Shows every call that ends from now on, until the scope closes. */
  watch(onCall: (call: Call) => void): Effect.Effect<void, never, Scope.Scope> {
    return Effect.flatMap(Effect.clock, (clock) => {
      const watcher: Watcher = { clock, onCall }
      return Effect.acquireRelease(
        Effect.sync(() => {
          this.watchers = [...this.watchers, watcher]
        }),
        () =>
          Effect.sync(() => {
            this.watchers = this.watchers.filter((other) => other !== watcher)
          })
      )
    })
  }

  /** Begins a request by `begin`, watched. */
  request<A, E>(
    name: string,
    target: string,
    begin: (onEnd: OnEnd<A, E>) => Waiting | undefined,
    onEnd: OnEnd<A, E>
  ): Waiting | undefined {
    const end = this.start("request", name, target)
    const waiting = begin((result) => {
      const exit = SyncEffect.exitOf(result)
      if (exit === undefined) return onEnd(Effect.onExit(result, (late) => Effect.sync(() => end(late))))
      end(exit)
      onEnd(result)
    })
    if (waiting === undefined) return undefined
    return {
      abandon: () => {
        end(Exit.interrupt(FiberId.none))
        waiting.abandon()
      }
    }
  }

  /** The stream, watched each time that it is run. */
  stream<A, E, R>(name: string, target: string, stream: Stream.Stream<A, E, R>): Stream.Stream<A, E, R> {
    return Stream.suspend(() => {
      if (!this.isWatched) return stream
      const end = this.start("stream", name, target)
      return Stream.ensuringWith(stream, (exit) => Effect.sync(() => end(exit)))
    })
  }

  private start(kind: Call["kind"], name: string, target: string): (exit: Exit.Exit<unknown, unknown>) => void {
    const clock = this.watchers[0]?.clock ?? defaultClock
    const startedAt = clock.unsafeCurrentTimeMillis()
    const start = millisOf(clock)
    let hasEnded = false
    return (exit) => {
      // Also a request that has failed is abandoned.
      if (hasEnded) return
      hasEnded = true
      const durationMillis = millisOf(clock) - start
      const call: Call = { kind, name, target, startedAt, durationMillis, outcome: outcomeOf(exit) }
      for (const watcher of this.watchers) watcher.onCall(call)
    }
  }
}

const defaultClock = Clock.make()

const outcomeOf = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return "success"
  const failure = Option.getOrUndefined(Cause.failureOption(exit.cause))
  if (failure === undefined) return Cause.isInterruptedOnly(exit.cause) ? "interrupted" : "defect"
  return typeof failure === "object" && failure !== null && "_tag" in failure ? String(failure._tag) : "failure"
}

/** The process's own, for every connection that isn't given another. */
export class CurrentCallLog extends Context.Reference<CurrentCallLog>()("effect-ipc/CallLog", {
  defaultValue: (): CallLog => new CallLog()
}) {}
