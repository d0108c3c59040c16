/**
 * The strategies that one participant's program has given it.
 *
 * @internal
 */
import * as RoutingStrategy from "../RoutingStrategy.js"

export interface MemberStrategies {
  readonly byApi: ReadonlyMap<string, RoutingStrategy.RoutingStrategy>
  readonly set: (api: string, strategy: RoutingStrategy.RoutingStrategy) => void
  /** The api's strategy, by the name that the leader gives it. */
  readonly of: (api: string, name: string | undefined) => RoutingStrategy.RoutingStrategy
  /** Calls back when one is set. The returned function ends that. */
  readonly onSet: (listener: () => void) => () => void
}

export interface MemberStrategiesOptions {
  /** For every api without a strategy of its own. Default round robin. */
  readonly strategy?: RoutingStrategy.RoutingStrategy | undefined
  readonly strategies?: Readonly<Record<string, RoutingStrategy.RoutingStrategy>> | undefined
}

export const make = ({
  strategies,
  strategy = RoutingStrategy.roundRobin
}: MemberStrategiesOptions): MemberStrategies => {
  const byApi = new Map(Object.entries(strategies ?? {}))
  const listeners = new Set<() => void>()
  return {
    byApi,
    set: (api, given) => {
      byApi.set(api, given)
      for (const listener of listeners) listener()
    },
    of: (api, name) => {
      const own = byApi.get(api)
      // A custom one is a function of this process, and no other knows it.
      if (own !== undefined && RoutingStrategy.nameOf(own) === undefined) return own
      const named = RoutingStrategy.RoutingStrategyName.literals.find((literal) => literal === name)
      return named === undefined ? (own ?? strategy) : RoutingStrategy.fromName(named)
    },
    onSet: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    }
  }
}
