/**
 * Services on one machine find each other: they register their apis and are reached through one gateway.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { DiscoveryEntry, InvalidEntry, Route, RouteChange } from "./DiscoveryEntry.js"
import type { EntryUnsupported, RegistryLimitExceeded, RequestError, ServiceNotRegistered } from "./IPCError.js"
import type { RequestOptions } from "./IPCRequest.js"
import type { RoutingStrategy } from "./RoutingStrategy.js"
import type { Services } from "./Services.js"

/**
 * @since 0.1.0
 * @category models
 */
export declare namespace Discovery {
  /**
   * While there is no leader, every call waits for the next one, within its timeout (10 seconds unless told otherwise).
   *
   * @since 0.1.0
   * @category models
   */
  export interface Service {
    /**
     * Registers instances of apis until the scope closes, with this leader and every later one. Fails with `InvalidEntry`
     * when one can't be routed, or leads back to the gateway, and with `RegistryLimitExceeded` when they are too many; then
     * none is registered. An entry whose registration fails or is interrupted isn't
     * registered later either.
     */
    readonly register: (
      entries: typeof DiscoveryEntry.Encoded | ReadonlyArray<typeof DiscoveryEntry.Encoded>,
      options?: RequestOptions
    ) => Effect.Effect<void, InvalidEntry | RegistryLimitExceeded | EntryUnsupported | RequestError, Scope.Scope>
    /**
     * Removes entries that this participant registered, before their scope closes. What others registered stays.
     */
    readonly unregister: (
      entries: typeof DiscoveryEntry.Encoded | ReadonlyArray<typeof DiscoveryEntry.Encoded>,
      options?: RequestOptions
    ) => Effect.Effect<void, InvalidEntry | RequestError>
    /**
     * The gateway's URL, below which the api's paths are answered.
     */
    readonly discover: (
      api: string,
      options?: RequestOptions
    ) => Effect.Effect<string, ServiceNotRegistered | RequestError>
    /** The api's registered instances that answer HTTP. */
    readonly instances: (api: string) => Effect.Effect<ReadonlyArray<Route>, RequestError>
    /** Every registered instance of every api, those that answer requests by name among them. */
    readonly routes: Effect.Effect<ReadonlyArray<Route>, RequestError>
    /**
     * What any participant registers and unregisters from now on. A consumer that falls behind by more than 4,096 changes
     * misses the oldest; `routes` has the current state.
     */
    readonly changes: Stream.Stream<RouteChange>
    /**
     * Sets how the gateway chooses among an api's instances. This participant repeats it to each new leader; of several
     * participants that set one api's strategy, the last one wins. A custom strategy is a function of this process: it
     * applies while this process leads.
     */
    readonly setStrategy: (api: string, strategy: RoutingStrategy) => Effect.Effect<void, RequestError>
    /**
     * What `ServiceServer` and `ServiceClient` run on; none of a program's own Discovery.
     *
     * @internal
     */
    readonly services?: Services
  }
}

/**
 * Discovery as a service.
 *
 * @example
 * ```ts
 * import { LocalDiscovery } from "effect-ipc/node"
 * import { Discovery } from "effect-ipc"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const discovery = yield* Discovery
 *   yield* discovery.register([{ api: "users", baseUrl: "http://127.0.0.1:4001", pathPrefix: "/users" }])
 *   const url = yield* discovery.discover("users")
 *   yield* Effect.log(`users are at ${url}/users`)
 * })
 *
 * export const main = program.pipe(Effect.scoped, Effect.provide(LocalDiscovery.layer({ port: 9000 })))
 * ```
 *
 * @since 0.1.0
 * @category tags
 */
export class Discovery extends Context.Tag("effect-ipc/Discovery")<Discovery, Discovery.Service>() {}
