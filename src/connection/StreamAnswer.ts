/**
 * From a handler that returns a stream to an effect that produces its encoded elements.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Codec } from "../IPCRequest.js"
import type { UntypedStream } from "../IPCStream.js"
import { total } from "../internal/Total.js"
import * as ElementCodec from "./ElementCodec.js"
import { forEachChunk } from "./ForEachChunk.js"
import type * as Frame from "./Frame.js"
import { failureEncoder, invalidPayload, untypedFailure } from "./HandlerFailures.js"

export type UntypedStreamHandler<R> = (...args: ReadonlyArray<unknown>) => Stream.Stream<unknown, unknown, R>

export interface ElementSender {
  readonly send: (elements: ReadonlyArray<unknown>) => Effect.Effect<void, string>
  /** Done when all elements have been sent. */
  readonly flush: Effect.Effect<void, string>
}

export interface StreamAnswer<Caller> {
  readonly hasInput: boolean
  /** Sends encoded elements until the stream ends, and fails with the encoded failure. */
  readonly run: (
    payload: unknown,
    input: Stream.Stream<unknown> | undefined,
    caller: Caller,
    sender: ElementSender
  ) => Effect.Effect<void, Frame.Failure>
  /** Of the input's elements; none where the stream is branded. */
  readonly inputCodec: Codec<unknown> | undefined
}

export const make = <Caller>(
  { codecs, hasInput }: UntypedStream,
  handler: UntypedStreamHandler<never>
): StreamAnswer<Caller> => {
  const encodeFailure =
    codecs === undefined ? (failure: unknown) => Effect.fail(untypedFailure(failure)) : failureEncoder(codecs.failure)
  const decodePayload = (payload: unknown) =>
    codecs === undefined ? Effect.succeed(payload) : Effect.mapError(codecs.payload.decode(payload), invalidPayload)

  const run: StreamAnswer<Caller>["run"] = (payload, input, caller, sender) => {
    const sendEncoded = ({ issue, values }: ElementCodec.Converted): Effect.Effect<void, string> =>
      issue === undefined
        ? sender.send(values)
        : Effect.zipRight(sender.send(values), Effect.fail(`an element of the stream doesn't fit its Schema: ${issue}`))
    const codec = codecs?.element
    const sendChunk = (elements: Chunk.Chunk<unknown>): Effect.Effect<void, string> =>
      codec === undefined
        ? sender.send(Chunk.toReadonlyArray(elements))
        : Effect.flatMap(ElementCodec.encode(codec, elements), sendEncoded)
    const elementsOf = (decoded: unknown): Stream.Stream<unknown, Frame.Failure> =>
      Stream.catchAll(
        Stream.suspend(() => handler(...(input === undefined ? [decoded, caller] : [decoded, input, caller]))),
        (failure) => Stream.fromEffect(encodeFailure(failure))
      )
    // A Schema may throw before there is an effect to run.
    return total(() =>
      Effect.flatMap(decodePayload(payload), (decoded) =>
        afterwards(forEachChunk(elementsOf(decoded), sendChunk, unsent), Effect.mapError(sender.flush, unsent))
      )
    )
  }

  return { hasInput, run, inputCodec: codecs?.input }
}

const unsent = (error: string): Frame.Failure => ({ success: false, error })

/** Also where the first one fails, since the elements before a failure come first. */
const afterwards = <E>(first: Effect.Effect<void, E>, flush: Effect.Effect<void, E>): Effect.Effect<void, E> =>
  Effect.matchCauseEffect(first, {
    onFailure: (cause) =>
      Cause.isInterrupted(cause) ? Effect.failCause(cause) : Effect.zipRight(flush, Effect.failCause(cause)),
    onSuccess: () => flush
  })
