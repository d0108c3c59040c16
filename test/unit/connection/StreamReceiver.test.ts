import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { ConnectionMemory } from "../../../src/connection/ConnectionMemory.js"
import type { Grants } from "../../../src/connection/Grants.js"
import { StreamReceiver } from "../../../src/connection/StreamReceiver.js"
import { yieldingAt } from "../../support/yielding.js"

const memory = { streams: 0, settle: () => {} } as unknown as ConnectionMemory
const grants = { add: () => {}, close: () => {} } as unknown as Grants

/** How a pull ends that yields before its n-th step, where something happens meanwhile. */
const pulledWhile = (step: number, happens: (receiver: StreamReceiver<never>) => void) => {
  const receiver = new StreamReceiver<never>({ count: 10, bytes: 100 }, memory, grants)
  return yieldingAt(step, receiver.pull, () => happens(receiver))
}

describe("StreamReceiver", () => {
  it.each([1, 2, 3, 4])("gives what arrives while the fiber that pulls has yielded before step %i", (step) => {
    const exit = pulledWhile(step, (receiver) => receiver.offer(["element"], 7))
    assert.deepStrictEqual(exit, Exit.succeed(Chunk.of<unknown>("element")))
  })

  it.each([1, 2, 3, 4])("ends where its end comes while that fiber has yielded before step %i", (step) => {
    assert.deepStrictEqual(
      pulledWhile(step, (receiver) => receiver.end(Effect.void)),
      Exit.fail(Option.none())
    )
  })

  it.effect("keeps what arrives after a pull that waited was interrupted, for the next one", () =>
    Effect.gen(function* () {
      const receiver = new StreamReceiver<never>({ count: 10, bytes: 100 }, memory, grants)
      const waiting = yield* Effect.fork(receiver.pull)
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(waiting)
      receiver.offer(["first"], 7)
      receiver.offer(["second"], 8)
      assert.deepStrictEqual(yield* receiver.pull, Chunk.make<[unknown, ...Array<unknown>]>("first", "second"))
    })
  )
})
