/**
 * Scopes with promises: what programs without Effect acquire, each with a handle that releases it.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { ConnectionClosed } from "../../src/IPCError.js"
import { notOpen } from "./NotOpen.js"
import * as Promises from "./Promises.js"

/** A value, and the handle that releases it. */
export interface Acquired<A> {
  readonly value: A
  readonly handle: ScopeHandle
}

/** A scope that a promise closes. Errors call it by its label. */
export class ScopeHandle {
  readonly #scope: Scope.CloseableScope
  readonly #label: string
  #closing: Promise<void> | undefined

  private constructor(label: string, scope: Scope.CloseableScope) {
    this.#label = label
    this.#scope = scope
  }

  /** Acquires in a new scope. */
  static readonly make = <A, E>(
    label: string,
    acquire: Effect.Effect<A, E, Scope.Scope>
  ): Effect.Effect<Acquired<A>, E> =>
    Effect.flatMap(Scope.make(), (scope) => acquireIn(scope, acquire, new ScopeHandle(label, scope)))

  /** Acquires in a scope of its own that closes with this one at the latest. Fails with `ConnectionClosed` once closed. */
  acquire<A, E>(
    method: string,
    label: string,
    acquire: Effect.Effect<A, E, Scope.Scope>
  ): Effect.Effect<Acquired<A>, E | ConnectionClosed> {
    return this.use(
      method,
      Effect.flatMap(Scope.fork(this.#scope, ExecutionStrategy.sequential), (scope) =>
        acquireIn(scope, acquire, new ScopeHandle(label, scope))
      )
    )
  }

  /** Runs the effect in this scope. Fails with `ConnectionClosed` once closed. */
  use<A, E>(method: string, effect: Effect.Effect<A, E, Scope.Scope>): Effect.Effect<A, E | ConnectionClosed> {
    return Effect.suspend((): Effect.Effect<A, E | ConnectionClosed> => {
      if (this.#closing === undefined) return Scope.extend(effect, this.#scope)
      return notOpen(method, this.#label, `${method}() was called after ${this.#label} had been closed.`)
    })
  }

  /** Releases everything; resolves when that is done. The first call rejects where a finalizer dies, later ones resolve. */
  readonly close = (): Promise<void> => {
    if (this.#closing !== undefined) return this.#closing
    const closing = Promises.run(Scope.close(this.#scope, Exit.void))
    this.#closing = closing.catch(() => {})
    return closing
  }
}

const acquireIn = <A, E>(
  scope: Scope.CloseableScope,
  acquire: Effect.Effect<A, E, Scope.Scope>,
  handle: ScopeHandle
): Effect.Effect<Acquired<A>, E> =>
  Scope.extend(acquire, scope).pipe(
    Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
    Effect.map((value) => ({ value, handle }))
  )
