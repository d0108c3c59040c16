/**
 * Things as they happen: to be read, awaited and streamed.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/**
 * @since 0.1.0
 * @category models
 */
export class Recording<A> {
  readonly #what: string
  readonly #listeners = new Set<Listener<A>>()
  #kept: Array<A> = []
  #ended = false

  /** `what` names one of them in the defect of who waits in vain. */
  constructor(what: string) {
    this.#what = what
  }

  readonly add = (item: A): void => {
    if (this.#ended) return
    this.#kept.push(item)
    for (const listener of this.#listeners) listener.onItem(item)
  }

  /** Whoever waits or streams gets no more. */
  readonly end = (): void => {
    this.#ended = true
    for (const listener of this.#listeners) listener.onEnd()
    this.#listeners.clear()
  }

  readonly all: Effect.Effect<ReadonlyArray<A>> = Effect.sync(() => this.#kept.slice())

  readonly reset: Effect.Effect<void> = Effect.sync(() => {
    this.#kept = []
  })

  readonly awaitNth = (n: number): Effect.Effect<A> =>
    Effect.async((resume) => {
      const inVain = () => {
        const came = this.#kept.length === 0 ? "none came" : `only ${this.#kept.length} came`
        resume(Effect.dieMessage(`${this.#what} has gone; ${came}, so number ${n} never will.`))
      }
      const look = () => {
        const item = this.#kept[n - 1]
        if (item !== undefined) resume(Effect.succeed(item))
        return item !== undefined
      }
      if (look()) return
      if (this.#ended) return inVain()
      const listener: Listener<A> = {
        onItem: () => {
          if (look()) this.#listeners.delete(listener)
        },
        onEnd: inVain
      }
      this.#listeners.add(listener)
      return Effect.sync(() => {
        this.#listeners.delete(listener)
      })
    })

  readonly stream: Stream.Stream<A> = Stream.asyncPush<A>(
    (emit) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const listener: Listener<A> = { onItem: (item) => emit.single(item), onEnd: () => emit.end() }
          for (const item of this.#kept) emit.single(item)
          if (this.#ended) emit.end()
          else this.#listeners.add(listener)
          return listener
        }),
        (listener) => Effect.sync(() => this.#listeners.delete(listener))
      ),
    { bufferSize: "unbounded" }
  )
}

interface Listener<A> {
  readonly onItem: (item: A) => void
  readonly onEnd: () => void
}
