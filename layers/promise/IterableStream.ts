/**
 * From iterables, which programs without Effect make their streams of, to streams.
 *
 * @since 0.2.0
 */
import { setImmediate } from "node:timers"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { hasProperty, isPromiseLike } from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { AnySpan } from "effect/Tracer"
import { logDefect } from "../../src/internal/DefectLog.js"
import * as AmbientSpan from "./AmbientSpan.js"
import { fork } from "./Promises.js"

/**
 * Elements that come one after the other: a generator, async or not, an array, a Node or web stream.
 *
 * @since 0.2.0
 * @category models
 */
export type Elements<Element> = AsyncIterable<Element> | Iterable<Element>

/**
 * The elements of what the function gives. The stream fails with what the iterable throws. Where it ends before the iterable
 * has, `onCut` and the iterator's `return` are called; nothing waits for that, since a generator that awaits something can't
 * be interrupted.
 */
export const make = <A>(
  get: () => Elements<A> | PromiseLike<Elements<A>>,
  onCut = nothing
): Stream.Stream<A, unknown> =>
  Stream.fromPull(
    Effect.map(
      Effect.acquireRelease(
        Effect.withFiberRuntime<IteratorPull<A>>(({ currentSpan }) =>
          Effect.succeed(new IteratorPull(get, currentSpan))
        ),
        (iterator) => Effect.sync(() => iterator.leave(onCut))
      ),
      ({ pull }) => pull
    )
  )

type Pulled<A> = Effect.Effect<Chunk.Chunk<A>, Option.Option<unknown>>

/** Elements that come within one turn of the event loop are one chunk. */
class IteratorPull<A> {
  #iterator: AnyIterator<A> | undefined
  #ready: Array<A> = []
  /** Set once there are no more: why, or none. */
  #end: Option.Option<unknown> | undefined
  #isLeft = false
  /** Whether the next element is on its way. */
  #isAsking = false
  /** Takes what comes next, where that is waited for. */
  #resume: ((next: Pulled<A>) => void) | undefined

  constructor(
    private readonly get: () => Elements<A> | PromiseLike<Elements<A>>,
    /** Of which the iterable is part. */
    private readonly span: AnySpan | undefined
  ) {}

  readonly pull: Pulled<A> = Effect.async((resume) => {
    this.#resume = resume
    if (this.#end !== undefined) return this.#settle()
    if (this.#ready.length > 0) this.#settleSoon()
    if (!this.#isAsking) this.#ask()
    return this.#abandon
  })

  readonly #abandon = Effect.sync(() => {
    this.#resume = undefined
  })

  leave(onCut: () => void): void {
    this.#isLeft = true
    if (this.#end !== undefined) return
    onCut()
    if (this.#iterator !== undefined) returnFrom(this.#iterator)
  }

  #ask(): void {
    this.#isAsking = true
    try {
      const iterator = this.#iterator
      const result = AmbientSpan.within(this.span, () => (iterator === undefined ? this.get() : iterator.next()))
      if (isPromiseLike(result)) result.then(this.#onResult, this.#onError)
      else this.#onResult(result)
    } catch (error) {
      this.#onError(error)
    }
  }

  /** The iterable, at first; then its elements. */
  readonly #onResult = (result: Elements<A> | IteratorResult<A>): void => {
    this.#isAsking = false
    try {
      if (this.#iterator === undefined) this.#onIterable(result as Elements<A>)
      else this.#onNext(result as IteratorResult<A>)
    } catch (error) {
      this.#onError(error)
    }
  }

  readonly #onError = (error: unknown): void => this.#endWith(Option.some(error))

  #onIterable(elements: Elements<A>): void {
    this.#iterator = iteratorOf(elements)
    if (this.#isLeft) returnFrom(this.#iterator)
    else this.#ask()
  }

  #onNext({ done, value }: IteratorResult<A>): void {
    if (done) return this.#endWith(Option.none())
    this.#ready.push(value)
    // No more than one is fetched that nothing waits for.
    if (this.#resume === undefined) return
    if (this.#ready.length === longestChunk) return this.#settle()
    if (this.#ready.length === 1) this.#settleSoon()
    this.#ask()
  }

  #endWith(end: Option.Option<unknown>): void {
    this.#isAsking = false
    this.#end ??= end
    this.#settle()
  }

  #settle(): void {
    const resume = this.#resume
    if (resume === undefined || (this.#ready.length === 0 && this.#end === undefined)) return
    this.#resume = undefined
    const ready = this.#ready
    this.#ready = []
    resume(ready.length > 0 ? Effect.succeed(Chunk.unsafeFromArray(ready)) : Effect.fail(this.#end ?? Option.none()))
  }

  #settleSoon(): void {
    setImmediate(() => this.#settle())
  }
}

type AnyIterator<A> = AsyncIterator<A> | Iterator<A>

const iteratorOf = <A>(elements: Elements<A>): AnyIterator<A> => {
  if (hasProperty(elements, Symbol.asyncIterator)) return (elements as AsyncIterable<A>)[Symbol.asyncIterator]()
  if (hasProperty(elements, Symbol.iterator)) return (elements as Iterable<A>)[Symbol.iterator]()
  throw new TypeError("The elements of a stream are an iterable, such as a generator or an array.")
}

const returnFrom = async (iterator: AnyIterator<unknown>): Promise<void> => {
  try {
    await iterator.return?.()
  } catch (error) {
    fork(logDefect("The iterator of a stream failed when it was left early", error))
  }
}

const longestChunk = 64

function nothing() {}
