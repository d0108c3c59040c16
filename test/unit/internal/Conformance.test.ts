import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck, ParseResult, Schema } from "effect"
import * as Conformance from "../../../src/internal/Conformance.js"

const Inner = Schema.Struct({ a: Schema.Number, b: Schema.optional(Schema.String) })

const schemas = {
  struct: Schema.Struct({ name: Schema.String, inner: Inner, list: Schema.Array(Inner), flag: Schema.Boolean }),
  optional: Schema.Struct({ a: Schema.optional(Schema.Number), b: Schema.optionalWith(Schema.Null, { exact: true }) }),
  refined: Schema.Struct({ n: Schema.Int.pipe(Schema.between(-3, 3)), s: Schema.NonEmptyString }),
  union: Schema.Struct({ a: Schema.Union(Schema.Null, Schema.Literal("a", 1), Schema.Array(Schema.Number)) }),
  undefinedOr: Schema.Struct({ a: Schema.UndefinedOr(Schema.Number) })
} satisfies Record<string, Schema.Schema.AnyNoContext>

const leaf = FastCheck.constantFrom<unknown>(undefined, null, "", "a", "b", 0, 1, 2.5, Number.NaN, true, [], [1], ["a"])
const inner = FastCheck.oneof(leaf, FastCheck.dictionary(FastCheck.constantFrom("a", "b", "c"), leaf, { maxKeys: 3 }))
const key = FastCheck.constantFrom("a", "b", "n", "s", "name", "inner", "list", "flag", "__proto__", "more")
const value = FastCheck.oneof(
  leaf,
  FastCheck.dictionary(key, FastCheck.oneof(inner, FastCheck.array(inner, { maxLength: 2 })), {
    maxKeys: 4,
    noNullPrototype: true
  }),
  FastCheck.record({
    name: FastCheck.string(),
    inner,
    list: FastCheck.array(inner, { maxLength: 2 }),
    flag: FastCheck.boolean()
  }),
  FastCheck.record({ n: leaf, s: leaf })
)

describe("what conforms to a Schema", () => {
  for (const [name, schema] of Object.entries(schemas)) {
    it(`is what ${name} decodes to and encodes to`, () => {
      const conforms = Conformance.of(schema.ast)
      assert.isDefined(conforms)
      const agree = (value: unknown) => {
        if (conforms?.(value) !== true) return
        for (const run of [ParseResult.decodeUnknownEither, ParseResult.encodeUnknownEither]) {
          assert.deepStrictEqual(run(schema as Schema.Schema<unknown>)(value), Either.right(value))
        }
      }
      const made = FastCheck.oneof(value, FastCheck.constantFrom<unknown>(...examples))
      FastCheck.assert(FastCheck.property(made, agree), { numRuns: 500 })
    })
  }

  it("is told from what doesn't, and from what the Schema would change", () => {
    const conforms = Conformance.of(Inner.ast) as Conformance.Conforms
    class Shaped {
      a = 1
    }
    const cases = [
      { a: 1 },
      { a: 1, b: "x" },
      { a: 1, b: undefined },
      {},
      { a: "1" },
      { a: 1, c: 1 },
      new Shaped(),
      null,
      [1]
    ]
    assert.deepStrictEqual(cases.map(conforms), [true, true, true, false, false, false, false, false, false])
  })

  it("isn't asked of a Schema that transforms, or that takes an object in more than one way", () => {
    const others = [
      Schema.Date,
      Schema.Struct({ at: Schema.NumberFromString }),
      Schema.Union(Schema.Struct({ a: Schema.Number }), Schema.Struct({ a: Schema.Number, b: Schema.Number })),
      Schema.Struct({ a: Schema.Number }).annotations({ parseOptions: { onExcessProperty: "error" } }),
      Schema.Record({ key: Schema.String, value: Schema.Number }),
      Schema.Union(Schema.Struct({ a: Schema.Number }), Schema.Unknown)
    ]
    assert.deepStrictEqual(
      others.map(({ ast }) => Conformance.of(ast)),
      others.map(() => undefined)
    )
  })
})

const examples = [
  { name: "x", inner: { a: 1 }, list: [{ a: 1, b: "y" }], flag: true },
  { name: "x", inner: { a: 1, c: 2 }, list: [], flag: true },
  { a: 1, b: null },
  { a: undefined },
  { n: 2, s: "x" },
  { n: 2.5, s: "x" },
  { a: ["a"] },
  { a: [1] }
]
