import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"

const page = readFileSync(new URL("../../docs/coming-from.md", import.meta.url), "utf8")

/** Of each idiom, the lines of the other library's block and of ours. */
const idioms = page
  .split(/^### /m)
  .slice(1)
  .map((text) => {
    const [title = ""] = text.split("\n")
    const blocks = Array.from(text.matchAll(/^```\w+\n([\s\S]*?)\n```$/gm), ([, code]) => code as string)
    return { title, lines: blocks.map((code) => code.split("\n").length) }
  })

describe("the page for those who come from another library", () => {
  it("has thirty idioms or more, each of which takes no more lines here", () => {
    assert.isAtLeast(idioms.length, 30)
    assert.deepStrictEqual(
      idioms.filter(
        ({ lines: [theirs = 0, ours = Number.POSITIVE_INFINITY, ...more] }) => ours > theirs || more.length > 0
      ),
      []
    )
  })

  it("has none whose lines are longer than ours may be", () => {
    const code = Array.from(page.matchAll(/^```\w+\n([\s\S]*?)\n```$/gm), ([, block]) => block as string)
    assert.deepStrictEqual(
      code.flatMap((block) => block.split("\n")).filter((line) => line.length > 120),
      []
    )
  })
})
