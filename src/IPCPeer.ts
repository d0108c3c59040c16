/**
 * The side that has clients, on whatever transport: it answers their requests and sends them its own.
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { CloseEvent } from "./CloseEvent.js"
import type { ClientNotConnected, NotifyError, RequestError, StreamError } from "./IPCError.js"
import type { Arguments, ClientRequest, HandlerFailure, RequestOptions, ServerRequest } from "./IPCRequest.js"
import type { ClientStream, ServerStream, StreamArguments, StreamHandler } from "./IPCStream.js"

/**
 * A client as handlers and events name it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectedClient {
  /** The server's name for this one connection. */
  readonly clientId: string
  /** The client's own name, which outlives its connections. */
  readonly runtimeId?: string
}

/**
 * A client connected or disconnected.
 *
 * @since 0.1.0
 * @category models
 */
export type ConnectionEvent =
  | ({ readonly _tag: "Connected" } & ConnectedClient)
  | ({ readonly _tag: "Disconnected" } & ConnectedClient & CloseEvent)

/**
 * What a program does with its clients, and the service of the same name. `IPCServer` is one with a port and HTTP
 * beside it. A program that needs no more than this runs on any transport, in memory too.
 *
 * @example
 * ```ts
 * import { IPCPeer, IPCServer } from "effect-ipc"
 * import { NodeIPCServer } from "effect-ipc/node"
 * import { Effect, Layer } from "effect"
 *
 * const Greet = IPCServer.defineRequest<{ readonly name: string }, string>("greet")
 *
 * export const Greeter = Layer.scopedDiscard(
 *   Effect.gen(function* () {
 *     const peer = yield* IPCPeer
 *     yield* peer.handle(Greet, ({ name }) => Effect.succeed(`Hello, ${name}!`))
 *   })
 * )
 *
 * export const Live = Greeter.pipe(Layer.provide(NodeIPCServer.layer({ port: 9000 })))
 * ```
 *
 * @since 0.2.0
 * @category models
 */
export interface IPCPeer {
  /**
   * Answers a request of the clients until the scope closes, those connected already and those to come. Of several
   * handlers of one request the newest answers.
   */
  readonly handle: <Payload, Success, Failure, R = never>(
    request: ServerRequest<Payload, Success, Failure>,
    handler: (
      payload: Payload,
      caller: ConnectedClient
    ) => Effect.Effect<NoInfer<Success>, HandlerFailure<NoInfer<Failure>>, R>
  ) => Effect.Effect<void, never, R | Scope.Scope>
  /**
   * Asks the client with this runtimeId. Fails with `ClientNotConnected` at once where there is none.
   */
  readonly request: <Payload, Success, Failure>(
    runtimeId: string,
    request: ClientRequest<Payload, Success, Failure>,
    ...args: Arguments<NoInfer<Payload>, RequestOptions>
  ) => Effect.Effect<Success, Failure | RequestError | ClientNotConnected>
  /**
   * Sends the client with this runtimeId a message, which has no response; done when it is on its way.
   */
  readonly notify: <Payload, Success, Failure>(
    runtimeId: string,
    request: ClientRequest<Payload, Success, Failure>,
    ...args: Arguments<NoInfer<Payload>, RequestOptions>
  ) => Effect.Effect<void, NotifyError | ClientNotConnected>
  /**
   * Answers a stream of the clients until the scope closes, as `handle` answers a request. With input, the handler gets
   * that before the caller.
   */
  readonly handleStream: <Payload, Element, Failure, Input, R = never>(
    stream: ServerStream<Payload, Element, Failure, Input>,
    handler: StreamHandler<Payload, NoInfer<Element>, NoInfer<Failure>, Input, [caller: ConnectedClient], R>
  ) => Effect.Effect<void, never, R | Scope.Scope>
  /**
   * Opens a stream at the client with this runtimeId each time that it is run. Fails with `ClientNotConnected` at once
   * where there is none, and with `ConnectionClosed` where the connection ends; it isn't resumed over a new one.
   */
  readonly stream: <Payload, Element, Failure, Input, E = never, R = never>(
    runtimeId: string,
    stream: ClientStream<Payload, Element, Failure, Input>,
    ...args: StreamArguments<NoInfer<Payload>, Input, E, R>
  ) => Stream.Stream<Element, Failure | StreamError | ClientNotConnected | E, R>
  /**
   * Sends every client connected now a message. One that is closing or doesn't read keeps nothing from the others.
   */
  readonly broadcast: <Payload, Success, Failure>(
    request: ClientRequest<Payload, Success, Failure>,
    ...args: Arguments<NoInfer<Payload>, never>
  ) => Effect.Effect<void, NotifyError>
  /** The clients connected now. */
  readonly clients: Effect.Effect<ReadonlyArray<ConnectedClient>>
  /**
   * Clients that connect and disconnect from now on. A consumer that falls behind by more than 4,096 events misses the
   * oldest.
   */
  readonly connections: Stream.Stream<ConnectionEvent>
  /** Waits until a client with this runtimeId is connected; at once where one is. */
  readonly awaitClient: (runtimeId: string) => Effect.Effect<ConnectedClient>
}

/**
 * The peer as a service.
 *
 * @since 0.2.0
 * @category tags
 */
export const IPCPeer: Context.Tag<IPCPeer, IPCPeer> = Context.GenericTag<IPCPeer>("effect-ipc/IPCPeer")
