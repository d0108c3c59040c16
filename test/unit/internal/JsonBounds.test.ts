import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as JsonBounds from "../../../src/internal/JsonBounds.js"

interface Shape {
  readonly depth: number
  readonly collections: number
  /** The values beside the first of each list and object. */
  readonly values: number
  readonly fields: number
  /** The names of the fields among them. */
  readonly strings: number
}

const shapeOf = (value: unknown): Shape => {
  if (typeof value !== "object" || value === null) {
    return { depth: 0, collections: 0, values: 0, fields: 0, strings: typeof value === "string" ? 1 : 0 }
  }
  const inner = Object.values(value).map(shapeOf)
  return {
    depth: 1 + Math.max(0, ...inner.map(({ depth }) => depth)),
    collections: inner.reduce((sum, { collections }) => sum + collections, 1),
    values: inner.reduce((sum, { values }) => sum + values, Math.max(0, inner.length - 1)),
    fields: inner.reduce((sum, { fields }) => sum + fields, Array.isArray(value) ? 0 : inner.length),
    strings: inner.reduce((sum, { strings }) => sum + strings, Array.isArray(value) ? 0 : inner.length)
  }
}

const text = FastCheck.oneof(
  FastCheck.json({ stringUnit: "binary" }),
  // What strings may hold that looks like JSON.
  FastCheck.jsonValue({
    stringUnit: FastCheck.constantFrom("\\", '"', "{", "]", ",", "a")
  }).map((value) => JSON.stringify(value))
)

const nested = (depth: number, open = "[", close = "]") => open.repeat(depth) + close.repeat(depth)

describe("JSON of a peer", () => {
  it("is counted as what is parsed of it", () => {
    FastCheck.assert(
      FastCheck.property(text, (json) => {
        const { collections, fields, strings, values } = shapeOf(JSON.parse(json))
        const counts = JsonBounds.count(json, 0, { collections, values })
        assert.deepStrictEqual(counts, { collections, values, fields, strings, issue: undefined })
        const issues = [
          JsonBounds.count(json, 0, { collections: collections - 1 }).issue,
          JsonBounds.count(json, 0, { collections, values: values - 1 }).issue
        ]
        assert.deepStrictEqual(issues, [
          collections === 0 ? undefined : `more than ${collections - 1} lists and objects`,
          values === 0 ? undefined : `more than ${values - 1} values`
        ])
      }),
      { numRuns: 500 }
    )
  })

  it("is refused where it nests too deeply, and parsed where it nests as deeply as it may", () => {
    const wide = ` ${" ".repeat(JsonBounds.uncheckedLength)}`
    const tooDeep = "its JSON has lists and objects nested more than 512 deep"
    const deepest = [nested(512), nested(512, '{"a":', "}").replace(":}", ":1}"), `${nested(511, "[", "]")}`]
    for (const json of deepest) assert.strictEqual(JSON.stringify(JsonBounds.parse(json + wide)), json)
    for (const json of [nested(513), "[".repeat(8_000_000), '{"a":'.repeat(2000), '["\\"",{"a":'.repeat(257)]) {
      assert.throws(() => JsonBounds.parse(json + wide), RangeError, tooDeep)
    }
  })

  it("is refused where its lists and objects would take many times the memory of their text", () => {
    for (const item of ["{},", "[],", "[[]],"]) {
      const json = `[${item.repeat(1_000_000)}0]`
      assert.throws(() => JsonBounds.parse(json), RangeError, "its JSON has more than 1000000 lists and objects")
    }
    // As many as there are in large records.
    assert.isNumber(JsonBounds.weigh(`[${'{"id":123456789},'.repeat(1_100_000)}0]`))
  })
})
