/**
 * Callbacks that users of the facade register.
 *
 * @internal
 */

import { logDefect } from "../../src/internal/DefectLog.js"
import * as AmbientSpan from "./AmbientSpan.js"
import * as CallArguments from "./CallArguments.js"
import { fork } from "./Promises.js"

/**
 * The callbacks registered with one method, called in that order. Where one throws or rejects, that is logged and the
 * others are called.
 */
export class Callbacks<Args extends ReadonlyArray<unknown>> {
  readonly #callbacks: Array<(...args: Args) => unknown> = []
  readonly #method: string

  constructor(method: string) {
    this.#method = method
  }

  add(callback: (...args: Args) => unknown): void {
    CallArguments.checkFunction(this.#method, "callback", callback)
    this.#callbacks.push(callback)
  }

  /** Registers for the next call alone. */
  addOnce(callback: (...args: Args) => unknown): void {
    CallArguments.checkFunction(this.#method, "callback", callback)
    const once = (...args: Args) => {
      this.#callbacks.splice(this.#callbacks.indexOf(once), 1)
      return callback(...args)
    }
    this.#callbacks.push(once)
  }

  /** Calls all and waits for none, so that a callback may wait for its caller. */
  call(...args: Args): void {
    for (const callback of [...this.#callbacks]) {
      const called = async () => AmbientSpan.within(undefined, () => callback(...args))
      called().catch((error) => fork(logDefect(`A callback of ${this.#method} failed`, error)))
    }
  }
}
