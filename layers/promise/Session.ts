/**
 * A program that holds something open, started and ended from outside Effect.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { handled, run } from "./Promises.js"

/**
 * From the start of the program to its end: by itself, by a failure, or by `close`.
 *
 * @since 0.1.0
 * @category models
 */
export class Session<A> {
  /** Resolves with what the program opened; rejects with its failure where it ended before. */
  readonly opened: Promise<A>
  /** What the program opened; nothing any more once `close` was called. */
  value: A | undefined
  /** Whether the program has ended and what it held is released. */
  isOver = false
  readonly #fiber: Fiber.RuntimeFiber<void, unknown>
  #closed: Promise<void> | undefined

  /**
   * Runs the program, which calls `open` once it holds what it is for. `closedEarly` is the failure when it ends before
   * that without one of its own.
   */
  constructor(program: (open: (value: A) => void) => Effect.Effect<void, unknown>, closedEarly: () => Error) {
    let resolve: (value: A) => void = () => {}
    let reject: (error: unknown) => void = () => {}
    this.opened = handled(
      new Promise<A>((onOpened, onEnded) => {
        resolve = onOpened
        reject = onEnded
      })
    )
    const open = (value: A) => {
      if (this.#closed !== undefined) return
      this.value = value
      resolve(value)
    }
    this.#fiber = Effect.runFork(Effect.suspend(() => program(open)))
    this.#fiber.addObserver((exit) => {
      this.isOver = true
      reject(Exit.isSuccess(exit) || Cause.isInterruptedOnly(exit.cause) ? closedEarly() : Cause.squash(exit.cause))
    })
  }

  /** Ends the program; resolves when everything it held is released. */
  close(): Promise<void> {
    if (this.#closed === undefined) {
      this.value = undefined
      this.#closed = run(Effect.asVoid(Fiber.interrupt(this.#fiber)))
    }
    return this.#closed
  }
}
