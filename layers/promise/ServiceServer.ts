/**
 * A service for programs without Effect: `ServiceServer` with promises.
 *
 * @since 0.2.0
 */

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { Discovery } from "../../src/Discovery.js"
import type { IPCPeer } from "../../src/IPCPeer.js"
import type { ClientRequest, ServerRequest } from "../../src/IPCRequest.js"
import type { ClientStream, ServerStream } from "../../src/IPCStream.js"
import { check } from "../../src/internal/OptionNames.js"
import * as Layer from "../../src/ServiceServer.js"
import { serverOptionNames } from "../../src/Services.js"
import * as CallArguments from "./CallArguments.js"
import { asyncDispose } from "./Disposal.js"
import type { ElementStream } from "./ElementStream.js"
import type { Gateway } from "./Gateway.js"
import type { SocketMessage } from "./IPCServer.js"
import type { LocalDiscovery } from "./LocalDiscovery.js"
import { notOpen } from "./NotOpen.js"
import { PromisePeer } from "./PromisePeer.js"
import type { OpenStreamArguments, PromiseStreamHandler, StreamCaller } from "./PromiseStreams.js"
import { handled } from "./Promises.js"
import { Session } from "./Session.js"

/**
 * How a service ends and calls its clients.
 *
 * @since 0.2.0
 * @category models
 */
export type ServiceServerOptions = Layer.ServiceServerOptions

/**
 * Answers requests and streams under a name, among the participants of a discovery.
 *
 * Handlers may be registered at any time, before `start` too; they stay registered when it is started again. Failures reject
 * with the tagged errors of `effect-ipc`.
 *
 * @example
 * ```ts
 * import { IPCServer, LocalDiscovery, ServiceServer } from "effect-ipc/promise"
 *
 * const GetUser = IPCServer.defineRequest<{ readonly id: number }, string>("users/get")
 *
 * const discovery = new LocalDiscovery(9000)
 * await discovery.join()
 *
 * const users = new ServiceServer(discovery, "users")
 * users.onFrameworkMessage(GetUser, async ({ id }) => `user ${id}`)
 * await users.start()
 * ```
 *
 * @since 0.2.0
 * @category models
 */
export class ServiceServer {
  readonly #discovery: Gateway | LocalDiscovery
  readonly #api: string
  readonly #options: ServiceServerOptions
  readonly #session = new Session<IPCPeer>()
  readonly #peer = new PromisePeer(() => this.#session.value)

  /** A `LocalDiscovery` or `Gateway`, and the service's name. */
  constructor(discovery: Gateway | LocalDiscovery, api: string, options: ServiceServerOptions = {}) {
    CallArguments.checkService("new ServiceServer", discovery, api)
    check("new ServiceServer(discovery, api, options)", options, serverOptionNames)
    this.#discovery = discovery
    this.#api = api
    this.#options = options
  }

  /**
   * Answers, and resolves once the name is registered. Rejects with `ConnectionClosed` where the discovery doesn't take part, or
   * `teardown` was called meanwhile, with `EntryUnsupported` where the leader is of an earlier version, or as `register` does.
   * It ends with `teardown`, or with the discovery's.
   */
  start(): Promise<void> {
    const started = this.#session.open(
      (open) => this.#discovery.host("start", "start() was called", this.#program(open)),
      () => notOpen("start", this.#api, "teardown() was called before the service had started.")
    )
    return handled(started.then(() => undefined))
  }

  /** Withdraws the name, lets what is in flight end, and resolves when nothing is left open. */
  teardown(): Promise<void> {
    return this.#session.close()
  }

  /** Answers a request, as `onFrameworkMessage` of an `IPCServer` does. */
  onFrameworkMessage<Payload, Success, Failure = never>(
    request: ServerRequest<Payload, Success, Failure>,
    handler: (payload: Payload, message: SocketMessage<Payload>) => NoInfer<Success> | PromiseLike<NoInfer<Success>>
  ): void {
    this.#peer.onMessage(request, handler)
  }

  /** Sends a request to the client with this runtimeId, as `sendFrameworkMessage` of an `IPCServer` does. */
  sendFrameworkMessage<Payload, Success, Failure = never>(
    runtimeId: string,
    request: ClientRequest<Payload, Success, Failure>,
    ...[payload, timeoutMs]: [Payload] extends [void]
      ? [payload?: undefined, timeoutMs?: number]
      : [payload: NoInfer<Payload>, timeoutMs?: number]
  ): Promise<Success> {
    return this.#peer.send(runtimeId, request, payload, timeoutMs)
  }

  /** Answers a stream, as `onStream` of an `IPCServer` does. */
  onStream<Payload, Element, Failure = never, Input = never>(
    stream: ServerStream<Payload, Element, Failure, Input>,
    handler: PromiseStreamHandler<Payload, NoInfer<Element>, Input, StreamCaller>
  ): void {
    this.#peer.onStream(stream, handler)
  }

  /** Opens a stream at the client with this runtimeId, as `openStream` of an `IPCServer` does. */
  openStream<Payload, Element, Failure = never, Input = never>(
    runtimeId: string,
    stream: ClientStream<Payload, Element, Failure, Input>,
    ...args: OpenStreamArguments<NoInfer<Payload>, Input>
  ): ElementStream<Element> {
    return this.#peer.openStream(runtimeId, stream, args)
  }

  /** `teardown`, for `await using`. */
  [asyncDispose](): Promise<void> {
    return this.teardown()
  }

  #program(open: (server: IPCPeer) => void) {
    return (services: Context.Context<Discovery>): Effect.Effect<void, unknown> =>
      Effect.gen(this, function* () {
        let server: IPCPeer | undefined
        const setup = (peer: IPCPeer) => {
          server = peer
          return this.#peer.attach(peer)
        }
        yield* Layer.make(this.#api, setup, this.#options)
        if (server !== undefined) open(server)
        return yield* Effect.never
      }).pipe(Effect.scoped, Effect.provideService(Discovery, Context.get(services, Discovery)))
  }
}
