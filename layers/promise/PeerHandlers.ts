/**
 * Handlers of the requests and streams of the other end, for the facade's clients and servers alike.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ConnectedClient } from "../../src/IPCPeer.js"
import type { Direction, Shaped } from "../../src/IPCRequest.js"
import { untyped } from "../../src/IPCRequest.js"
import type { IPCStream } from "../../src/IPCStream.js"
import { untypedStream } from "../../src/IPCStream.js"
import * as CallArguments from "./CallArguments.js"
import { answer, PromiseHandlers } from "./PromiseHandlers.js"
import { serviceHandler } from "./PromiseStreams.js"

export class PeerHandlers {
  readonly #requests = PromiseHandlers.ofRequests<[payload: unknown, caller?: ConnectedClient]>()
  readonly #streams = PromiseHandlers.ofStreams()

  /**
   * As the facade's method of this name. The handler of a server gets a message of its caller beside the payload; that of a
   * client gets the payload alone.
   */
  onRequest<D extends Direction, Payload, Success, Failure>(
    method: string,
    request: Shaped<D, Payload, Success, Failure>,
    handler: (payload: Payload, message: ConnectedClient & { readonly data: Payload }) => unknown
  ): void {
    CallArguments.checkRequest(method, request)
    CallArguments.checkFunction(method, "handler", handler)
    const call = handler as (...args: ReadonlyArray<unknown>) => unknown
    this.#requests.set(untyped(request), (payload, caller) =>
      answer(() => (caller === undefined ? call(payload) : call(payload, messageOf(caller, payload))))
    )
  }

  /** As `onStream` of the facade. */
  onStream<D extends Direction, Payload, Element, Failure, Input>(
    stream: IPCStream<D, Payload, Element, Failure, Input>,
    handler: (...args: ReadonlyArray<never>) => unknown
  ): void {
    CallArguments.checkStream("onStream", stream)
    CallArguments.checkFunction("onStream", "handler", handler)
    const definition = untypedStream(stream)
    this.#streams.set(definition, serviceHandler(definition, handler))
  }

  /** Registers the handlers with the service, also those set from now on, until the scope closes. */
  attach(service: {
    readonly handle: unknown
    readonly handleStream: unknown
  }): Effect.Effect<void, never, Scope.Scope> {
    return Effect.zipRight(
      this.#requests.attach(service.handle as never),
      this.#streams.attach(service.handleStream as never)
    )
  }
}

/** Property by property: V8 makes a hidden class for each object that a spread begins, a tenth of the time of a small request. */
const messageOf = ({ clientId, runtimeId }: ConnectedClient, data: unknown) =>
  runtimeId === undefined ? { clientId, data } : { clientId, runtimeId, data }
