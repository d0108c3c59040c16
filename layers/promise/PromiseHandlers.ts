/**
 * Request handlers that return promises, kept apart from the service: they may be registered before it runs, and are
 * attached again each time it starts.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { isPromiseLike } from "effect/Predicate"
import * as Scope from "effect/Scope"
import type { Direction, Shaped } from "../../src/IPCRequest.js"
import { nameOf, untyped } from "../../src/IPCRequest.js"
import { CallbackEffect } from "../../src/internal/CallbackEffect.js"
import { runSync } from "./Promises.js"

/** `handle` of either service. */
export type Handle<D extends Direction, Args extends ReadonlyArray<unknown>> = (
  request: Shaped<D, unknown, unknown, unknown>,
  handler: (...args: Args) => Effect.Effect<unknown, unknown>
) => Effect.Effect<void, never, Scope.Scope>

/** One handler per request; a new registration replaces the one before. */
export class PromiseHandlers<D extends Direction, Args extends ReadonlyArray<unknown>> {
  readonly #entries = new Map<string, Entry<D, Args>>()
  #register: ((entry: Entry<D, Args>) => void) | undefined

  set<Payload, Success, Failure>(
    request: Shaped<D, Payload, Success, Failure>,
    handler: (...args: Args) => unknown
  ): void {
    const name = nameOf(untyped(request))
    const erased = request as unknown as Entry<D, Args>["request"]
    const present = this.#entries.get(name)
    if (present?.request === erased) {
      present.handler = handler
      return
    }
    const entry: Entry<D, Args> = { request: erased, handler }
    this.#entries.set(name, entry)
    this.#register?.(entry)
  }

  /** Registers the handlers, also those set from now on, until the scope closes. */
  attach(handle: Handle<D, Args>): Effect.Effect<void, never, Scope.Scope> {
    return Effect.flatMap(Effect.scope, (scope) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          this.#register = (entry) =>
            runSync(
              Scope.extend(
                handle(entry.request, (...args) => answer(() => entry.handler(...args))),
                scope
              )
            )
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

/** Calls a handler; without a fiber where it returns or throws at once. */
export const answer = (call: () => unknown): Effect.Effect<unknown, unknown> => {
  const result = settle(call)
  return isPromiseLike(result) ? awaiting(result) : result
}

/** A call's result or throw as an Exit, or its promise of one. */
export const settle = (call: () => unknown): Exit.Exit<unknown, unknown> | Promise<Exit.Exit<unknown, unknown>> => {
  try {
    const result = call()
    return isPromiseLike(result) ? Promise.resolve(result).then(Exit.succeed, Exit.fail) : Exit.succeed(result)
  } catch (error) {
    return Exit.fail(error)
  }
}

const awaiting = (promise: Promise<Exit.Exit<unknown, unknown>>): Effect.Effect<unknown, unknown> =>
  new CallbackEffect((onEnd) => {
    promise.then(onEnd)
    return undefined
  })

interface Entry<D extends Direction, Args extends ReadonlyArray<unknown>> {
  readonly request: Shaped<D, unknown, unknown, unknown>
  handler: (...args: Args) => unknown
}
