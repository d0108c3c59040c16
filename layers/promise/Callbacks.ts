/**
 * Callbacks that the facade's user registers.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { fork } from "./Promises.js"

/**
 * What was registered under one method, called in that order. A callback that throws or rejects is logged and keeps
 * nothing from the others.
 *
 * @since 0.1.0
 * @category models
 */
export class Callbacks<Args extends ReadonlyArray<unknown>> {
  readonly #callbacks: Array<(...args: Args) => unknown> = []
  readonly #method: string

  constructor(method: string) {
    this.#method = method
  }

  add(callback: (...args: Args) => unknown): void {
    this.#callbacks.push(callback)
  }

  /** Calls all; waits for none, so that a callback may itself wait for what called it. */
  call(...args: Args): void {
    for (const callback of [...this.#callbacks]) {
      // An async function turns a throw into a rejection.
      const called = async () => callback(...args)
      called().catch((error) => fork(Effect.logError(`A callback of ${this.#method} failed`, Cause.die(error))))
    }
  }
}
