/**
 * A scoped program that is started and ended from outside Effect.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { exitOf, fork, handled, run } from "./Promises.js"

/**
 * Runs a program any number of times, one after the other: each begins once the one before has released everything.
 */
export class Session<A> {
  #run: Run<A> | undefined
  #released: Promise<void> = Promise.resolve()

  /** The value that the program opened; `undefined` before that and after `close`. */
  get value(): A | undefined {
    return this.#run?.value
  }

  /** Whether the program runs and wasn't closed. */
  get isOpen(): boolean {
    return this.#run !== undefined && !this.#run.isOver
  }

  /**
   * Runs the program, which calls `open` with its value; joins one that runs already. Rejects with the program's failure, or
   * with `closedEarly` where it was closed before it had opened.
   */
  open(program: Program<A>, closedEarly: () => Error): Promise<A> {
    if (this.#run === undefined || this.#run.isOver) {
      const released = this.#release(this.#run?.ended)
      this.#run = new Run(
        (open, leave) =>
          Effect.zipRight(
            Effect.promise(() => released),
            program(open, leave)
          ),
        closedEarly
      )
    }
    return this.#run.opened
  }

  /** Ends the program; resolves once it and every one before it have released everything. */
  close(): Promise<void> {
    if (this.#run === undefined) return this.#released
    const closed = this.#run.close()
    this.#run = undefined
    return this.#release(closed)
  }

  /** Once the run has released everything, too. */
  #release(run: Promise<void> | undefined): Promise<void> {
    if (run !== undefined) this.#released = Promise.all([this.#released, run]).then(() => {})
    return this.#released
  }
}

/** Calls `open`, and keeps its value open while it runs. After `leave` it only releases, and another one may be opened. */
export type Program<A> = (open: (value: A) => void, leave: () => void) => Effect.Effect<void, unknown>

class Run<A> {
  readonly opened: Promise<A>
  /** Resolves once everything is released. */
  readonly ended: Promise<void>
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
    const leave = () => {
      this.isOver = true
    }
    this.#fiber = fork(Effect.suspend(() => program(open, leave)))
    this.ended = exitOf(this.#fiber).then(() => {})
    this.#fiber.addObserver((exit) => {
      this.isOver = true
      reject(Exit.isSuccess(exit) || Cause.isInterruptedOnly(exit.cause) ? closedEarly() : Cause.squash(exit.cause))
    })
  }

  close(): Promise<void> {
    return run(Effect.asVoid(Fiber.interrupt(this.#fiber)))
  }
}
