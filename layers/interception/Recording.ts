/**
 * What happened, in order: read, awaited and streamed.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { realTime } from "../process/RealClock.js"

/** How long to wait for something to be recorded. Default without limit. */
export interface AwaitOptions {
  readonly timeout?: Duration.DurationInput | undefined
}

export class Recording<A> {
  readonly #label: string
  readonly #explain: () => string
  readonly #listeners = new Set<() => void>()
  #items: Array<A> = []
  /** How many were recorded before the first that is kept. */
  #dropped = 0
  /** How many were recorded before the last reset. */
  #forgotten = 0
  #ended = false

  /** `label` names what is recorded in the defects of `awaitNth`, `explain` describes what was recorded instead. */
  constructor(label: string, explain: () => string = () => "") {
    this.#label = label
    this.#explain = explain
  }

  readonly add = (item: A): void => {
    if (this.#ended) return
    this.#items.push(item)
    // Many at once, as the others move each time.
    if (this.#items.length > MAX_ITEMS + SLACK) this.#dropped += this.#items.splice(0, SLACK).length
    this.#notify()
  }

  /** Records no more: streams end, and awaiting dies. */
  readonly end = (): void => {
    this.#ended = true
    this.#notify()
  }

  readonly all: Effect.Effect<ReadonlyArray<A>> = Effect.sync(() => this.#items.slice())

  readonly reset: Effect.Effect<void> = Effect.sync(() => {
    this.#forgotten = this.#total
    this.#items = []
    this.#dropped = this.#forgotten
  })

  /** Waits for the n-th since the last reset. Dies where that is never recorded, or not within the timeout. */
  readonly awaitNth = (n: number, { timeout }: AwaitOptions = {}): Effect.Effect<A> => {
    const waiting = Effect.map(
      this.#await(() => this.#forgotten + n - 1, `number ${n}`),
      ({ item }) => item
    )
    if (timeout === undefined) return waiting
    return realTime(
      Effect.timeoutOption(waiting, timeout).pipe(
        Effect.flatMap(
          Option.match({
            onNone: () => Effect.dieMessage(this.#missed(n, timeout)),
            onSome: Effect.succeed
          })
        )
      )
    )
  }

  /** Reads as fast as its consumer; what was dropped meanwhile is left out. */
  readonly stream: Stream.Stream<A> = Stream.suspend(() =>
    Stream.unfoldEffect(this.#forgotten, (next) =>
      Effect.map(
        Effect.option(
          Effect.catchAllDefect(
            this.#await(() => Math.max(next, this.#dropped), ""),
            Effect.fail
          )
        ),
        Option.map(({ item, position }) => [item, position + 1] as const)
      )
    )
  )

  get #total(): number {
    return this.#dropped + this.#items.length
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener()
  }

  #await(positionOf: () => number, what: string): Effect.Effect<Recorded<A>> {
    return Effect.async((resume) => {
      const look = () => {
        const position = positionOf()
        const at = position - this.#dropped
        if (at < 0) return settle(Effect.dieMessage(`${this.#label}: ${what} was dropped, as too many followed it.`))
        if (at < this.#items.length) return settle(Effect.succeed({ item: this.#items[at] as A, position }))
        if (this.#ended)
          settle(
            Effect.dieMessage(`${this.#label} was removed and had recorded ${this.#seen}, so ${what} never comes.`)
          )
      }
      const settle = (effect: Effect.Effect<Recorded<A>>) => {
        this.#listeners.delete(look)
        resume(effect)
      }
      this.#listeners.add(look)
      look()
      return Effect.sync(() => {
        this.#listeners.delete(look)
      })
    })
  }

  get #seen(): string {
    const count = this.#total - this.#forgotten
    return count === 0 ? "nothing" : `only ${count}`
  }

  #missed(n: number, timeout: Duration.DurationInput): string {
    const instead = this.#explain()
    const text = `${this.#label} recorded ${this.#seen} within ${Duration.format(Duration.decode(timeout))}; number ${n} was awaited.`
    return instead === "" ? text : `${text}\n${instead}`
  }
}

interface Recorded<A> {
  readonly item: A
  /** Counted from the first that was ever recorded. */
  readonly position: number
}

/** How many are kept. */
const MAX_ITEMS = 100_000

const SLACK = 10_000
