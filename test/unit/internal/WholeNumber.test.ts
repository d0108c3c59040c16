import { assert, describe, it } from "@effect/vitest"
import { limit, wholeNumber } from "../../../src/internal/WholeNumber.js"

describe("A number of an option", () => {
  it("is a whole one that can be compared, or the default", () => {
    const given = [undefined, Number.NaN, "none" as never, "12" as never, -1, 0, 1.9, Number.POSITIVE_INFINITY]
    const most = Number.MAX_SAFE_INTEGER
    assert.deepStrictEqual(
      given.map((value) => [limit(value, 7), wholeNumber(value, 7)]),
      [
        [7, 7],
        [7, 7],
        [7, 7],
        [12, 12],
        [0, 1],
        [0, 1],
        [1, 1],
        [most, most]
      ]
    )
  })
})
