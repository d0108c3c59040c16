/**
 * From a handler that returns a stream to an effect that produces its encoded elements.
 *
 * @internal
 */
import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { UntypedStream } from "../IPCStream.js"
import { total } from "../internal/CallbackEffect.js"
import * as ElementCodec from "./ElementCodec.js"
import type * as Frame from "./Frame.js"
import { failureEncoder, invalidPayload, untypedFailure } from "./HandlerFailures.js"

export type UntypedStreamHandler<R> = (...args: ReadonlyArray<unknown>) => Stream.Stream<unknown, unknown, R>

export interface StreamAnswer<Caller> {
  readonly hasInput: boolean
  /** Sends encoded elements until the stream ends, and fails with the encoded failure. */
  readonly run: (
    payload: unknown,
    input: Stream.Stream<unknown> | undefined,
    caller: Caller,
    send: (elements: ReadonlyArray<unknown>) => Effect.Effect<void, string>
  ) => Effect.Effect<void, Frame.Failure>
  /** Elements of the input as the handler has them; or why one doesn't fit its Schema. */
  readonly decodeInput: (elements: Chunk.Chunk<unknown>) => Effect.Effect<Chunk.Chunk<unknown>, string>
}

export const make = <Caller>(
  { codecs, hasInput }: UntypedStream,
  handler: UntypedStreamHandler<never>
): StreamAnswer<Caller> => {
  const encodeFailure =
    codecs === undefined ? (failure: unknown) => Effect.fail(untypedFailure(failure)) : failureEncoder(codecs.failure)
  const decodePayload = (payload: unknown) =>
    codecs === undefined ? Effect.succeed(payload) : Effect.mapError(codecs.payload.decode(payload), invalidPayload)

  const run: StreamAnswer<Caller>["run"] = (payload, input, caller, send) => {
    const sendChunk = (elements: Chunk.Chunk<unknown>): Effect.Effect<void, Frame.Failure> =>
      ElementCodec.encode(codecs?.element, elements).pipe(
        Effect.mapError((issue) => `an element of the stream doesn't fit its Schema: ${issue}`),
        Effect.flatMap(send),
        Effect.mapError((error): Frame.Failure => ({ success: false, error }))
      )
    const elementsOf = (decoded: unknown): Stream.Stream<unknown, Frame.Failure> =>
      Stream.catchAll(
        Stream.suspend(() => handler(...(input === undefined ? [decoded, caller] : [decoded, input, caller]))),
        (failure) => Stream.fromEffect(encodeFailure(failure))
      )
    // A Schema may throw before there is an effect to run.
    return total(() =>
      Effect.flatMap(decodePayload(payload), (decoded) => Stream.runForEachChunk(elementsOf(decoded), sendChunk))
    )
  }

  const decodeInput: StreamAnswer<Caller>["decodeInput"] =
    codecs === undefined ? Effect.succeed : (elements) => ElementCodec.decode(codecs.input, elements)

  return { hasInput, run, decodeInput }
}
