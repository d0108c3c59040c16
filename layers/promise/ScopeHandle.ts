/**
 * What tests that don't use Effect hold open: each thing until it is closed, and all until their handle is.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { ConnectionClosed } from "../../src/IPCError.js"
import { notOpen } from "./NotOpen.js"
import * as Promises from "./Promises.js"

/**
 * Something held open.
 *
 * @since 0.1.0
 * @category models
 */
export interface Held<A> {
  readonly value: A
  readonly handle: ScopeHandle
}

/**
 * A scope behind promises. `what` names in errors what is closed with it.
 *
 * @since 0.1.0
 * @category models
 */
export class ScopeHandle {
  readonly #scope: Scope.CloseableScope
  readonly #what: string
  #closing: Promise<void> | undefined

  private constructor(what: string, scope: Scope.CloseableScope) {
    this.#what = what
    this.#scope = scope
  }

  /** Acquires what is to be held, until the handle it comes with is closed. */
  static readonly make = <A, E>(what: string, acquire: Effect.Effect<A, E, Scope.Scope>): Effect.Effect<Held<A>, E> =>
    Effect.flatMap(Scope.make(), (scope) => keepIn(scope, acquire, new ScopeHandle(what, scope)))

  /** Acquires something else, with a handle of its own. Fails with `ConnectionClosed` where this one is closed. */
  keep<A, E>(
    method: string,
    what: string,
    acquire: Effect.Effect<A, E, Scope.Scope>
  ): Effect.Effect<Held<A>, E | ConnectionClosed> {
    return this.whileOpen(
      method,
      Effect.flatMap(Scope.fork(this.#scope, ExecutionStrategy.sequential), (scope) =>
        keepIn(scope, acquire, new ScopeHandle(what, scope))
      )
    )
  }

  /** Does something whose traces go with this handle. Fails with `ConnectionClosed` where it is closed. */
  whileOpen<A, E>(method: string, effect: Effect.Effect<A, E, Scope.Scope>): Effect.Effect<A, E | ConnectionClosed> {
    return Effect.suspend((): Effect.Effect<A, E | ConnectionClosed> => {
      if (this.#closing === undefined) return Scope.extend(effect, this.#scope)
      return notOpen(method, this.#what, `${method}() was called after ${this.#what} had been closed.`)
    })
  }

  /** Releases everything; resolves when that is done. Rejects, once, with what went wrong. */
  readonly close = (): Promise<void> => {
    if (this.#closing !== undefined) return this.#closing
    const closing = Promises.run(Scope.close(this.#scope, Exit.void))
    this.#closing = closing.catch(() => {})
    return closing
  }
}

const keepIn = <A, E>(
  scope: Scope.CloseableScope,
  acquire: Effect.Effect<A, E, Scope.Scope>,
  handle: ScopeHandle
): Effect.Effect<Held<A>, E> =>
  Scope.extend(acquire, scope).pipe(
    Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
    Effect.map((value) => ({ value, handle }))
  )
