/**
 * A response that needs no platform: what it sends is there already.
 *
 * @internal
 */
import type * as Stream from "effect/Stream"

const TypeId: unique symbol = Symbol.for("effect-ipc/Answer")

export class Answer {
  readonly [TypeId] = TypeId

  constructor(
    readonly status: number,
    /** Names in lower case. */
    readonly headers: Readonly<Record<string, string>>,
    readonly body: string | Uint8Array | Stream.Stream<Uint8Array, unknown> | undefined
  ) {}
}

/** By its type id: a program may have loaded the library twice. */
export const isAnswer = (value: object): value is Answer => TypeId in value
