import { existsSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"

const root = new URL("../../", import.meta.url)
const manifest = JSON.parse(readFileSync(new URL("package.json", root), "utf8"))
const names = ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
const text = (name: string): string => readFileSync(new URL(name, root), "utf8")

const all = (text: string, pattern: RegExp): ReadonlyArray<string> =>
  Array.from(text.matchAll(pattern), (match) => match[1] as string)

const anchorsOf = (name: string): ReadonlyArray<string> =>
  all(text(name), /^#+ (.+)$/gm).map((title) => title.toLowerCase().replaceAll(" ", "-"))

describe("the documents beside the README", () => {
  it("link to what is there", () => {
    const broken = names.flatMap((name) =>
      all(text(name), /\]\((?!https:)([^)]+)\)/g).filter((target) => {
        const [path = "", anchor] = target.split("#")
        return !existsSync(new URL(path, root)) || (anchor !== undefined && !anchorsOf(path).includes(anchor))
      })
    )
    assert.deepStrictEqual(broken, [])
  })

  it("name scripts that the package has", () => {
    const scripts = names.flatMap((name) => all(text(name), /npm (?:run )?(test|check:package|check|bench|format)\b/g))
    assert.isAbove(scripts.length, 4)
    assert.deepStrictEqual(
      scripts.filter((script) => manifest.scripts[script] === undefined),
      []
    )
  })

  it("the changelog begins with the version of the package", () => {
    assert.strictEqual(all(text("CHANGELOG.md"), /^## (\S+)$/gm)[0], manifest.version)
  })
})
