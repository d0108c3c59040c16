/**
 * Handlers of programs without Effect, kept apart from the service: they may be registered before it runs, and are attached
 * again each time it starts.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { isPromiseLike } from "effect/Predicate"
import * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { UntypedRequest } from "../../src/IPCRequest.js"
import { nameOf } from "../../src/IPCRequest.js"
import type { UntypedStream } from "../../src/IPCStream.js"
import type { Traits } from "../../src/internal/CallbackEffect.js"
import { CallbackEffect } from "../../src/internal/CallbackEffect.js"
import type { OnEnd } from "../../src/internal/Waiting.js"
import * as AmbientSpan from "./AmbientSpan.js"
import { runSync } from "./Promises.js"

/** One handler per request, or per stream; a new registration replaces the one before. */
export class PromiseHandlers<Definition, Args extends ReadonlyArray<unknown>, Answer> {
  readonly #entries = new Map<string, Entry<Definition, Args, Answer>>()
  #register: ((entry: Entry<Definition, Args, Answer>) => void) | undefined

  private constructor(private readonly nameOf: (definition: Definition) => string) {}

  /** Handlers of requests, each made by {@link answer}. */
  static readonly ofRequests = <Args extends ReadonlyArray<unknown>>() =>
    new PromiseHandlers<UntypedRequest, Args, Effect.Effect<unknown, unknown>>(nameOf)

  /** Handlers of streams. */
  static readonly ofStreams = () =>
    new PromiseHandlers<UntypedStream, ReadonlyArray<unknown>, Stream.Stream<unknown, unknown>>(({ name }) => name)

  set(definition: Definition, handler: (...args: Args) => Answer): void {
    const name = this.nameOf(definition)
    const present = this.#entries.get(name)
    if (present?.definition === definition) {
      present.handler = handler
      return
    }
    const entry = { definition, handler }
    this.#entries.set(name, entry)
    this.#register?.(entry)
  }

  /**
   * Registers the handlers, also those set from now on, by the service's `handle` or `handleStream`, until the scope closes.
   */
  attach(
    handle: (definition: Definition, handler: (...args: Args) => Answer) => Effect.Effect<void, never, Scope.Scope>
  ): Effect.Effect<void, never, Scope.Scope> {
    return Effect.flatMap(Effect.scope, (scope) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          this.#register = (entry) => {
            const handling = handle(entry.definition, (...args) => entry.handler(...args))
            runSync(Scope.extend(handling, scope))
          }
          for (const entry of this.#entries.values()) this.#register(entry)
        }),
        () =>
          Effect.sync(() => {
            this.#register = undefined
          })
      )
    )
  }
}

interface Entry<Definition, Args extends ReadonlyArray<unknown>, Answer> {
  readonly definition: Definition
  handler: (...args: Args) => Answer
}

/** Calls a request's handler; without a fiber, whether it returns, throws or gives a promise. */
export const answer = (call: () => unknown): Effect.Effect<unknown, unknown> =>
  answerBy(call, (promise) => new CallbackEffect((onEnd) => settle(promise, onEnd), untraced))

/** Calls a handler: what it returns or throws at once, or what `wait` makes of its promise. */
export const answerBy = (
  call: () => unknown,
  wait: (promise: PromiseLike<unknown>) => Effect.Effect<unknown, unknown>
): Effect.Effect<unknown, unknown> => {
  try {
    const result = AmbientSpan.callHandler(call)
    return result instanceof Promise || isPromiseLike(result) ? wait(result) : Exit.succeed(result)
  } catch (error) {
    return Exit.fail(error)
  }
}

/** Calls back with what a promise settles to. */
export const settle = (promise: PromiseLike<unknown>, onEnd: OnEnd<unknown, unknown>): undefined => {
  Promise.resolve(promise).then(
    (value) => onEnd(Exit.succeed(value)),
    (error) => onEnd(Exit.fail(error))
  )
}

const untraced: Traits = { interruptible: true, traced: false }
