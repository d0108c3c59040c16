/**
 * What happened, in order: read, awaited and streamed.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

export class Recording<A> {
  readonly #label: string
  readonly #listeners = new Set<Listener<A>>()
  #items: Array<A> = []
  #ended = false

  /** `label` names the recorder in the defect of `awaitNth`. */
  constructor(label: string) {
    this.#label = label
  }

  readonly add = (item: A): void => {
    if (this.#ended) return
    this.#items.push(item)
    for (const listener of this.#listeners) listener.onItem(item)
  }

  /** Records no more: streams end, and awaiting dies. */
  readonly end = (): void => {
    this.#ended = true
    for (const listener of this.#listeners) listener.onEnd()
    this.#listeners.clear()
  }

  readonly all: Effect.Effect<ReadonlyArray<A>> = Effect.sync(() => this.#items.slice())

  readonly reset: Effect.Effect<void> = Effect.sync(() => {
    this.#items = []
  })

  readonly awaitNth = (n: number): Effect.Effect<A> =>
    Effect.async((resume) => {
      const giveUp = () => {
        const seen = this.#items.length === 0 ? "nothing" : `only ${this.#items.length}`
        resume(Effect.dieMessage(`${this.#label} was removed and had recorded ${seen}, so number ${n} never comes.`))
      }
      const look = () => {
        const item = this.#items[n - 1]
        if (item !== undefined) resume(Effect.succeed(item))
        return item !== undefined
      }
      if (look()) return
      if (this.#ended) return giveUp()
      const listener: Listener<A> = {
        onItem: () => {
          if (look()) this.#listeners.delete(listener)
        },
        onEnd: giveUp
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
          for (const item of this.#items) emit.single(item)
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
