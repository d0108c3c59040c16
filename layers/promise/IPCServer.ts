/**
 * The server for programs without Effect: `NodeIPCServer` with promises.
 *
 * @since 0.1.0
 */

import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { HttpMethod, RouteProxyResolver } from "../../src/HttpGateway.js"
import type { ConnectedClient, ConnectionEvent } from "../../src/IPCPeer.js"
import type { BrandedRequest, ClientRequest, ServerRequest } from "../../src/IPCRequest.js"
import { IPCServer as Service } from "../../src/IPCServer.js"
import type { ClientStream, ServerStream } from "../../src/IPCStream.js"
import * as InnerScope from "../../src/internal/InnerScope.js"
import { check } from "../../src/internal/OptionNames.js"
import { addressOf, urlOf } from "../ipc/Address.js"
import * as NodeIPCServer from "../NodeIPCServer.js"
import * as CallArguments from "./CallArguments.js"
import { Callbacks } from "./Callbacks.js"
import { asyncDispose } from "./Disposal.js"
import type { ElementStream } from "./ElementStream.js"
import { notOpen } from "./NotOpen.js"
import { PromisePeer } from "./PromisePeer.js"
import type { HttpHandler } from "./PromiseRoutes.js"
import { PromiseRoutes } from "./PromiseRoutes.js"
import type { OpenStreamArguments, PromiseStreamHandler, StreamCaller } from "./PromiseStreams.js"
import { runSync } from "./Promises.js"
import { Session } from "./Session.js"
import { Starting } from "./Starting.js"

/**
 * Where to listen beside the port, and which clients may connect.
 *
 * @since 0.1.0
 * @category models
 */
export type IPCServerOptions = Omit<NodeIPCServer.NodeIPCServerOptions, "port">

/**
 * Answers its clients' requests, sends them requests of its own, and is an HTTP gateway, all on one port.
 *
 * Handlers, routes, the resolver and callbacks may be registered at any time, before `start` too. They stay registered when
 * the server is started again after `teardown`. A request's handler and the resolver replace the one before.
 *
 * Failures reject with the tagged errors of `effect-ipc`. A rejection that isn't awaited never ends the process.
 *
 * @example
 * ```ts
 * import { IPCServer } from "effect-ipc/promise"
 *
 * const Greet = IPCServer.defineRequest<{ readonly name: string }, string>("greet")
 *
 * const server = new IPCServer(9000)
 * server.onFrameworkMessage(Greet, async ({ name }, { runtimeId }) => `Hello, ${name} of ${runtimeId}!`)
 * server.interceptHttp("GET", "/users/:id", async (_body, { id }) => ({ id }))
 * server.setRouteProxyResolver((path) => (path.startsWith("/orders") ? "http://127.0.0.1:9100" : undefined))
 *
 * if (await server.start()) console.log(`listening at ${server.getUrl()}`)
 * else console.log(`${server.getPort()} is in use`)
 * await server.teardown()
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export class IPCServer {
  /**
   * Defines a request that the server answers: branded, or with Schemas.
   *
   * @since 0.1.0
   */
  static readonly defineRequest: typeof Service.defineRequest = Service.defineRequest

  /**
   * Defines a stream that the server answers: branded, or with Schemas.
   *
   * @since 0.2.0
   */
  static readonly defineStream: typeof Service.defineStream = Service.defineStream

  readonly #options: NodeIPCServer.NodeIPCServerOptions
  readonly #routes = new PromiseRoutes()
  readonly #disconnectCallbacks = new Callbacks<Parameters<DisconnectCallback>>("onClientDisconnect")
  readonly #session = new Session<Service.Service>()
  readonly #starting = new Starting()
  readonly #peer = new PromisePeer(() => this.#session.value)
  #resolver: RouteProxyResolver | undefined
  #registerResolver: (() => void) | undefined

  /** Port 0 is any free port. */
  constructor(port = 0, options: IPCServerOptions = {}) {
    CallArguments.checkPort("new IPCServer", port)
    check("new IPCServer(port, options)", options, NodeIPCServer.optionNames)
    this.#options = { ...options, port }
  }

  /**
   * Listens. Resolves with `false`, and listens nowhere, where the port is in use; any other failure rejects: `ListenFailed`, `TokenRequired`, `InvalidToken`,
   * and `ConnectionClosed` where `teardown` was called meanwhile. A server that runs, or is starting, isn't started twice.
   */
  start(): Promise<boolean> {
    const started = this.#session.open(
      (open) => this.#program(open),
      () => notOpen("start", this.#address, "teardown() was called before the server had started.")
    )
    return this.#starting.settle(started)
  }

  /**
   * Closes every connection, ends what is in flight, and resolves when nothing is left open. May be called at any time, any
   * number of times.
   */
  teardown(): Promise<void> {
    return this.#session.close()
  }

  /**
   * The port that is bound, or will be. Throws `ConnectionClosed` where that isn't known: the server was made with port 0
   * and isn't running.
   */
  getPort(): number {
    const port = this.#session.value?.port ?? this.#options.port
    if (port) return port
    throw notOpen("getPort", this.#address, "Any free port was asked for, so there is none yet. Await start() first.")
  }

  /**
   * `http://host:port`. Throws as {@link getPort} does, and where `start` found that another program holds the port.
   */
  getUrl(): string {
    const server = this.#session.value
    if (server !== undefined) return server.url
    this.#starting.checkUrl(this.#address)
    return urlOf({ host: this.#options.host, port: this.getPort() })
  }

  /**
   * Answers a request of the clients. An error that the handler throws or rejects with arrives at the caller as its message,
   * or as itself where the request's failure Schema has it.
   */
  onFrameworkMessage<Payload, Success, Failure = never>(
    request: ServerRequest<Payload, Success, Failure>,
    handler: (payload: Payload, message: SocketMessage<Payload>) => NoInfer<Success> | PromiseLike<NoInfer<Success>>
  ): void {
    this.#peer.onMessage(request, handler)
  }

  /**
   * Sends a request to the client with this runtimeId. Rejects with `ClientNotConnected` where there is none, with the
   * request's own typed failure, or with another `RequestError`.
   */
  sendFrameworkMessage<Success, Failure = never>(
    runtimeId: string,
    request: ClientRequest<void, Success, Failure>,
    payload?: undefined,
    timeoutMs?: number
  ): Promise<Success>
  sendFrameworkMessage<Payload, Success, Failure = never>(
    runtimeId: string,
    request: ClientRequest<Payload, Success, Failure>,
    payload: NoInfer<Payload>,
    timeoutMs?: number
  ): Promise<Success>
  sendFrameworkMessage<Payload, Success, Failure>(
    runtimeId: string,
    request: ClientRequest<Payload, Success, Failure>,
    payload: Payload,
    timeoutMs?: number
  ): Promise<Success> {
    return this.#peer.send(runtimeId, request, payload, timeoutMs)
  }

  /**
   * Answers a stream of the clients, as a generator does. What it throws arrives at the caller as a request's failure does,
   * after the elements that came before it.
   *
   * @since 0.2.0
   */
  onStream<Payload, Element, Failure = never, Input = never>(
    stream: ServerStream<Payload, Element, Failure, Input>,
    handler: PromiseStreamHandler<Payload, NoInfer<Element>, Input, StreamCaller>
  ): void {
    this.#peer.onStream(stream, handler)
  }

  /**
   * Opens a stream at the client with this runtimeId, once its elements are asked for. The elements reject with
   * `ClientNotConnected` where there is none, with the stream's own typed failure, with what the input throws, or with another
   * `StreamError`.
   *
   * @since 0.2.0
   */
  openStream<Payload, Element, Failure = never, Input = never>(
    runtimeId: string,
    stream: ClientStream<Payload, Element, Failure, Input>,
    ...args: OpenStreamArguments<NoInfer<Payload>, Input>
  ): ElementStream<Element> {
    return this.#peer.openStream(runtimeId, stream, args)
  }

  /**
   * Called once for each connection that has closed, by `teardown` too.
   */
  onClientDisconnect(callback: DisconnectCallback): void {
    this.#disconnectCallbacks.add(callback)
  }

  /**
   * Answers an HTTP request: find-my-way paths (`/users/:id`, `/files/*`), one method or `ALL`. Throws `RouteConflict`
   * where the same method and path is routed already, `InvalidRoute` where find-my-way refuses the method or the path.
   */
  interceptHttp<Body = unknown>(method: HttpMethod, path: string, handler: HttpHandler<Body>): void {
    this.#routes.add(method, path, handler as HttpHandler)
  }

  /**
   * Removes the route of the same method and path, if any. Requests in flight are still answered, so a handler may remove
   * its own route.
   */
  removeInterceptHttp(method: HttpMethod, path: string): void {
    this.#routes.remove(method, path)
  }

  /**
   * Forwards requests that no route matches, HTTP and WebSocket alike, to the upstream that the resolver returns.
   */
  setRouteProxyResolver(resolver: RouteProxyResolver): void {
    CallArguments.checkFunction("setRouteProxyResolver", "resolver", resolver)
    const isFirst = this.#resolver === undefined
    this.#resolver = resolver
    if (isFirst) this.#registerResolver?.()
  }

  /** `teardown`, for `await using`. */
  [asyncDispose](): Promise<void> {
    return this.teardown()
  }

  get #address(): string {
    return addressOf(this.#options.host, this.#options.port)
  }

  /** Runs from start to teardown. */
  #program(open: (server: Service.Service) => void): Effect.Effect<void, unknown> {
    const present = new Map<string, ConnectedClient>()
    const onEvent = (event: ConnectionEvent) => {
      if (event._tag === "Connected") present.set(event.clientId, event)
      else this.#onDisconnected(event, present)
    }
    const serving = Effect.gen(this, function* () {
      // Closed last: handlers are interrupted by the end of their connection, whose close frame gives the reason.
      const handling = yield* InnerScope.make
      const server = yield* NodeIPCServer.make(this.#options)
      yield* Effect.addFinalizer(() =>
        Effect.map(server.clients, (clients) => {
          for (const client of clients) present.set(client.clientId, client)
        })
      )
      yield* Scope.extend(this.#peer.attach(server), handling)
      yield* this.#routes.attach(server)
      yield* this.#attachResolver(server)
      open(server)
      yield* Stream.runForEach(server.connections, (event) => Effect.sync(() => onEvent(event)))
    })
    return Effect.ensuring(
      Effect.scoped(serving),
      Effect.sync(() => {
        for (const client of present.values()) this.#onDisconnected(client, present)
      })
    )
  }

  #onDisconnected({ clientId, runtimeId }: ConnectedClient, present: Map<string, ConnectedClient>): void {
    present.delete(clientId)
    this.#disconnectCallbacks.call(clientId, runtimeId)
  }

  /** Registers one resolver per run, which calls the one that is set. */
  #attachResolver(server: Service.Service): Effect.Effect<void, never, Scope.Scope> {
    return Effect.flatMap(Effect.scope, (scope) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          this.#registerResolver = () =>
            runSync(
              Scope.extend(
                server.setRouteProxyResolver((path) => this.#resolver?.(path)),
                scope
              )
            )
          if (this.#resolver !== undefined) this.#registerResolver()
        }),
        () =>
          Effect.sync(() => {
            this.#registerResolver = undefined
          })
      )
    )
  }
}

/**
 * What a handler gets of a request, beside its payload: its sender, and the payload again.
 *
 * @since 0.2.0
 * @category models
 */
export interface SocketMessage<Payload = unknown> extends ConnectedClient {
  readonly data: Payload
}

/**
 * A request that the server answers, by its payload and its response: what `IPCServer.defineRequest(name)` gives.
 *
 * @since 0.2.0
 * @category models
 */
export type IPCServerRequest<Payload, Response> = BrandedRequest<"server", Payload, Response>

/**
 * Is called with the server's id for a connection that has closed, and the client's name where it has one.
 *
 * @since 0.1.0
 * @category models
 */
export type DisconnectCallback = (clientId: string, runtimeId: string | undefined) => unknown
