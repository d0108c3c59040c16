/**
 * Routing strategies of the facade: by name, or as a function.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { shown } from "../../src/internal/ArgumentIssue.js"
import * as RoutingStrategy from "../../src/RoutingStrategy.js"

/**
 * How the gateway chooses among an api's instances: a strategy's name, or a function that picks one of the instances.
 *
 * @since 0.1.0
 * @category models
 */
export type Strategy = RoutingStrategy.RoutingStrategyName | RoutingStrategy.Pick

/**
 * Throws a `TypeError` for a value that is neither a function nor a known name, which plain JavaScript can pass.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toRoutingStrategy = (strategy: Strategy): RoutingStrategy.RoutingStrategy => {
  if (typeof strategy === "function") return RoutingStrategy.custom(strategy, strategy.name || undefined)
  if (isName(strategy)) return RoutingStrategy.fromName(strategy)
  const names = RoutingStrategy.RoutingStrategyName.literals.map((name) => JSON.stringify(name)).join(", ")
  throw new TypeError(`${shown(strategy)} is not a strategy: pass a function, or one of ${names}.`)
}

const isName = Schema.is(RoutingStrategy.RoutingStrategyName)
