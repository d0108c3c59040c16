/**
 * Which instance of an api answers the next request.
 *
 * A strategy is a value without state; `start` gives each prefix of each api a memory of its own. Nothing here reads a
 * clock or a global random source.
 *
 * @since 0.1.0
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Schema from "effect/Schema"

/**
 * A live instance as a strategy sees it: one base URL that serves an api below a path prefix, however many owners
 * registered it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Instance {
  /** Grows from instance to instance and is never given twice: the order of registration. */
  readonly id: number
  readonly api: string
  readonly baseUrl: string
  readonly pathPrefix: string
  /** When its first owner registered it, in milliseconds since 1970. */
  readonly registeredAt: number
  /** Exchanges that were sent to it and haven't ended. */
  readonly connections: number
}

/**
 * Picks one of the live instances, which come in the order of their registration. `path` is the request's, with its
 * query.
 *
 * `undefined` means none of them: the request is answered as if nothing were registered, and a warning is logged. A
 * function that throws, or returns anything else than one of the instances it was given, gets the first instance; a warning
 * is logged then, too.
 *
 * @since 0.1.0
 * @category models
 */
export type Pick = (instances: NonEmptyReadonlyArray<Instance>, path: string) => Instance | undefined

/**
 * What a strategy may use besides the instances.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sources {
  /** A number from 0 up to and without 1. */
  readonly random: () => number
}

/**
 * How one of an api's instances is chosen for each request.
 *
 * @since 0.1.0
 * @category models
 */
export interface RoutingStrategy {
  /** For people, in listings of the routes. */
  readonly name: string
  /** Called once for each prefix of each api, so that what it remembers is theirs alone. */
  readonly start: (sources: Sources) => Pick
}

/**
 * A strategy with state of its own: `start` makes the state, and returns the function that uses it.
 *
 * @example
 * ```ts
 * import { RoutingStrategy } from "effect-ipc"
 *
 * // Nine requests in ten go to the oldest instance.
 * const canary = RoutingStrategy.make("canary", ({ random }) => (instances) =>
 *   random() < 0.9 ? instances[0] : instances[instances.length - 1]
 * )
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (name: string, start: (sources: Sources) => Pick): RoutingStrategy => ({ name, start })

/**
 * The caller's own function over the live instances.
 *
 * @since 0.1.0
 * @category constructors
 */
export const custom = (pick: Pick, name = "custom"): RoutingStrategy => make(name, () => pick)

/**
 * Always the instance registered earliest; the others stand by.
 *
 * @since 0.1.0
 * @category strategies
 */
export const first: RoutingStrategy = make("first", () => (instances) => instances[0])

/**
 * Always the instance registered latest: the one a developer has just started.
 *
 * @since 0.1.0
 * @category strategies
 */
export const last: RoutingStrategy = make("last", () => (instances) => instances[instances.length - 1])

/**
 * Any instance, each as likely.
 *
 * @since 0.1.0
 * @category strategies
 */
export const random: RoutingStrategy = make(
  "random",
  (sources) => (instances) => instances[Math.floor(sources.random() * instances.length)]
)

/**
 * One after the other. Between two turns of an instance every other one has exactly one, also while instances come
 * and go; a new instance has its turn after those that were there before it.
 *
 * @since 0.1.0
 * @category strategies
 */
export const roundRobin: RoutingStrategy = make("roundRobin", () => {
  let latest = 0
  return (instances) => {
    const next = instances[firstAfter(instances, latest)] ?? instances[0]
    latest = next.id
    return next
  }
})

/**
 * The instance with the fewest exchanges under way; those with equally few take turns.
 *
 * @since 0.1.0
 * @category strategies
 */
export const leastConnections: RoutingStrategy = make("leastConnections", () => {
  let latest = 0
  return (instances) => {
    const start = firstAfter(instances, latest)
    let least = instances[start] ?? instances[0]
    for (let i = 1; i < instances.length; i++) {
      const candidate = instances[(start + i) % instances.length]
      if (candidate !== undefined && candidate.connections < least.connections) least = candidate
    }
    latest = least.id
    return least
  }
})

/**
 * The strategies that a configuration or a command line can name.
 *
 * @since 0.1.0
 * @category names
 */
export const RoutingStrategyName = Schema.Literal("first", "last", "random", "roundRobin", "leastConnections")

/**
 * The name of a strategy that comes with the library.
 *
 * @since 0.1.0
 * @category names
 */
export type RoutingStrategyName = typeof RoutingStrategyName.Type

/**
 * The strategy of this name.
 *
 * @since 0.1.0
 * @category names
 */
export const fromName = (name: RoutingStrategyName): RoutingStrategy => {
  switch (name) {
    case "first":
      return first
    case "last":
      return last
    case "random":
      return random
    case "roundRobin":
      return roundRobin
    case "leastConnections":
      return leastConnections
  }
}

/**
 * The name by which `fromName` gives this very strategy; none for a custom one.
 *
 * @since 0.1.0
 * @category conversions
 */
export const nameOf = (strategy: RoutingStrategy): RoutingStrategyName | undefined =>
  RoutingStrategyName.literals.find((name) => fromName(name) === strategy)

/** The index of the first instance with a greater id, or the length. Ids ascend, so instances that left don't matter. */
const firstAfter = (instances: ReadonlyArray<Instance>, id: number): number => {
  let low = 0
  let high = instances.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const instance = instances[middle]
    if (instance !== undefined && instance.id <= id) low = middle + 1
    else high = middle
  }
  return low
}
