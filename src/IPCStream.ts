/**
 * Streams, defined once and shared by both ends: requests whose answer is many values, with or without a stream of input.
 *
 * @since 0.2.0
 */
import type { DurationInput } from "effect/Duration"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { AnySchema, Codec, Direction, HandlerFailure, NoServices, WireSchema, WireType } from "./IPCRequest.js"
import { checkDefinition, checkSchemas, codec } from "./IPCRequest.js"

declare const Shape: unique symbol

/**
 * A stream as the calls take it. `Input` is `never` where the caller sends none.
 *
 * @since 0.2.0
 * @category models
 */
export interface IPCStream<D extends Direction, Payload, Element, Failure, Input> {
  readonly name: string
  readonly [Shape]: {
    readonly answeredBy: D
    readonly payload: (payload: Payload) => Payload
    readonly element: (element: Element) => Element
    readonly failure: (failure: Failure) => Failure
    readonly input: (input: Input) => Input
  }
}

/**
 * A stream that the server answers.
 *
 * @since 0.2.0
 * @category models
 */
export type ServerStream<Payload, Element, Failure, Input> = IPCStream<"server", Payload, Element, Failure, Input>

/**
 * A stream that a client answers.
 *
 * @since 0.2.0
 * @category models
 */
export type ClientStream<Payload, Element, Failure, Input> = IPCStream<"client", Payload, Element, Failure, Input>

/**
 * How one stream is consumed.
 *
 * @since 0.2.0
 * @category models
 */
export interface StreamOptions {
  /**
   * How long the peer may take to accept the stream, the wait for a connection included: a `Duration`, or milliseconds.
   * Default 10 seconds, or the connection's `requestTimeout`.
   */
  readonly acceptTimeout?: DurationInput | undefined
  /** How long the consumer waits for the next element before it gives up. Default: as long as it takes. */
  readonly idleTimeout?: DurationInput | undefined
  /**
   * How much may be on its way to the consumer: elements, and bytes of them. One larger element may be under way all the
   * same. Default 1,024 and 256 KiB.
   */
  readonly window?: { readonly items?: number | undefined; readonly bytes?: number | undefined } | undefined
}

/**
 * The arguments after the stream: its payload, its input where it has one, and options.
 *
 * @since 0.2.0
 * @category models
 */
export type StreamArguments<Payload, Input, E, R> = [Input] extends [never]
  ? [Payload] extends [void]
    ? [payload?: undefined, options?: StreamOptions]
    : [payload: Payload, options?: StreamOptions]
  : [payload: Payload, input: Stream.Stream<Input, E, R>, options?: StreamOptions]

/**
 * What answers a stream. The stream that it returns is interrupted and finalized when the caller leaves it or disconnects.
 *
 * @since 0.2.0
 * @category models
 */
export type StreamHandler<Payload, Element, Failure, Input, Caller extends ReadonlyArray<unknown>, R> = [
  Input
] extends [never]
  ? (payload: Payload, ...caller: Caller) => Stream.Stream<Element, HandlerFailure<Failure>, R>
  : (
      payload: Payload,
      input: Stream.Stream<Input>,
      ...caller: Caller
    ) => Stream.Stream<Element, HandlerFailure<Failure>, R>

/**
 * Defines streams of one direction.
 *
 * @since 0.2.0
 * @category constructors
 */
export interface DefineStream<D extends Direction> {
  /**
   * A stream with Schemas: both ends validate payload, elements and input, and a failure arrives typed, after the elements
   * that came before it. Throws {@link InvalidRequestName} where the name can't be on the wire.
   */
  <
    E extends WireSchema,
    P extends WireSchema = typeof Schema.Void,
    F extends AnySchema = typeof Schema.Never,
    I extends WireSchema = typeof Schema.Never
  >(
    name: string,
    schemas: {
      readonly payload?: P & NoServices<P>
      readonly element: E & NoServices<E>
      readonly failure?: F & NoServices<F>
      readonly input?: I & NoServices<I>
    }
  ): IPCStream<D, WireType<P>, WireType<E>, Schema.Schema.Type<F>, WireType<I>>
  /**
   * A branded stream with input: checked at compile time alone. Throws {@link InvalidRequestName} where the name can't be
   * on the wire.
   */
  <Payload, Element, Input>(
    name: string,
    options: { readonly input: true }
  ): IPCStream<D, Payload, Element, never, Input>
  /**
   * A branded stream: checked at compile time alone. Throws {@link InvalidRequestName} where the name can't be on the wire.
   */
  <Payload = void, Element = void>(name: string): IPCStream<D, Payload, Element, never, never>
}

/**
 * `IPCServer.defineStream` and `IPCClient.defineStream` are this, for their direction.
 *
 * @internal
 */
export const defineStream = <D extends Direction>(): DefineStream<D> =>
  ((
    name: string,
    options?: Partial<Record<"payload" | "element" | "failure", WireSchema>> & { input?: WireSchema | true }
  ) => {
    checkDefinition("defineStream", name)
    const { input, ...schemas } = options ?? {}
    if (options !== undefined) {
      const checked = input === true ? schemas : options
      checkSchemas("defineStream", checked, { payload: true, element: true, failure: true, input: true })
      if (schemas.element === undefined && (input !== true || Object.keys(schemas).length > 0)) {
        throw new TypeError("defineStream: its element is a Schema or IPCRequest.Bytes, not undefined.")
      }
    }
    const definition: UntypedStream = {
      name,
      hasInput: input !== undefined,
      codecs:
        schemas.element === undefined
          ? undefined
          : {
              payload: codec(schemas.payload ?? Schema.Void),
              element: codec(schemas.element),
              failure: codec(schemas.failure ?? Schema.Never),
              input: codec(input === undefined || input === true ? Schema.Never : input)
            }
    }
    return definition
  }) as unknown as DefineStream<D>

/**
 * A stream as the engine sees it.
 *
 * @internal
 */
export interface UntypedStream {
  readonly name: string
  readonly hasInput: boolean
  /** None where it is branded. */
  readonly codecs: Readonly<Record<"payload" | "element" | "failure" | "input", Codec<unknown>>> | undefined
}

/** @internal */
export const untypedStream = <D extends Direction, P, E, F, I>(stream: IPCStream<D, P, E, F, I>): UntypedStream =>
  stream as unknown as UntypedStream

/**
 * Payload, input and options, however many were given.
 *
 * @internal
 */
export const streamArguments = (
  { hasInput }: UntypedStream,
  args: ReadonlyArray<unknown>
): {
  readonly payload: unknown
  readonly input: Stream.Stream<unknown, unknown, unknown> | undefined
  readonly options: StreamOptions | undefined
} => ({
  payload: args[0],
  input: hasInput ? (args[1] as Stream.Stream<unknown, unknown, unknown>) : undefined,
  options: args[hasInput ? 2 : 1] as StreamOptions | undefined
})
