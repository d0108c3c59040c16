/**
 * Counts in the process's memory budget what HTTP exchanges hold: bodies of responses that clients haven't read yet, and
 * parsed bodies of requests.
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

  /** Counts a body until its response is closed. Returns false, and counts nothing, if there is no room for it. */
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
   * Counts the memory of a parsed body until the returned function is called. Throws `NoRoom`, and counts nothing, if there
   * is no room for it.
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

/** Smaller bodies aren't counted: the system's own buffers of a connection are as large. In bytes. */
const COUNTED = 64 * 1024
