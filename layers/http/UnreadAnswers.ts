/**
 * The bodies of answers that clients have yet to read, counted in the memory budget of the process.
 *
 * @internal
 */
import type { ServerResponse } from "node:http"
import type { Budget } from "../../src/MemoryBudget.js"
import { memory } from "../../src/telemetry/Metrics.js"

/**
 * @internal
 */
export class UnreadAnswers {
  readonly #budget: Budget

  constructor(budget: Budget) {
    this.#budget = budget
  }

  /** Counts a body of so many bytes until its response is closed; false, and nothing counted, where there is no room for it. */
  hold(response: ServerResponse, bytes: number): boolean {
    if (bytes < COUNTED) return true
    const budget = this.#budget
    if (budget.isFull && bytes > budget.share) return false
    const account = budget.open()
    account.set(bytes)
    memory(bytes)
    response.once("close", () => {
      account.close()
      memory(-bytes)
    })
    return true
  }

  /** Why there is no room. */
  get issue(): string {
    return `The server holds ${this.#budget.heldBytes} bytes for its clients, well over its limit. Ask again later.`
  }
}

/** Smaller bodies are no more than what the system buffers for a connection. */
const COUNTED = 64 * 1024
