/**
 * Discovery from a fixed map, without a gateway: each api's instances are known in advance and reached directly.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Discovery } from "../src/Discovery.js"
import { type Entry, type InvalidEntry, type RouteChange, validateEntry } from "../src/DiscoveryEntry.js"
import * as DiscoveryService from "../src/discovery/DiscoveryService.js"
import * as LocalRegistrations from "../src/discovery/LocalRegistrations.js"
import * as RouteTable from "../src/discovery/RouteTable.js"
import * as StrategyLog from "../src/discovery/StrategyLog.js"
import { Events } from "../src/internal/Events.js"
import { check, type OptionNames } from "../src/internal/OptionNames.js"
import * as Variable from "../src/internal/Variable.js"
import { Waiters } from "../src/internal/Waiters.js"
import type * as RoutingStrategy from "../src/RoutingStrategy.js"
import * as ConfigOptions from "./ipc/ConfigOptions.js"

/**
 * Where an api is: a base URL, several of them, or either with a path prefix and a strategy.
 *
 * @since 0.1.0
 * @category models
 */
export type Instances =
  | string
  | ReadonlyArray<string>
  | {
      readonly baseUrl: string | ReadonlyArray<string>
      /** The path below which it serves. Default `/`: any. */
      readonly pathPrefix?: string | undefined
      /** How one of several is chosen. Default the layer's. */
      readonly strategy?: RoutingStrategy.RoutingStrategy | undefined
    }

/**
 * Instances by api.
 *
 * @since 0.1.0
 * @category models
 */
export type Services = Readonly<Record<string, Instances>>

/**
 * How instances are chosen.
 *
 * @since 0.1.0
 * @category models
 */
export interface StaticDiscoveryOptions {
  /** How one of an api's instances is chosen, unless the api has a strategy of its own. Default round robin. */
  readonly strategy?: RoutingStrategy.RoutingStrategy | undefined
}

/**
 * `discover` answers an instance's own URL, by the api's strategy. What this process registers is visible in this process
 * only. Fails with `InvalidEntry` where a service can't be registered.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: (
  services: Services,
  options?: StaticDiscoveryOptions
) => Effect.Effect<Discovery.Service, InvalidEntry, Scope.Scope> = Effect.fnUntraced(function* (
  services: Services,
  options: StaticDiscoveryOptions = {}
) {
  check("StaticDiscovery", options, { strategy: true } satisfies OptionNames<StaticDiscoveryOptions>)
  const left = yield* DiscoveryService.closed
  const strategyLog = yield* StrategyLog.make
  const table = yield* RouteTable.make({ ...strategyLog, strategy: options.strategy })
  const changes = new Events<RouteChange>()
  yield* Effect.addFinalizer(() => changes.shutdown)
  const registrations = LocalRegistrations.make()

  for (const [api, instances] of Object.entries(services)) {
    const { baseUrl, pathPrefix = "/", strategy } = described(instances)
    const urls = Arr.ensure(baseUrl)
    table.register(configured, yield* Either.all(urls.map((url) => validateEntry({ api, baseUrl: url, pathPrefix }))))
    if (strategy !== undefined) table.setStrategy(api, strategy)
  }

  const arrivals = new Waiters()
  const publish = (changed: ReadonlyArray<RouteChange>) => {
    for (const change of changed) changes.publish(change)
    arrivals.announce()
  }

  const unregister = (entries: ReadonlyArray<Entry>) =>
    Effect.sync(() => publish(table.unregister(registered, entries)))

  return DiscoveryService.make({
    registrations,
    register: (entries) => Effect.sync(() => publish(table.register(registered, entries))),
    unregister,
    withdraw: (entries) => Effect.as(unregister(entries), Effect.void),
    discover: (api) => Effect.suspend(() => DiscoveryService.discoverIn(table, api, unknown)),
    routes: (api) =>
      Effect.sync(() => (api === undefined ? table.routes() : table.routes().filter((route) => route.api === api))),
    changes: changes.stream,
    left,
    awaitRoute: (isWanted) => arrivals.until(() => (table.routes().some(isWanted) ? Effect.void : undefined)),
    setStrategy: (api, strategy) =>
      Effect.sync(() => {
        table.setStrategy(api, strategy)
        strategyLog.reset(api)
      })
  })
})

/**
 * Provides discovery from a fixed map. As {@link make}.
 *
 * @example
 * ```ts
 * import { Discovery } from "effect-ipc"
 * import { StaticDiscovery } from "effect-ipc/node"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const discovery = yield* Discovery
 *   console.log(yield* discovery.discover("users")) // http://127.0.0.1:4001
 * })
 *
 * export const main = program.pipe(
 *   Effect.provide(
 *     StaticDiscovery.layer({
 *       users: "http://127.0.0.1:4001",
 *       orders: ["http://127.0.0.1:4002", "http://127.0.0.1:4003"]
 *     })
 *   )
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  services: Services = {},
  options?: StaticDiscoveryOptions
): Layer.Layer<Discovery, InvalidEntry> => Layer.scoped(Discovery, make(services, options))

/**
 * The services as a line of text gives them: `api=url`, with a comma or a line feed between two; the same api again is
 * another instance of it. An api serves below a path of its own as `api:/path=url`.
 *
 * @example
 * ```ts
 * import { StaticDiscovery } from "effect-ipc/node"
 * import { Either } from "effect"
 *
 * const services = StaticDiscovery.parse("users=http://127.0.0.1:4001, users=http://127.0.0.1:4002, files:/files=http://127.0.0.1:4003")
 * console.log(Either.getOrThrow(services))
 * // {
 * //   users: { baseUrl: ["http://127.0.0.1:4001", "http://127.0.0.1:4002"], pathPrefix: undefined },
 * //   files: { baseUrl: ["http://127.0.0.1:4003"], pathPrefix: "/files" }
 * // }
 * ```
 *
 * @since 0.1.0
 * @category config
 */
export const parse = (text: string): Either.Either<Services, string> =>
  Either.gen(function* () {
    const services = new Map<string, { readonly baseUrl: Array<string>; readonly pathPrefix: string | undefined }>()
    for (const part of text.split(/[,\n]/).map((part) => part.trim())) {
      if (part === "") continue
      const [, api, pathPrefix, url] = /^([^=]+?)\s*(?::\s*(\/[^=]*?))?\s*=\s*(\S+)$/.exec(part) ?? []
      if (api === undefined || url === undefined) {
        return yield* Either.left(`${JSON.stringify(part)} isn't of the form api=url or api:/path=url`)
      }
      const service = services.get(api)
      if (service === undefined) services.set(api, { baseUrl: [url], pathPrefix })
      else if (service.pathPrefix === pathPrefix) service.baseUrl.push(url)
      else return yield* Either.left(`${api} is given two different paths`)
    }
    return Object.fromEntries(services)
  })

/**
 * The services as `IPC_SERVICES` gives them, in the form that `parse` reads.
 *
 * @since 0.1.0
 * @category config
 */
export const config: Config.Config<Services> = Config.mapOrFail(Variable.text("IPC_SERVICES"), (text) =>
  Either.mapLeft(parse(text), (issue) => ConfigError.InvalidData([], issue))
)

/**
 * The services of `IPC_SERVICES`, and the given ones laid over them: `layerConfig({ users: Config.string("USERS_URL") })`.
 * `IPC_SERVICES` may be missing where some are given.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  services: ConfigOptions.ConfigOptions<Services> = {},
  options: ConfigOptions.ConfigOptions<StaticDiscoveryOptions> = {}
): Layer.Layer<Discovery, InvalidEntry | ConfigError.ConfigError> =>
  Layer.scoped(
    Discovery,
    Effect.gen(function* () {
      const given = yield* ConfigOptions.given(services)
      const environment = yield* Object.keys(given).length === 0 ? config : Config.withDefault(config, {})
      return yield* make({ ...environment, ...(given as Services) }, yield* ConfigOptions.given(options))
    })
  )

/** The owner of a route, for listings. */
const configured = "configuration"
const registered = "this process"

const described = (instances: Instances) =>
  typeof instances === "string" || isArray(instances) ? { baseUrl: instances } : instances

// Array.isArray doesn't take a ReadonlyArray out of a union.
const isArray = (instances: Exclude<Instances, string>): instances is ReadonlyArray<string> => Array.isArray(instances)

const unknown = {
  none: "No service is configured: give StaticDiscovery.layer some, or set IPC_SERVICES.",
  some: (names: string) => `Configured: ${names}. Is its name spelled so?`
}
