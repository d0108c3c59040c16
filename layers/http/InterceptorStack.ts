/**
 * Watchers and interceptors of a gateway: what sees an exchange before a route or the proxy does.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Exchange, goOn } from "./Exchange.js"
import * as ScopedList from "./ScopedList.js"

/**
 * Takes an exchange, or passes on that exchange or a substitute, once, now or later.
 *
 * @internal
 */
export type GatewayInterceptor = (exchange: Exchange, passOn: (exchange: Exchange) => void) => void

/**
 * Sees an exchange as it arrives. Gives that exchange or a substitute, which goes on in its place. Must not throw.
 *
 * @internal
 */
export type GatewayWatcher = (exchange: Exchange) => Exchange

/**
 * An interceptor in words, for the inspector.
 *
 * @internal
 */
export interface InterceptorDescription {
  readonly kind: string
  readonly name: string
  readonly calls: number
  readonly times?: number | undefined
}

/**
 * Where an interceptor is put, and how it is described.
 *
 * @internal
 */
export interface InterceptOptions {
  /** Default 0. */
  readonly order?: number
  readonly describe?: () => InterceptorDescription
}

/**
 * The watchers and interceptors of one gateway.
 *
 * @internal
 */
export interface InterceptorStack {
  /** Shows the exchange to every watcher, then to the interceptors from the top; what they pass on is answered. */
  readonly begin: (exchange: Exchange) => void
  /** Adds a watcher until the scope closes. */
  readonly watch: (watcher: GatewayWatcher) => Effect.Effect<void, never, Scope.Scope>
  /** Puts the interceptor above those of the same order and less until the scope closes. */
  readonly intercept: (
    interceptor: GatewayInterceptor,
    options?: InterceptOptions
  ) => Effect.Effect<void, never, Scope.Scope>
  /** The interceptors that describe themselves, topmost first. */
  readonly descriptions: () => ReadonlyArray<InterceptorDescription>
}

/**
 * An empty stack. `answer` gets what no interceptor takes.
 *
 * @internal
 */
export const make = (answer: (exchange: Exchange) => void): InterceptorStack => {
  const watchers = ScopedList.make<GatewayWatcher>()
  /** Topmost first. Replaced, never changed: an exchange under way keeps the order it came in by. */
  let interceptors: ReadonlyArray<PlacedInterceptor> = []

  const begin = (arrived: Exchange) => {
    let exchange = arrived
    for (const watcher of watchers.values) exchange = watcher(exchange)
    if (interceptors.length === 0) answer(exchange)
    else offer(exchange, interceptors, 0)
  }

  const offer = (exchange: Exchange, stack: ReadonlyArray<PlacedInterceptor>, from: number): void => {
    for (let at = from; at < stack.length; at++) {
      const placed = stack[at] as PlacedInterceptor
      if (placed.removed) continue
      return placed.value(exchange, (next) => goOn(next, (next) => offer(next, stack, at + 1)))
    }
    answer(exchange)
  }

  const intercept = (value: GatewayInterceptor, { describe, order = 0 }: InterceptOptions = {}) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const placed: PlacedInterceptor = { value, describe, order, removed: false }
        const above = interceptors.filter((other) => other.order > order)
        interceptors = [...above, placed, ...interceptors.slice(above.length)]
        return placed
      }),
      (placed) =>
        Effect.sync(() => {
          placed.removed = true
          interceptors = interceptors.filter((other) => other !== placed)
        })
    ).pipe(Effect.asVoid)

  return {
    begin,
    watch: watchers.add,
    intercept,
    descriptions: () => interceptors.flatMap(({ describe }) => (describe === undefined ? [] : [describe()]))
  }
}

interface PlacedInterceptor {
  readonly value: GatewayInterceptor
  readonly describe: (() => InterceptorDescription) | undefined
  readonly order: number
  removed: boolean
}
