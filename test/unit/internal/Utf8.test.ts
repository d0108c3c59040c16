import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Utf8 from "../../../src/internal/Utf8.js"

describe("The size of a text in UTF-8", () => {
  it("is that of its bytes, however long it is and whatever is in it, also halves of surrogate pairs", () => {
    const texts = fc.tuple(fc.string({ unit: "binary", minLength: 1, maxLength: 5 }), fc.nat(30_000))
    fc.assert(
      fc.property(texts, ([unit, times]) => {
        const text = unit.repeat(times)
        assert.strictEqual(Utf8.sizeOf(text), Buffer.byteLength(text))
      }),
      { numRuns: 20 }
    )
    const halves = "\ud83d".repeat(100_000)
    assert.strictEqual(Utf8.sizeOf(halves), Buffer.byteLength(halves))
  })
})
