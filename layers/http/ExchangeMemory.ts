/**
 * What HTTP exchanges hold, counted in the memory budget of the process: the bodies of answers that clients have yet to read,
 * and parsed bodies of requests.
 *
 * @internal
 */
import type { ServerResponse } from "node:http"
import type { Budget } from "../../src/MemoryBudget.js"
import { memory } from "../../src/telemetry/Metrics.js"

/**
 * @internal
 */
export class ExchangeMemory {
  readonly #budget: Budget

  constructor(budget: Budget) {
    this.#budget = budget
  }

  /** Counts a body of so many bytes until its response is closed; false, and nothing counted, where there is no room for it. */
  hold(response: ServerResponse, bytes: number): boolean {
    if (bytes < COUNTED) return true
    if (this.#budget.isFull && bytes > this.#budget.share) return false
    response.once("close", this.#count(bytes))
    return true
  }

  /** Why there is no room. */
  get issue(): string {
    return `The server holds ${this.#budget.heldBytes} bytes for its clients, well over its limit. Ask again later.`
  }

  /**
   * Counts what a parsed body takes until what it returns is called. Throws `NoRoom`, with nothing counted, where there is no
   * room for it.
   */
  admit(bytes: number): () => void {
    if (bytes < COUNTED) return nothing
    const budget = this.#budget
    if (!budget.hasRoomFor(bytes)) {
      const takes = `The body would take about ${bytes} bytes once it is parsed`
      throw bytes > budget.limit
        ? new NoRoom(413, `${takes}; the server has ${budget.limit}. Send less, or raise its MemoryBudget.`)
        : new NoRoom(503, `${takes}, and the server holds ${budget.heldBytes} of ${budget.limit}. Send it again later.`)
    }
    return this.#count(bytes)
  }

  #count(bytes: number): () => void {
    const account = this.#budget.open()
    account.set(bytes)
    memory(bytes)
    return () => {
      memory(-account.bytes)
      account.close()
    }
  }
}

/**
 * There is no room to parse a body.
 *
 * @internal
 */
export class NoRoom extends Error {
  constructor(
    readonly status: 413 | 503,
    message: string
  ) {
    super(message)
  }
}

const nothing = () => {}

/** Smaller bodies are no more than what the system buffers for a connection. */
const COUNTED = 64 * 1024
