/**
 * A running effect, in a fiber only if it needs one.
 *
 * @internal
 */
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type { AnySpan } from "effect/Tracer"
import { CallbackEffect } from "./CallbackEffect.js"
import type { Linked } from "./LinkedList.js"
import type { RunFork } from "./RunFork.js"
import * as SyncEffect from "./SyncEffect.js"
import type { Caller, Waiting } from "./Waiting.js"

/**
 * Runs an effect, in a span where one is given: then in a fiber from the start, unless nothing of it belongs to a trace, or a
 * caller stands for that fiber.
 */
export const start = <A, E, R = never>(
  effect: Effect.Effect<A, E, R>,
  runFork: RunFork<R>,
  span?: AnySpan | undefined,
  caller?: Caller | undefined
): Execution<A, E> => {
  const needsFiber = effect instanceof CallbackEffect ? effect.traits.traced && caller === undefined : true
  // What the effect requires is met by what runs it.
  const running = new Execution<A, E>(runFork as RunFork, span, caller)
  if (span !== undefined && needsFiber) running.fork(effect as Effect.Effect<A, E>)
  else running.run(effect as Effect.Effect<A, E>)
  return running
}

/**
 * Fiber-like handle of a running effect; a fiber is allocated only if the effect needs one.
 */
export class Execution<A, E> implements Linked {
  previous: Linked | undefined = undefined
  next: Linked | undefined = undefined
  /** How it ended, once it has. */
  exit: Exit.Exit<A, E> | undefined = undefined
  private observer: ((exit: Exit.Exit<A, E>) => void) | undefined = undefined
  private fiber: Fiber.RuntimeFiber<A, E> | undefined = undefined
  private waiting: Waiting | undefined = undefined
  private isInterruptible = true
  /** Whether its fiber begins just now, which runs code before it is known here. */
  private isForking = false
  private isInterruptedEarly = false

  constructor(
    private readonly runFork: RunFork,
    private readonly span: AnySpan | undefined,
    private readonly caller: Caller | undefined
  ) {}

  /** Calls back when it has ended; at once where it has. For one observer. */
  observe(observer: (exit: Exit.Exit<A, E>) => void): void {
    if (this.exit === undefined) this.observer = observer
    else observer(this.exit)
  }

  /** Ends it, as soon as its finalizers have run where it is in a fiber. */
  interrupt(): void {
    if (this.exit !== undefined) return
    if (this.fiber !== undefined) return this.fiber.unsafeInterruptAsFork(FiberId.none)
    if (this.isForking) {
      this.isInterruptedEarly = true
      return
    }
    if (!this.isInterruptible) return
    this.waiting?.abandon()
    this.end(Exit.interrupt(FiberId.none))
  }

  /** Whether it runs in this fiber. */
  isIn(fiber: unknown): boolean {
    return this.fiber === fiber
  }

  /** @internal */
  run(effect: Effect.Effect<A, E>): void {
    if (this.exit !== undefined) return
    const exit = SyncEffect.exitOf(effect)
    if (exit !== undefined) return this.end(exit)
    if (effect instanceof CallbackEffect) return this.begin(effect)
    this.waiting = undefined
    this.isInterruptible = true
    this.fork(effect)
  }

  /** @internal */
  fork(effect: Effect.Effect<A, E>): void {
    this.isForking = true
    this.fiber = this.runFork(effect, this.span)
    this.isForking = false
    if (this.isInterruptedEarly) this.interrupt()
    this.fiber.addObserver((ended) => this.end(ended))
  }

  private begin(effect: CallbackEffect<A, E>): void {
    this.isInterruptible = effect.traits.interruptible
    this.waiting = undefined
    let hasEnded = false
    try {
      const waiting = effect.begin((result) => {
        hasEnded = true
        this.run(result)
      }, this.caller)
      // Where it has ended already, what it went on with may wait.
      if (hasEnded) return
      this.waiting = waiting
      // It may have been interrupted by what it began.
      if (this.exit !== undefined) waiting?.abandon()
    } catch (defect) {
      this.end(Exit.die(defect))
    }
  }

  private end(exit: Exit.Exit<A, E>): void {
    if (this.exit !== undefined) return
    this.exit = exit
    this.observer?.(exit)
  }
}
