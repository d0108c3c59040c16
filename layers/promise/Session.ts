/**
 * A program that holds something open, started and ended from outside Effect.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { fork, handled, run } from "./Promises.js"

/**
 * What is started and ended any number of times: one run at a time, each once the one before has released what it held.
 *
 * @since 0.1.0
 * @category models
 */
export class Session<A> {
  #run: Run<A> | undefined
  #released: Promise<void> = Promise.resolve()

  /** What the program opened; nothing before it has, and nothing any more once `close` was called. */
  get value(): A | undefined {
    return this.#run?.value
  }

  /** Whether a program runs that wasn't told to end. */
  get isOpen(): boolean {
    return this.#run !== undefined && !this.#run.isOver
  }

  /**
   * Runs the program, which calls `open` once it holds what it is for; joins the one that runs already. Rejects with the
   * program's failure, or with `closedEarly` where it was ended before it had opened.
   */
  open(program: Program<A>, closedEarly: () => Error): Promise<A> {
    if (this.#run === undefined || this.#run.isOver) {
      const released = this.#released
      this.#run = new Run(
        (open) =>
          Effect.zipRight(
            Effect.promise(() => released),
            program(open)
          ),
        closedEarly
      )
    }
    return this.#run.opened
  }

  /** Ends the program; resolves when everything it held, and every one before it, is released. */
  close(): Promise<void> {
    if (this.#run !== undefined) {
      this.#released = Promise.all([this.#released, this.#run.close()]).then(() => {})
      this.#run = undefined
    }
    return this.#released
  }
}

/**
 * Holds something open for as long as it runs.
 *
 * @since 0.1.0
 * @category models
 */
export type Program<A> = (open: (value: A) => void) => Effect.Effect<void, unknown>

class Run<A> {
  readonly opened: Promise<A>
  value: A | undefined
  isOver = false
  readonly #fiber: Fiber.RuntimeFiber<void, unknown>

  constructor(program: Program<A>, closedEarly: () => Error) {
    let resolve: (value: A) => void = () => {}
    let reject: (error: unknown) => void = () => {}
    this.opened = handled(
      new Promise<A>((onOpened, onEnded) => {
        resolve = onOpened
        reject = onEnded
      })
    )
    const open = (value: A) => {
      this.value = value
      resolve(value)
    }
    this.#fiber = fork(Effect.suspend(() => program(open)))
    this.#fiber.addObserver((exit) => {
      this.isOver = true
      reject(Exit.isSuccess(exit) || Cause.isInterruptedOnly(exit.cause) ? closedEarly() : Cause.squash(exit.cause))
    })
  }

  close(): Promise<void> {
    return run(Effect.asVoid(Fiber.interrupt(this.#fiber)))
  }
}
