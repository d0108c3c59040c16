/**
 * What the servers of the facade do with their clients: their handlers, and their calls to the clients of a peer that comes
 * and goes.
 *
 * @internal
 */

import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ConnectedClient, IPCPeer } from "../../src/IPCPeer.js"
import type { Arguments, ClientRequest, RequestOptions, ServerRequest } from "../../src/IPCRequest.js"
import type { ClientStream, ServerStream } from "../../src/IPCStream.js"
import { untypedStream } from "../../src/IPCStream.js"
import * as CallArguments from "./CallArguments.js"
import type { ElementStream } from "./ElementStream.js"
import { ServerNotRunning } from "./NotOpen.js"
import { PeerHandlers } from "./PeerHandlers.js"
import type { OpenStreamArguments, PromiseStreamHandler, StreamCaller } from "./PromiseStreams.js"
import { openStream } from "./PromiseStreams.js"
import { handled, run } from "./Promises.js"

export class PromisePeer {
  readonly #handlers = new PeerHandlers()

  /** `peer` gives the peer while the server runs. */
  constructor(private readonly peer: () => IPCPeer | undefined) {}

  onMessage<Payload, Success, Failure>(
    request: ServerRequest<Payload, Success, Failure>,
    handler: (payload: Payload, message: ConnectedClient & { readonly data: Payload }) => unknown
  ): void {
    this.#handlers.onRequest("onFrameworkMessage", request, handler)
  }

  send<Payload, Success, Failure>(
    runtimeId: string,
    request: ClientRequest<Payload, Success, Failure>,
    payload: unknown,
    timeoutMs: number | undefined
  ): Promise<Success> {
    const issue = CallArguments.sendingIssue("sendFrameworkMessage", request, runtimeId, timeoutMs)
    if (issue !== undefined) return issue
    const peer = this.peer()
    if (peer === undefined) return handled(Promise.reject(new ServerNotRunning({ runtimeId, connected: [] })))
    const options = timeoutMs === undefined ? {} : { timeout: timeoutMs }
    return run(
      peer.request(runtimeId, request, ...([payload, options] as unknown as Arguments<Payload, RequestOptions>))
    )
  }

  onStream<Payload, Element, Failure, Input>(
    stream: ServerStream<Payload, Element, Failure, Input>,
    handler: PromiseStreamHandler<Payload, NoInfer<Element>, Input, StreamCaller>
  ): void {
    this.#handlers.onStream(stream, handler)
  }

  openStream<Payload, Element, Failure, Input>(
    runtimeId: string,
    stream: ClientStream<Payload, Element, Failure, Input>,
    args: OpenStreamArguments<NoInfer<Payload>, Input>
  ): ElementStream<Element> {
    CallArguments.checkStream("openStream", stream)
    return openStream(untypedStream(stream), args, (serviceArgs) =>
      Stream.suspend(
        () =>
          this.peer()?.stream(runtimeId, stream, ...(serviceArgs as never)) ??
          Stream.fail(new ServerNotRunning({ runtimeId, connected: [] }))
      )
    )
  }

  /** Registers the handlers with the peer, also those set from now on, until the scope closes. */
  attach(peer: IPCPeer): Effect.Effect<void, never, Scope.Scope> {
    return this.#handlers.attach(peer)
  }
}
