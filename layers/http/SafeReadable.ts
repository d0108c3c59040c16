/**
 * What is iterated as a Node stream that survives whatever it gives and throws.
 *
 * @internal
 */
import { Readable } from "node:stream"

/**
 * Node looks into each chunk and error; where that throws, as for a revoked proxy, the stream never ends and a rejection goes
 * unhandled. So a chunk that is neither bytes nor text ends the stream with an error, and what is thrown comes as a
 * {@link Thrown}.
 *
 * @internal
 */
export const fromIterable = (body: AsyncIterable<unknown>): Readable => Readable.from(guarded(body))

/**
 * As {@link fromIterable}. Throws where the stream has a reader already.
 *
 * @internal
 */
export const fromWeb = (stream: ReadableStream): Readable => {
  if (stream.locked) throw new TypeError("the ReadableStream has a reader already")
  return fromIterable(stream as ReadableStream & AsyncIterable<unknown>)
}

/**
 * Carries any value through a Node stream.
 *
 * @internal
 */
export class Thrown extends Error {
  constructor(readonly reason: unknown) {
    super("thrown by a body")
  }
}

async function* guarded(body: AsyncIterable<unknown>): AsyncGenerator<string | Uint8Array, void, void> {
  try {
    for await (const chunk of body) yield checked(chunk)
  } catch (reason) {
    throw new Thrown(reason)
  }
}

/**
 * The chunk, if it can be a part of a body. Throws otherwise.
 *
 * @internal
 */
export const checked = (chunk: unknown): string | Uint8Array => {
  // By the internal slot first: `instanceof` throws for a revoked proxy.
  if (typeof chunk === "string" || (ArrayBuffer.isView(chunk) && chunk instanceof Uint8Array)) return chunk
  throw new TypeError(`a body consists of bytes and strings, not of ${kindOf(chunk)}`)
}

/** Never throws. */
const kindOf = (value: unknown): string => {
  try {
    return Object.prototype.toString.call(value)
  } catch {
    return "an object that can't be looked at"
  }
}
