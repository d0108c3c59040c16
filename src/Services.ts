/**
 * Requests by name: what servers and clients of services are, on whatever Discovery Layer.
 *
 * @since 0.2.0
 */
import type { DurationInput } from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { InvalidEntry } from "./DiscoveryEntry.js"
import type { ClientRequestOptions, IPCClient } from "./IPCClient.js"
import type {
  EntryUnsupported,
  ListenError,
  NotifyError,
  RegistryLimitExceeded,
  RequestError,
  ServiceNotRegistered,
  StreamError
} from "./IPCError.js"
import type { IPCPeer } from "./IPCPeer.js"
import type { Arguments, RequestOptions, ServerRequest } from "./IPCRequest.js"
import type { ServerStream, StreamArguments } from "./IPCStream.js"
import { durationIssue } from "./internal/ArgumentIssue.js"
import type { OptionNames } from "./internal/OptionNames.js"

/**
 * How a service asks its clients, and how it is withdrawn.
 *
 * @since 0.2.0
 * @category models
 */
export interface ServiceServerOptions {
  /** How long a request to a client waits for its response unless it has a `timeout` of its own. Default 10 seconds. */
  readonly requestTimeout?: DurationInput | undefined
  /**
   * How long requests and streams in flight may take to end once the service is withdrawn. New ones go to other instances
   * by then. Default 3 seconds.
   */
  readonly drainTimeout?: DurationInput | undefined
}

/**
 * Why a service can't be served: its endpoint can't listen, or the leader doesn't register it. `EntryUnsupported` is a
 * leader of an earlier version, or another program.
 *
 * @since 0.2.0
 * @category models
 */
export type ServiceServerError = ListenError | InvalidEntry | RegistryLimitExceeded | EntryUnsupported | RequestError

/**
 * How long a client of a service waits, by default.
 *
 * @since 0.2.0
 * @category models
 */
export interface ServiceClientOptions {
  /**
   * How long a request waits for its response, the wait for an instance included, unless it has a `timeout` of its own.
   * Default 10 seconds.
   */
  readonly requestTimeout?: DurationInput | undefined
  /** How long one attempt to connect to an instance may take. Default 5 seconds. */
  readonly connectTimeout?: DurationInput | undefined
}

/**
 * An `IPCClient`'s service whose requests go to the instances of one service, each to the one that the api's strategy
 * chooses among those that can be reached. While there is none, a request waits within its timeout, and then fails with
 * `ServiceNotRegistered`, or with `RequestTimeout` where some are registered.
 *
 * An instance that can't be connected to is passed over. Where a connection ends, the requests in flight on it fail with
 * `ConnectionClosed` at once, except those marked `idempotent`, which are sent to another instance.
 *
 * @since 0.2.0
 * @category models
 */
export interface Service extends Omit<IPCClient.Service, "request" | "notify" | "stream"> {
  /** Asks an instance. */
  readonly request: <Payload, Success, Failure>(
    request: ServerRequest<Payload, Success, Failure>,
    ...args: Arguments<NoInfer<Payload>, ClientRequestOptions>
  ) => Effect.Effect<Success, Failure | RequestError | ServiceNotRegistered>
  /** Sends an instance a message, which has no response; done when it is on its way. */
  readonly notify: <Payload, Success, Failure>(
    request: ServerRequest<Payload, Success, Failure>,
    ...args: Arguments<NoInfer<Payload>, RequestOptions>
  ) => Effect.Effect<void, NotifyError | ServiceNotRegistered>
  /**
   * Opens a stream at an instance each time that it is run. Fails with `ConnectionClosed` where the connection to that
   * instance ends; it isn't resumed at another.
   */
  readonly stream: <Payload, Element, Failure, Input, E = never, R = never>(
    stream: ServerStream<Payload, Element, Failure, Input>,
    ...args: StreamArguments<NoInfer<Payload>, Input, E, R>
  ) => Stream.Stream<Element, Failure | StreamError | ServiceNotRegistered | E, R>
}

/** @internal */
export const serverOptionNames: OptionNames<ServiceServerOptions> = {
  requestTimeout: durationIssue,
  drainTimeout: durationIssue
}

/** @internal */
export const clientOptionNames: OptionNames<ServiceClientOptions> = {
  requestTimeout: durationIssue,
  connectTimeout: durationIssue
}

/**
 * What a Discovery Layer provides for `ServiceServer` and `ServiceClient`.
 *
 * @internal
 */
export interface Services {
  /** Answers at an endpoint of its own, registered under the name, until the scope closes. */
  readonly serve: <E, R>(
    api: string,
    setup: (server: IPCPeer) => Effect.Effect<unknown, E, R>,
    options: ServiceServerOptions
  ) => Effect.Effect<void, E | ServiceServerError, R | Scope.Scope>
  /** Asks the instances of the name until the scope closes. */
  readonly connect: (api: string, options: ServiceClientOptions) => Effect.Effect<Service, never, Scope.Scope>
}

/**
 * Throws where the Discovery is a program's own, which has none.
 *
 * @internal
 */
export const servicesOf = ({ services }: { readonly services?: Services }): Services => {
  if (services !== undefined) return services
  throw new TypeError(
    "This Discovery has no endpoints for services. Provide a Layer that has them, such as LocalDiscovery.layer."
  )
}
