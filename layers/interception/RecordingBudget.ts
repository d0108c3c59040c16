/**
 * How many bytes the recorded bodies and messages of a gateway take together.
 *
 * @internal
 */

/** A recorded body or message whose bytes can be dropped. */
export interface Droppable {
  readonly size: number
  readonly drop: () => void
}

export class RecordingBudget {
  readonly #maxBytes: number
  #held = 0
  /** Oldest first. */
  readonly #droppable = new Set<Droppable>()

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Whether as many more bytes may be held. Drops the oldest that were recorded, as far as necessary. */
  reserve(bytes: number): boolean {
    for (const oldest of this.#droppable) {
      if (this.#held + bytes <= this.#maxBytes) break
      this.release(oldest)
      oldest.drop()
    }
    if (this.#held + bytes > this.#maxBytes) return false
    this.#held += bytes
    return true
  }

  /** From now on the reserved bytes may be dropped. */
  add(recorded: Droppable): void {
    this.#droppable.add(recorded)
  }

  /** The bytes are no longer held. */
  release(recorded: Droppable): void {
    if (this.#droppable.delete(recorded)) this.#held -= recorded.size
  }
}
