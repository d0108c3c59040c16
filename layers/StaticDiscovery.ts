/**
 * Discovery from a fixed map, without a gateway: each api's instances are known beforehand and reached directly.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { PCGRandom } from "effect/Utils"
import { Discovery } from "../src/Discovery.js"
import { type DiscoveryEntry, type InvalidEntry, type RouteChange, validateEntry } from "../src/DiscoveryEntry.js"
import * as RouteTable from "../src/discovery/RouteTable.js"
import { ServiceNotRegistered } from "../src/IPCError.js"
import * as RoutingStrategy from "../src/RoutingStrategy.js"

/**
 * Where an api is: a base URL, several of them, or either with what else there is to say.
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
 * @since 0.1.0
 * @category models
 */
export interface StaticDiscoveryOptions {
  /** How one of an api's instances is chosen, where the api has no strategy of its own. Default round robin. */
  readonly strategy?: RoutingStrategy.RoutingStrategy | undefined
}

/**
 * `discover` answers an instance's own URL, by the api's strategy. What this process registers it sees itself, and
 * nobody else does. Fails with `InvalidEntry` where a service can't be one.
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
  const table = yield* RouteTable.make({ strategy: options.strategy })
  const events = yield* Effect.acquireRelease(PubSub.unbounded<RouteChange>(), PubSub.shutdown)
  const choose = yield* makeChoose(options.strategy ?? RoutingStrategy.roundRobin)
  const holders = new Map<string, number>()

  const setStrategy = (api: string, strategy: RoutingStrategy.RoutingStrategy): void => {
    table.setStrategy(api, strategy)
    choose.setStrategy(api, strategy)
  }

  const tell = (changes: ReadonlyArray<RouteChange>): void => {
    for (const change of changes) events.unsafeOffer(change)
  }

  for (const [api, instances] of Object.entries(services)) {
    const { baseUrl, pathPrefix = "/", strategy } = described(instances)
    const entries = yield* validateAll([baseUrl].flat().map((url) => ({ api, baseUrl: url, pathPrefix })))
    table.register(configured, entries)
    if (strategy !== undefined) setStrategy(api, strategy)
  }

  const hold = (entry: DiscoveryEntry): void => {
    const key = keyOf(entry)
    holders.set(key, (holders.get(key) ?? 0) + 1)
  }

  /** Whether no scope here holds it any longer. */
  const letGo = (entry: DiscoveryEntry): boolean => {
    const key = keyOf(entry)
    const left = (holders.get(key) ?? 0) - 1
    if (left > 0) holders.set(key, left)
    return left <= 0 && holders.delete(key)
  }

  const discovery: Discovery.Service = {
    register: (inputs) =>
      Effect.flatMap(validateAll(inputs), (entries) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            for (const entry of entries) hold(entry)
            tell(table.register(registered, entries))
          }),
          () => Effect.sync(() => tell(table.unregister(registered, entries.filter(letGo))))
        )
      ),
    unregister: (inputs) =>
      Effect.map(validateAll(inputs), (entries) => {
        for (const entry of entries) holders.delete(keyOf(entry))
        tell(table.unregister(registered, entries))
      }),
    discover: (api) =>
      Effect.flatMap(
        Effect.sync(() => table.instances(api)),
        (instances) =>
          isNonEmpty(instances)
            ? Effect.map(choose.from(api, instances), ({ baseUrl }) => baseUrl)
            : Effect.fail(new ServiceNotRegistered({ api, hint: hint(table) }))
      ),
    instances: (api) => Effect.sync(() => table.routes().filter((route) => route.api === api)),
    routes: Effect.sync(table.routes),
    changes: Stream.fromPubSub(events),
    setStrategy: (api, strategy) => Effect.sync(() => setStrategy(api, strategy))
  }
  return discovery
})

/**
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
export const layer = (services: Services, options?: StaticDiscoveryOptions): Layer.Layer<Discovery, InvalidEntry> =>
  Layer.scoped(Discovery, make(services, options))

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
export const config: Config.Config<Services> = Config.mapOrFail(Config.string("IPC_SERVICES"), (text) =>
  Either.mapLeft(parse(text), (issue) => ConfigError.InvalidData([], issue))
)

/**
 * The services as a Config gives them, of all or of each: `layerConfig({ users: Config.string("USERS_URL") })`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  services: Config.Config<Services> | Readonly<Record<string, Config.Config<Instances>>> = config,
  options?: StaticDiscoveryOptions
): Layer.Layer<Discovery, InvalidEntry | ConfigError.ConfigError> =>
  Layer.scoped(
    Discovery,
    Effect.flatMap(Config.isConfig(services) ? services : Config.all(services), (each) => make(each, options))
  )

/** Who owns a route, for listings. */
const configured = "configuration"
const registered = "this process"

const described = (instances: Instances) =>
  typeof instances === "string" || isArray(instances) ? { baseUrl: instances } : instances

// Array.isArray doesn't take a ReadonlyArray out of a union.
const isArray = (instances: Exclude<Instances, string>): instances is ReadonlyArray<string> => Array.isArray(instances)

type NonEmptyInstances = Parameters<RoutingStrategy.Pick>[0]

const isNonEmpty = (instances: ReadonlyArray<RoutingStrategy.Instance>): instances is NonEmptyInstances =>
  instances.length > 0

/** The strategies at work, each api's with a memory of its own; the table's count by prefix, and nobody sends us a path. */
const makeChoose = (strategy: RoutingStrategy.RoutingStrategy) =>
  Effect.gen(function* () {
    const generator = new PCGRandom(yield* Random.nextIntBetween(0, 0x7fffffff))
    const start = (started: RoutingStrategy.RoutingStrategy) => started.start({ random: () => generator.number() })
    const strategies = new Map<string, RoutingStrategy.RoutingStrategy>()
    const picks = new Map<string, RoutingStrategy.Pick>()

    const from = (api: string, instances: NonEmptyInstances): Effect.Effect<RoutingStrategy.Instance> =>
      Effect.try(() => {
        const pick = picks.get(api) ?? start(strategies.get(api) ?? strategy)
        picks.set(api, pick)
        return pick(instances, instances[0].pathPrefix) ?? instances[0]
      }).pipe(
        Effect.filterOrFail(
          (picked) => instances.includes(picked),
          () => "it picked what wasn't one of the instances"
        ),
        // A strategy is the caller's function: what it throws must not cost the call.
        Effect.catchAll((error) =>
          Effect.as(
            Effect.logWarning(`The strategy of ${api} failed, the first instance is taken`, error),
            instances[0]
          )
        )
      )

    const setStrategy = (api: string, next: RoutingStrategy.RoutingStrategy): void => {
      strategies.set(api, next)
      picks.delete(api)
    }
    return { from, setStrategy }
  })

const validateAll = (
  inputs: ReadonlyArray<typeof DiscoveryEntry.Encoded>
): Effect.Effect<ReadonlyArray<DiscoveryEntry>, InvalidEntry> =>
  Effect.suspend(() => Either.all(inputs.map(validateEntry)))

const keyOf = ({ api, baseUrl, pathPrefix }: DiscoveryEntry): string => JSON.stringify([api, baseUrl, pathPrefix])

const hint = (table: RouteTable.RouteTable): string => {
  const apis = Array.from(new Set(table.routes().map((route) => route.api))).slice(0, maxNamesInError)
  return apis.length === 0
    ? "No service is configured: give StaticDiscovery.layer some, or set IPC_SERVICES."
    : `Configured: ${apis.join(", ")}. Is its name spelled so?`
}

/** How many apis an error names. */
const maxNamesInError = 20
