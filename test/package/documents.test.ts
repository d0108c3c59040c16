import { readFileSync } from "node:fs"
import { assert, it } from "@effect/vitest"

const read = (name: string): string => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8")

it("the changelog begins with the version of the package", () => {
  const [, version] = /^## (\S+)$/m.exec(read("CHANGELOG.md")) ?? []
  assert.strictEqual(version, JSON.parse(read("package.json")).version)
})
