import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Printable from "../../../src/internal/Printable.js"

/** What moves the cursor, colours, ends a line, or reorders text in some terminal or log viewer. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const harmful = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/

const anyText = FastCheck.string({ unit: "binary", maxLength: 50 })

const hostile = FastCheck.array(
  FastCheck.oneof(anyText, FastCheck.constantFrom("\u001b[2J", "\r\n", "\u009b", "\u202e"))
)

describe("text of a peer", () => {
  it("is printed on one line, without anything that a terminal obeys", () => {
    FastCheck.assert(
      FastCheck.property(hostile, (parts) => {
        const text = parts.join("")
        for (const shown of [Printable.printable(text), Printable.oneLine(text), Printable.quote(text)]) {
          assert.notMatch(shown, harmful)
        }
        assert.strictEqual(JSON.parse(Printable.quote(text)), text)
        assert.strictEqual(Printable.printable(text).length <= text.length, true)
      })
    )
  })

  it("keeps what can be printed, in any script", () => {
    const text = "Ünïcode, 日本語, فارسی, 👩‍👩‍👧 and a\\back\\slash"
    assert.deepStrictEqual([Printable.printable(text), Printable.oneLine(text)], [text, text])
    assert.strictEqual(Printable.quote(text), JSON.stringify(text))
  })

  it("has its lines joined, and is cut where it is long", () => {
    assert.strictEqual(Printable.oneLine("  one\r\n\r\n  two\u2028three\n"), "one two three")
    assert.strictEqual(Printable.oneLine("x".repeat(1_000_000)), `${"x".repeat(1000)}…`)
  })
})
