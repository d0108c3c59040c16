/**
 * A client of a service for programs without Effect: `ServiceClient` with promises.
 *
 * @since 0.2.0
 */

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Discovery } from "../../src/Discovery.js"
import type { ClientRequestOptions } from "../../src/IPCClient.js"
import type { Arguments, ClientRequest, ServerRequest } from "../../src/IPCRequest.js"
import { nameOf, untyped } from "../../src/IPCRequest.js"
import type { ClientStream, ServerStream } from "../../src/IPCStream.js"
import { untypedStream } from "../../src/IPCStream.js"
import * as ArgumentIssue from "../../src/internal/ArgumentIssue.js"
import { check, type OptionNames } from "../../src/internal/OptionNames.js"
import { quote } from "../../src/internal/Printable.js"
import * as Layer from "../../src/ServiceClient.js"
import { clientOptionNames } from "../../src/Services.js"
import * as CallArguments from "./CallArguments.js"
import { asyncDispose } from "./Disposal.js"
import type { ElementStream } from "./ElementStream.js"
import type { Gateway } from "./Gateway.js"
import type { LocalDiscovery } from "./LocalDiscovery.js"
import { notOpen } from "./NotOpen.js"
import { PeerHandlers } from "./PeerHandlers.js"
import type { OpenStreamArguments, PromiseStreamHandler, StreamContext } from "./PromiseStreams.js"
import { openStream } from "./PromiseStreams.js"
import { handled, run } from "./Promises.js"
import { Session } from "./Session.js"

/**
 * How instances are asked.
 *
 * @since 0.2.0
 * @category models
 */
export type ServiceClientOptions = Layer.ServiceClientOptions

/**
 * How one request is made.
 *
 * @since 0.2.0
 * @category models
 */
export interface ServiceRequestOptions {
  /** How long to wait for the response, the wait for an instance included, in milliseconds. Default 10 seconds. */
  readonly timeoutMs?: number | undefined
  /** Whether the request may run twice: then it is sent to another instance when the connection was lost. */
  readonly idempotent?: boolean | undefined
}

const requestOptionNames: OptionNames<ServiceRequestOptions> = { timeoutMs: true, idempotent: ArgumentIssue.flagIssue }

/**
 * Asks the instances of a service by its name, among the participants of a discovery. It connects when it is first used, until
 * `teardown` or the discovery's.
 *
 * @example
 * ```ts
 * import { IPCServer, LocalDiscovery, ServiceClient } from "effect-ipc/promise"
 *
 * const GetUser = IPCServer.defineRequest<{ readonly id: number }, string>("users/get")
 *
 * const discovery = new LocalDiscovery(9000)
 * await discovery.join()
 *
 * const users = new ServiceClient(discovery, "users")
 * console.log(await users.sendFrameworkRequest(GetUser, { id: 1 }, { idempotent: true }))
 * ```
 *
 * @since 0.2.0
 * @category models
 */
export class ServiceClient {
  readonly #discovery: Gateway | LocalDiscovery
  readonly #api: string
  readonly #options: ServiceClientOptions
  readonly #handlers = new PeerHandlers()
  readonly #session = new Session<Layer.Service>()

  /** A `LocalDiscovery` or `Gateway`, and the service's name. */
  constructor(discovery: Gateway | LocalDiscovery, api: string, options: ServiceClientOptions = {}) {
    CallArguments.checkService("new ServiceClient", discovery, api)
    check("new ServiceClient(discovery, api, options)", options, clientOptionNames)
    this.#discovery = discovery
    this.#api = api
    this.#options = options
  }

  /**
   * Asks an instance. Rejects with the request's own typed failure, with `ServiceNotRegistered`, or with another `RequestError`:
   * `ConnectionClosed` where the discovery doesn't take part.
   */
  sendFrameworkRequest<Payload, Success, Failure = never>(
    request: ServerRequest<Payload, Success, Failure>,
    ...[payload, given]: [Payload] extends [void]
      ? [payload?: undefined, options?: ServiceRequestOptions]
      : [payload: NoInfer<Payload>, options?: ServiceRequestOptions]
  ): Promise<Success> {
    const { idempotent = false, timeoutMs } = given ?? {}
    const issue =
      CallArguments.optionsIssue("sendFrameworkRequest", given, requestOptionNames) ??
      CallArguments.sendingIssue("sendFrameworkRequest", request, "", timeoutMs)
    if (issue !== undefined) return issue
    const options = { idempotent, ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }) }
    const args = [payload, options] as unknown as Arguments<Payload, ClientRequestOptions>
    return handled(this.#open(nameOf(untyped(request))).then((client) => run(client.request(request, ...args))))
  }

  /** Answers a request of any instance that the client is connected to. */
  onFrameworkRequest<Payload, Success, Failure = never>(
    request: ClientRequest<Payload, Success, Failure>,
    handler: (payload: Payload) => NoInfer<Success> | PromiseLike<NoInfer<Success>>
  ): void {
    this.#handlers.onRequest("onFrameworkRequest", request, handler)
  }

  /** Opens a stream at an instance, as `openStream` of an `IPCClient` does. */
  openStream<Payload, Element, Failure = never, Input = never>(
    stream: ServerStream<Payload, Element, Failure, Input>,
    ...args: OpenStreamArguments<NoInfer<Payload>, Input>
  ): ElementStream<Element> {
    CallArguments.checkStream("openStream", stream)
    const definition = untypedStream(stream)
    return openStream(definition, args, (serviceArgs) =>
      Stream.unwrap(
        Effect.map(Effect.tryPromise({ try: () => this.#open(definition.name), catch: (error) => error }), (client) =>
          client.stream(stream, ...(serviceArgs as never))
        )
      )
    )
  }

  /** Answers a stream of any instance that the client is connected to. */
  onStream<Payload, Element, Failure = never, Input = never>(
    stream: ClientStream<Payload, Element, Failure, Input>,
    handler: PromiseStreamHandler<Payload, NoInfer<Element>, Input, StreamContext>
  ): void {
    this.#handlers.onStream(stream, handler)
  }

  /** Closes its connections, and resolves when nothing is left open. A later request connects again. */
  teardown(): Promise<void> {
    return this.#session.close()
  }

  /** `teardown`, for `await using`. */
  [asyncDispose](): Promise<void> {
    return this.teardown()
  }

  #open(request: string): Promise<Layer.Service> {
    return this.#session.open(
      (open) =>
        this.#discovery.host(request, `Request ${quote(request)} was made`, (services) =>
          this.#program(open, services)
        ),
      () => notOpen(request, this.#api, "teardown() was called before the client was ready.")
    )
  }

  #program(open: (client: Layer.Service) => void, services: Context.Context<Discovery>): Effect.Effect<void, unknown> {
    return Effect.gen(this, function* () {
      const client = yield* Layer.make(this.#api, this.#options)
      yield* this.#handlers.attach(client)
      open(client)
      return yield* Effect.never
    }).pipe(Effect.scoped, Effect.provideService(Discovery, Context.get(services, Discovery)))
  }
}
