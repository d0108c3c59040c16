import { assert, describe, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import { PCGRandom } from "effect/Utils"
import { theilSen } from "./Slope.js"

const line = (count: number, slope: number, noise: (i: number) => number = () => 0) =>
  Array.from({ length: count }, (_, i) => ({ x: 30 + 4 * i, y: 20_000 + slope * 4 * i + noise(i) }))

describe("The slope of measurements", () => {
  it("of a line is the line's, and certain", () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 60 }), fc.integer({ min: -1000, max: 1000 }), (count, slope) => {
        assert.deepStrictEqual(theilSen(line(count, slope)), { slope, low: slope, high: slope })
      })
    )
  })

  it("isn't moved by a fifth of the measurements, however wild", () => {
    const wild = line(20, 2, (i) => (i % 5 === 0 ? 1_000_000 : 0))
    assert.approximately(theilSen(wild).slope, 2, 0.01)
  })

  it("of noise lies within its interval about as often as 95 %", () => {
    const random = new PCGRandom(1)
    const runs = Array.from({ length: 400 }, () => {
      // A sum of many is all but normal.
      const normal = () => Array.from({ length: 12 }, () => random.number() - 0.5).reduce((sum, one) => sum + one, 0)
      const { high, low } = theilSen(line(15, 3, () => 200 * normal()))
      return low <= 3 && 3 <= high
    })
    const share = runs.filter((held) => held).length / runs.length
    assert.isTrue(share > 0.92 && share < 0.99, `${share}`)
  })
})
