/**
 * What happened, in order: read, awaited and streamed.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { AwaitOptions } from "../../src/HttpInterception.js"
import { realTime } from "../process/RealClock.js"
import * as Validation from "./Validation.js"

export class Recording<A> {
  readonly #label: string
  readonly #done: string
  readonly #explain: Effect.Effect<string>
  readonly #listeners = new Set<() => void>()
  #items: Array<A> = []
  /** How many were recorded before the first that is kept. */
  #dropped = 0
  /** How many were recorded before the last reset. */
  #forgotten = 0
  #ended = false

  /**
   * Errors say that `label` (such as "The mock GET /users") `done` (such as "answered") too few; `explain` tells what came
   * instead.
   */
  constructor(label: string, done: string, explain: Effect.Effect<string>) {
    this.#label = label
    this.#done = done
    this.#explain = explain
  }

  readonly add = (item: A): void => {
    if (this.#ended) return
    this.#items.push(item)
    // Many at once, as the others move each time.
    if (this.#items.length > MAX_ITEMS + SLACK) this.#dropped += this.#items.splice(0, SLACK).length
    this.#notify()
  }

  /** Takes back what was added. */
  readonly remove = (item: A): void => {
    const at = this.#items.lastIndexOf(item)
    if (at !== -1) this.#items.splice(at, 1)
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
  readonly awaitNth =
    (call: string) =>
    (n: number, options: AwaitOptions = {}): Effect.Effect<A> => {
      const { timeout } = options ?? {}
      const waiting = Effect.map(
        this.#await(() => this.#forgotten + n - 1, `number ${n}`),
        ({ item }) => item
      )
      return Effect.zipRight(
        Effect.orDie(Validation.checkNth(call, n, options)),
        timeout === undefined ? waiting : withinRealTime(waiting, timeout, this.#missed(n, timeout))
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
        if (at < 0)
          return settle(
            Effect.dieMessage(
              `${this.#label}: ${what} was dropped, as too many followed it. Await it sooner, or call reset.`
            )
          )
        if (at < this.#items.length) return settle(Effect.succeed({ item: this.#items[at] as A, position }))
        if (this.#ended)
          settle(
            Effect.flatMap(
              this.#explained(
                `${this.#label} was removed and had ${this.#done} ${this.#seen}, so ${what} never comes.`
              ),
              Effect.dieMessage
            )
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

  #missed(n: number, timeout: Duration.DurationInput): Effect.Effect<string> {
    return Effect.suspend(() => {
      const within = Duration.format(Duration.decode(timeout))
      return this.#explained(`${this.#label} ${this.#done} ${this.#seen} within ${within}; number ${n} was awaited.`)
    })
  }

  #explained(text: string): Effect.Effect<string> {
    return Effect.map(this.#explain, (explanation) => (explanation === "" ? text : `${text}\n${explanation}`))
  }
}

/** Dies with the message where the effect takes longer, by the real clock. */
export const withinRealTime = <A>(
  effect: Effect.Effect<A>,
  timeout: Duration.DurationInput,
  message: Effect.Effect<string>
): Effect.Effect<A> =>
  realTime(
    Effect.flatMap(
      Effect.timeoutOption(effect, timeout),
      Option.match({ onNone: () => Effect.flatMap(message, Effect.dieMessage), onSome: Effect.succeed })
    )
  )

interface Recorded<A> {
  readonly item: A
  /** Counted from the first that was ever recorded. */
  readonly position: number
}

/** How many are kept. */
const MAX_ITEMS = 100_000

const SLACK = 10_000
