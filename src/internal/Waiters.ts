/**
 * Effects that wait for a condition.
 *
 * @internal
 */
import * as Effect from "effect/Effect"

/** Each waits until its own look finds what it waits for. */
export class Waiters {
  private waiting: Set<() => boolean> | undefined

  /** Calls back at each `announce` until it returns true. */
  add(look: () => boolean): void {
    this.waiting ??= new Set()
    this.waiting.add(look)
  }

  /** Ends with the result of `look`, now or at a later `announce`. */
  until<A, E>(look: () => Effect.Effect<A, E> | undefined): Effect.Effect<A, E> {
    return Effect.async((resume) => {
      const attempt = () => {
        const found = look()
        if (found !== undefined) resume(found)
        return found !== undefined
      }
      if (attempt()) return
      this.add(attempt)
      return Effect.sync(() => this.waiting?.delete(attempt))
    })
  }

  /** Something has changed: each looks again. */
  announce(): void {
    const { waiting } = this
    if (waiting === undefined) return
    for (const attempt of waiting) if (attempt()) waiting.delete(attempt)
  }
}
