/**
 * The beginning of a body, kept while the body passes.
 *
 * @internal
 */
import type { RecordingBudget } from "./RecordingBudget.js"

export class RecordedBody {
  readonly #maxBytes: number
  readonly #budget: RecordingBudget
  #chunks: Array<Buffer> = []
  /** In bytes. */
  size = 0
  /** Whether not all of it was kept. */
  overflowed = false

  constructor(maxBytes: number, budget: RecordingBudget) {
    this.#maxBytes = maxBytes
    this.#budget = budget
  }

  add(bytes: Buffer): void {
    if (this.overflowed || bytes.length === 0) return
    const kept = bytes.subarray(0, this.#maxBytes - this.size)
    if (kept.length < bytes.length) this.overflowed = true
    if (kept.length === 0) return
    if (!this.#budget.reserve(kept.length)) {
      this.overflowed = true
      return
    }
    // A copy: the chunk's memory may be used again.
    this.#chunks.push(Buffer.from(kept))
    this.size += kept.length
  }

  bytes(): Buffer {
    const whole = Buffer.concat(this.#chunks, this.size)
    this.#chunks = [whole]
    return whole
  }
}
