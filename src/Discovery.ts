/**
 * Services on one machine find each other: they register their apis and are reached through one gateway.
 *
 * @since 0.1.0
 */
import type { HttpClient } from "@effect/platform/HttpClient"
import type { HttpServer, TcpAddress } from "@effect/platform/HttpServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { DiscoveryEntry, Route, RouteChange, RouteKind } from "./DiscoveryEntry.js"
import { InvalidEntry } from "./DiscoveryEntry.js"
import type { EntryUnsupported, RegistryLimitExceeded, RequestError, ServiceNotRegistered } from "./IPCError.js"
import type { RequestOptions } from "./IPCRequest.js"
import { flagIssue, textIssue } from "./internal/ArgumentIssue.js"
import { check, type OptionNames } from "./internal/OptionNames.js"
import type { RoutingStrategy } from "./RoutingStrategy.js"
import type { Services } from "./Services.js"

/**
 * What {@link Discovery} is made of.
 *
 * @since 0.1.0
 * @category models
 */
export declare namespace Discovery {
  /**
   * While there is no leader, every call waits for the next one, within its timeout (default 10 seconds).
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
     * Waits until the api has an instance, of either kind unless one is given: as long as it takes, unless a `timeout` is
     * given. Fails with `ServiceNotRegistered` then.
     */
    readonly awaitApi: (
      api: string,
      options?: RequestOptions & { readonly kind?: RouteKind | undefined }
    ) => Effect.Effect<void, ServiceNotRegistered>
    /**
     * As `discover`, with the api's prefix where the gateway takes that off: what comes before the api's own paths.
     *
     * @internal
     */
    readonly locate?: Discovery.Service["discover"]
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
export class Discovery extends Context.Tag("effect-ipc/Discovery")<Discovery, Discovery.Service>() {
  /**
   * Registers the `HttpServer` in context as an instance of the api, until the scope closes. Fails as `register` does, and
   * with `InvalidEntry` where the server listens on a Unix socket: the gateway reaches services by a port.
   *
   * @example
   * ```ts
   * import { Discovery } from "effect-ipc"
   * import { LocalDiscovery } from "effect-ipc/node"
   * import { HttpRouter, HttpServer, HttpServerResponse } from "@effect/platform"
   * import { NodeHttpServer } from "@effect/platform-node"
   * import { Layer } from "effect"
   * import { createServer } from "node:http"
   *
   * const Users = HttpRouter.empty.pipe(
   *   HttpRouter.get("/:id", HttpServerResponse.json({ name: "Ada" })),
   *   HttpServer.serve()
   * )
   *
   * export const main = Users.pipe(
   *   Layer.merge(Discovery.registerHttp({ api: "users", pathPrefix: "/users", stripPrefix: true })),
   *   Layer.provide(NodeHttpServer.layer(createServer, { port: 0 })),
   *   Layer.provide(LocalDiscovery.layer({ port: 9000 })),
   *   Layer.launch
   * )
   * ```
   *
   * @since 0.2.0
   */
  static readonly registerHttp = (
    options: RegisterHttpOptions
  ): Layer.Layer<
    never,
    InvalidEntry | RegistryLimitExceeded | EntryUnsupported | RequestError,
    Discovery | HttpServer
  > =>
    Layer.scopedDiscard(
      Effect.gen(function* () {
        check("Discovery.registerHttp", options, registerHttpNames)
        const { api, pathPrefix = `/${options.api}`, stripPrefix } = options
        const { address } = yield* HttpServerTag
        const discovery = yield* Discovery
        if (address._tag === "UnixAddress") {
          return yield* new InvalidEntry({ entry: api, issue: `its server listens on the Unix socket ${address.path}` })
        }
        const entry = { api, pathPrefix, baseUrl: urlOf(address) }
        yield* discovery.register(stripPrefix === true ? { ...entry, stripPrefix } : entry)
      })
    )

  /**
   * An `HttpClient` of the api: a request's URL is a path, which the gateway's URL is put before. A request that may be
   * repeated (GET, HEAD, OPTIONS, TRACE, PUT or DELETE, without a stream as its body) is sent again for up to 10 seconds
   * while the connection to the gateway fails, as it does while the leader changes. Where the api isn't registered, requests
   * fail with `RequestError`, whose cause is `ServiceNotRegistered`.
   *
   * @since 0.2.0
   */
  static readonly httpClient = (api: string): Effect.Effect<HttpClient, never, Discovery | HttpClient> =>
    Effect.gen(function* () {
      const discovery = yield* Discovery
      const client = yield* HttpClientTag
      // A program that provides a client has loaded what this needs; no other program loads it.
      const { make } = yield* Effect.promise(() => import("./internal/DiscoveredHttpClient.js"))
      return make(client, (discovery.locate ?? discovery.discover)(api))
    })
}

/**
 * What registers a program's `HttpServer`.
 *
 * @since 0.2.0
 * @category models
 */
export interface RegisterHttpOptions {
  readonly api: string
  /** Default the api's name behind a slash. */
  readonly pathPrefix?: string | undefined
  /** Whether the gateway takes the prefix off: the service then has its paths without it. Default `false`. */
  readonly stripPrefix?: boolean | undefined
}

const registerHttpNames: OptionNames<RegisterHttpOptions> = {
  api: textIssue,
  pathPrefix: textIssue,
  stripPrefix: flagIssue
}

// By their keys: loading the platform's modules costs more than all of discovery.
const HttpServerTag = Context.GenericTag<HttpServer>("@effect/platform/HttpServer")
const HttpClientTag = Context.GenericTag<HttpClient>("@effect/platform/HttpClient")

/** Where this machine reaches the server. Not every system connects to an address that stands for all. */
const urlOf = ({ hostname, port }: TcpAddress): string => {
  if (hostname === "0.0.0.0") return `http://127.0.0.1:${port}`
  if (hostname === "::") return `http://[::1]:${port}`
  return `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`
}
