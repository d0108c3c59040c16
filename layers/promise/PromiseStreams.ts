/**
 * Streams as programs without Effect open and answer them: async iterables in place of streams.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ConnectedClient } from "../../src/IPCPeer.js"
import type { StreamOptions, UntypedStream } from "../../src/IPCStream.js"
import type { ElementStream } from "./ElementStream.js"
import * as ElementStreams from "./ElementStream.js"
import type { Elements } from "./IterableStream.js"
import * as IterableStream from "./IterableStream.js"

/**
 * How one stream is opened.
 *
 * @since 0.2.0
 * @category models
 */
export interface OpenStreamOptions extends StreamOptions {
  /** Ends the stream when it is aborted: what waits for its elements rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/**
 * The arguments after the stream: its payload, its input where it has one, and options.
 *
 * @since 0.2.0
 * @category models
 */
export type OpenStreamArguments<Payload, Input> = [Input] extends [never]
  ? [Payload] extends [void]
    ? [payload?: undefined, options?: OpenStreamOptions]
    : [payload: Payload, options?: OpenStreamOptions]
  : [payload: Payload, input: Elements<Input>, options?: OpenStreamOptions]

/**
 * What a handler of a stream is told beside its payload.
 *
 * @since 0.2.0
 * @category models
 */
export interface StreamContext {
  /**
   * Is aborted when the stream ends before the handler's iterable has: the caller has left it or has disconnected. A generator that
   * awaits something else than its input has to watch it, since nothing else interrupts it.
   */
  readonly signal: AbortSignal
}

/**
 * What a handler of the server is told beside its payload.
 *
 * @since 0.2.0
 * @category models
 */
export interface StreamCaller extends ConnectedClient, StreamContext {}

/**
 * Answers a stream with an iterable, most often as a generator, or a promise of one. What it throws arrives at the caller
 * after the elements that came before it. Where the stream is left early, the iterator's `return` is called, so a generator's
 * `finally` runs, and its input rejects.
 *
 * @since 0.2.0
 * @category models
 */
export type PromiseStreamHandler<Payload, Element, Input, Context> = [Input] extends [never]
  ? (payload: Payload, context: Context) => Elements<Element> | PromiseLike<Elements<Element>>
  : (
      payload: Payload,
      input: ElementStream<Input>,
      context: Context
    ) => Elements<Element> | PromiseLike<Elements<Element>>

/**
 * A handler of the facade as one of the service.
 *
 * @internal
 */
export const serviceHandler =
  ({ hasInput }: UntypedStream, handler: (...args: ReadonlyArray<never>) => unknown): ServiceHandler =>
  (...args) => {
    const controller = new AbortController()
    const { signal } = controller
    const caller = args.at(-1) as ConnectedClient | undefined
    const context = { ...(caller === undefined ? {} : callerOf(caller)), signal }
    const call = (handlerArgs: ReadonlyArray<unknown>) =>
      IterableStream.make(
        () => handler(...(handlerArgs as ReadonlyArray<never>)) as Elements<unknown>,
        () => controller.abort()
      )
    if (!hasInput) return call([args[0], context])
    const input = ElementStreams.make(args[1] as Stream.Stream<unknown>, signal)
    return Stream.ensuring(
      call([args[0], input, context]),
      Effect.promise(() => input.return())
    )
  }

/** @internal */
export type ServiceHandler = (...args: ReadonlyArray<unknown>) => Stream.Stream<unknown, unknown>

/** A client as handlers are told of it. */
const callerOf = ({ clientId, runtimeId }: ConnectedClient): ConnectedClient =>
  runtimeId === undefined ? { clientId } : { clientId, runtimeId }

/**
 * Opens a stream by `open`, which is `stream` of the service.
 *
 * @internal
 */
export const openStream = <Element>(
  { hasInput }: UntypedStream,
  args: ReadonlyArray<unknown>,
  open: (args: ReadonlyArray<unknown>) => Stream.Stream<unknown, unknown, unknown>
): ElementStream<Element> => {
  const { signal, ...options } = (args[hasInput ? 2 : 1] ?? {}) as OpenStreamOptions
  const input = hasInput ? [IterableStream.make(() => args[1] as Elements<unknown>)] : []
  return ElementStreams.make(open([args[0], ...input, options]) as Stream.Stream<Element, unknown>, signal)
}
