/**
 * Handlers of the streams that the other end opens.
 *
 * @internal
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Direction } from "../../src/IPCRequest.js"
import type { IPCStream } from "../../src/IPCStream.js"
import { untypedStream } from "../../src/IPCStream.js"
import * as CallArguments from "./CallArguments.js"
import { PromiseHandlers } from "./PromiseHandlers.js"
import { serviceHandler } from "./PromiseStreams.js"

export class StreamHandlers {
  readonly #handlers = PromiseHandlers.ofStreams()

  /** As `onStream` of the facade. */
  on<D extends Direction, Payload, Element, Failure, Input>(
    stream: IPCStream<D, Payload, Element, Failure, Input>,
    handler: (...args: ReadonlyArray<never>) => unknown
  ): void {
    CallArguments.checkStream("onStream", stream)
    CallArguments.checkFunction("onStream", "handler", handler)
    const definition = untypedStream(stream)
    this.#handlers.set(definition, serviceHandler(definition, handler))
  }

  /** Registers the handlers with the service, also those set from now on, until the scope closes. */
  attach({ handleStream }: { readonly handleStream: unknown }): Effect.Effect<void, never, Scope.Scope> {
    return this.#handlers.attach(handleStream as never)
  }
}
