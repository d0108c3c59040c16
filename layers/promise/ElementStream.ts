/**
 * A stream's elements for programs without Effect: an async iterator that opens the stream, and closes it when it is left.
 *
 * @since 0.2.0
 */
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as AmbientSpan from "./AmbientSpan.js"
import { asyncDispose } from "./Disposal.js"
import { exitOf, fork, handled, run, runSync } from "./Promises.js"

/**
 * The elements of one stream, in order. The stream is opened by the first `next`, so by the loop, and ends early by `return`,
 * so by leaving the loop; `await using` does the same at the end of a block.
 *
 * `next` rejects with the stream's failure, after the elements that came before it.
 *
 * @since 0.2.0
 * @category models
 */
export interface ElementStream<Element> extends AsyncIterable<Element> {
  next(): Promise<IteratorResult<Element, undefined>>
  /** Ends the stream early; resolves once nothing of it is left. A `next` that waits resolves as done. */
  return(): Promise<IteratorResult<Element, undefined>>
  [Symbol.asyncIterator](): ElementStream<Element>
  /** `return`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}

/** Runs the stream as its elements are asked for; aborting the signal ends it with the signal's reason. */
export const make = <A>(stream: Stream.Stream<A, unknown>, signal?: AbortSignal): ElementStream<A> =>
  new PulledStream(AmbientSpan.provideToStream(stream), signal)

class PulledStream<A> implements ElementStream<A> {
  readonly #stream: Stream.Stream<A, unknown>
  readonly #signal: AbortSignal | undefined
  readonly #scope = runSync(Scope.make())
  #pull: Effect.Effect<Chunk.Chunk<A>, Option.Option<unknown>> | undefined
  #pulling: Fiber.RuntimeFiber<void, Option.Option<unknown>> | undefined
  /** What has been pulled, and how many of them have been taken. */
  #ready: ReadonlyArray<A> = []
  #taken = 0
  /** Calls of `next` take turns. */
  #lastCall: Promise<unknown> = Promise.resolve()
  #waitingCalls = 0
  #failure: { readonly error: unknown } | undefined
  #closing: Promise<void> | undefined

  constructor(stream: Stream.Stream<A, unknown>, signal: AbortSignal | undefined) {
    this.#stream = stream
    this.#signal = signal
  }

  next(): Promise<IteratorResult<A, undefined>> {
    if (this.#waitingCalls === 0 && this.#taken < this.#ready.length) return Promise.resolve(this.#take())
    this.#waitingCalls++
    const result = this.#lastCall.then(() => this.#advance())
    this.#lastCall = result.then(this.#callEnded, this.#callEnded)
    return handled(result)
  }

  async return(): Promise<IteratorResult<A, undefined>> {
    await this.#close()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  [asyncDispose](): Promise<void> {
    return this.#close()
  }

  async #advance(): Promise<IteratorResult<A, undefined>> {
    while (this.#taken === this.#ready.length && this.#closing === undefined) await this.#fill()
    if (this.#taken < this.#ready.length) return this.#take()
    await this.#closing
    const failure = this.#failure
    if (failure === undefined) return { done: true, value: undefined }
    // It is told once.
    this.#failure = undefined
    throw failure.error
  }

  async #fill(): Promise<void> {
    if (this.#signal?.aborted === true) return this.#close({ error: this.#signal.reason })
    if (this.#pull === undefined) {
      this.#signal?.addEventListener("abort", this.#onAbort)
      this.#pull = runSync(Scope.extend(Stream.toPull(this.#stream), this.#scope))
    }
    // What outlives the fiber keeps its exit, and so must not keep the elements.
    this.#pulling = fork(Effect.map(this.#pull, this.#onPulled))
    const exit = await exitOf(this.#pulling)
    this.#pulling = undefined
    if (this.#closing === undefined && Exit.isFailure(exit)) await this.#close(failureOf(exit.cause))
  }

  readonly #onPulled = (elements: Chunk.Chunk<A>): void => {
    if (this.#closing !== undefined) return
    this.#ready = Chunk.toReadonlyArray(elements)
    this.#taken = 0
  }

  #take(): IteratorResult<A, undefined> {
    return { done: false, value: this.#ready[this.#taken++] as A }
  }

  readonly #callEnded = () => {
    this.#waitingCalls--
  }

  readonly #onAbort = () => {
    this.#close({ error: this.#signal?.reason })
  }

  /** The first call decides how it ends. */
  #close(failure?: { readonly error: unknown }): Promise<void> {
    if (this.#closing === undefined) {
      this.#failure = failure
      this.#signal?.removeEventListener("abort", this.#onAbort)
      this.#ready = []
      this.#taken = 0
      this.#closing = this.#release()
    }
    return this.#closing
  }

  async #release(): Promise<void> {
    if (this.#pulling !== undefined) await run(Fiber.interrupt(this.#pulling))
    await run(Scope.close(this.#scope, Exit.void))
  }
}

/** None at the stream's end. */
const failureOf = (cause: Cause.Cause<Option.Option<unknown>>): { readonly error: unknown } | undefined =>
  Option.match(Cause.failureOption(cause), {
    onNone: () => ({ error: Cause.squash(cause) }),
    onSome: Option.match({ onNone: () => undefined, onSome: (error) => ({ error }) })
  })
