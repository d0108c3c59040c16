import { Writable } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as BufferPool from "../../layers/BufferPool.js"

/** A use of lent memory: of one lent view, or of a part of it. */
const use = FastCheck.record({
  what: FastCheck.constantFrom("lend", "lend", "giveBack", "disown"),
  length: FastCheck.integer({ min: 1, max: 70_000 }),
  view: FastCheck.nat(),
  cut: FastCheck.constantFrom("whole", "whole", "start", "end")
})

describe("BufferPool", () => {
  it("gives memory to one at a time, and keeps no more than a MiB of it", () => {
    const taken = Array.from({ length: 40 }, () => BufferPool.take(100_000))
    assert.strictEqual(new Set(taken).size, taken.length)
    for (const buffer of taken) BufferPool.give(buffer)
    const known = new Set(taken)
    const again = Array.from({ length: 40 }, () => BufferPool.take(100_000)).filter((buffer) => known.has(buffer))
    const bytes = again.reduce((sum, { length }) => sum + length, 0)
    assert.isAbove(bytes, 0)
    assert.isAtMost(bytes, 1024 * 1024)
  })

  it.prop(
    "takes hardly more than is written, and what it keeps, for what waits for a peer that doesn't read",
    [FastCheck.oneof(FastCheck.integer({ min: 1, max: 20_000 }), FastCheck.integer({ min: 1, max: 600_000 }))],
    ([length]) => {
      const stalled = new Writable({ write: () => {} })
      stalled.write("x")
      let taken = 0
      for (let i = 0; i < 1000; i++) {
        const buffer = BufferPool.takeForWrite(stalled, length)
        assert.isAtLeast(buffer.length, length)
        BufferPool.write(stalled, buffer, length)
        taken += buffer.length
      }
      assert.isAtMost(taken, (16 / 15) * 1000 * length + 1024 * 1024)
    },
    { fastCheck: { numRuns: 20 } }
  )

  it("keeps a length that is asked for now, however much it holds of another", () => {
    const short = Array.from({ length: 40 }, () => BufferPool.take(1000))
    for (const buffer of short) BufferPool.give(buffer)
    const long = BufferPool.take(500_000)
    BufferPool.give(long)
    assert.strictEqual(BufferPool.take(500_000), long)
  })

  it.prop(
    "leaves what is lent as it is until all of it is given back at once, and then lends it to one at a time",
    [FastCheck.array(use, { minLength: 20, maxLength: 60 })],
    ([uses]) => {
      const views: Array<{ readonly view: Buffer; readonly value: number; isOwned: boolean; isGivenBack: boolean }> = []
      for (const [value, { cut, length, view: at, what }] of uses.entries()) {
        if (what === "lend" || views.length === 0) {
          const view = BufferPool.lend(BufferPool.take(length), length).fill(value)
          views.push({ view, value, isOwned: false, isGivenBack: false })
          continue
        }
        const used = views[at % views.length] as (typeof views)[number]
        // What was given back may be somebody else's by now.
        if (used.isGivenBack) continue
        const part = cut === "whole" ? used.view : cut === "start" ? used.view.subarray(1) : used.view.subarray(0, -1)
        if (what === "disown") {
          BufferPool.disown(part)
          used.isOwned = true
          continue
        }
        assert.strictEqual(BufferPool.isLent(part), cut === "whole" && !used.isOwned)
        used.isGivenBack = BufferPool.isLent(part)
        BufferPool.giveBack(part)
        assert.isFalse(BufferPool.isLent(part))
      }
      for (const { isGivenBack, value, view } of views) {
        if (!isGivenBack) assert.isTrue(view.every((byte) => byte === value))
      }
    },
    { fastCheck: { numRuns: 50 } }
  )

  it("takes lent memory back once", () => {
    const view = BufferPool.lend(BufferPool.take(100_000), 90_000)
    BufferPool.giveBack(view)
    BufferPool.giveBack(view)
    const again = [BufferPool.take(100_000), BufferPool.take(100_000)].map(({ buffer }) => buffer === view.buffer)
    assert.deepStrictEqual(again, [true, false])
  })
})
