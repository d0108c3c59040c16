/**
 * The client's side: sends requests to the server and answers the server's, over a connection that reconnects by itself.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { CloseEvent } from "./CloseEvent.js"
import type { NotifyError, RequestError, StreamError } from "./IPCError.js"
import type { Arguments, ClientRequest, HandlerFailure, RequestOptions, ServerRequest } from "./IPCRequest.js"
import { define } from "./IPCRequest.js"
import type { ClientStream, ServerStream, StreamArguments, StreamHandler } from "./IPCStream.js"
import { defineStream } from "./IPCStream.js"

/**
 * The state of the client's connection. `closed` is final.
 *
 * @since 0.1.0
 * @category models
 */
export type Status = "connected" | "reconnecting" | "closed"

/**
 * How one request of a client is made.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClientRequestOptions extends RequestOptions {
  /** Whether the request may run twice: then it is sent again when the connection was lost before its response. */
  readonly idempotent?: boolean
}

/**
 * What {@link IPCClient} is made of.
 *
 * @since 0.1.0
 * @category models
 */
export declare namespace IPCClient {
  /**
   * What a program does with the client. Nothing of it tells on which transport it runs.
   *
   * @since 0.1.0
   * @category models
   */
  export interface Service {
    /**
     * Answers a request of the server until the scope closes, over this connection and all that follow it. Of several
     * handlers of one request the newest answers.
     */
    readonly handle: <Payload, Success, Failure, R = never>(
      request: ClientRequest<Payload, Success, Failure>,
      handler: (payload: Payload) => Effect.Effect<NoInfer<Success>, HandlerFailure<NoInfer<Failure>>, R>
    ) => Effect.Effect<void, never, R | Scope.Scope>
    /**
     * Asks the server. While the connection is being restored, waits for it within the request's own timeout.
     */
    readonly request: <Payload, Success, Failure>(
      request: ServerRequest<Payload, Success, Failure>,
      ...args: Arguments<NoInfer<Payload>, ClientRequestOptions>
    ) => Effect.Effect<Success, Failure | RequestError>
    /**
     * Sends the server a message, which has no response; done when it is on its way.
     */
    readonly notify: <Payload, Success, Failure>(
      request: ServerRequest<Payload, Success, Failure>,
      ...args: Arguments<NoInfer<Payload>, RequestOptions>
    ) => Effect.Effect<void, NotifyError>
    /**
     * Answers a stream of the server until the scope closes, over this connection and all that follow it. With input, the
     * handler gets that after the payload.
     */
    readonly handleStream: <Payload, Element, Failure, Input, R = never>(
      stream: ClientStream<Payload, Element, Failure, Input>,
      handler: StreamHandler<Payload, NoInfer<Element>, NoInfer<Failure>, Input, [], R>
    ) => Effect.Effect<void, never, R | Scope.Scope>
    /**
     * Opens a stream at the server each time that it is run, waiting for the connection where it is being restored. Fails
     * with `ConnectionClosed` where the connection ends; it isn't resumed over a new one.
     */
    readonly stream: <Payload, Element, Failure, Input, E = never, R = never>(
      stream: ServerStream<Payload, Element, Failure, Input>,
      ...args: StreamArguments<NoInfer<Payload>, Input, E, R>
    ) => Stream.Stream<Element, Failure | StreamError | E, R>
    /**
     * The status now and every later one; ends after `closed`. A consumer that falls behind by more than 4,096 changes
     * misses the oldest.
     */
    readonly status: Stream.Stream<Status>
    /** Waits until the client is closed for good; how its last connection ended. */
    readonly closed: Effect.Effect<CloseEvent>
  }
}

/**
 * The client as a service.
 *
 * @example
 * ```ts
 * import { NodeIPCClient } from "effect-ipc/node"
 * import { IPCClient, IPCServer } from "effect-ipc"
 * import { Effect } from "effect"
 *
 * const Greet = IPCServer.defineRequest<{ readonly name: string }, string>("greet")
 *
 * const program = Effect.gen(function* () {
 *   const client = yield* IPCClient
 *   yield* Effect.log(yield* client.request(Greet, { name: "Ada" }))
 * })
 *
 * export const main = program.pipe(Effect.provide(NodeIPCClient.layer({ port: 9000, runtimeId: "greeter" })))
 * ```
 *
 * @since 0.1.0
 * @category tags
 */
export class IPCClient extends Context.Tag("effect-ipc/IPCClient")<IPCClient, IPCClient.Service>() {
  /**
   * Defines a request that a client answers: branded, or with Schemas.
   *
   * @since 0.1.0
   */
  static readonly defineRequest = define<"client">()

  /**
   * Defines a stream that a client answers: branded, or with Schemas.
   *
   * @since 0.2.0
   */
  static readonly defineStream = defineStream<"client">()
}
