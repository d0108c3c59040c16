import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"

interface Locked {
  readonly version?: string
  readonly resolved?: string
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

describe.each(["package-lock.json", "docs/package-lock.json"])("npm ci installs from %s", (path) => {
  const lock = JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), "utf8")) as {
    readonly packages: Readonly<Record<string, Locked>>
  }

  it("on every platform (after a change of dependencies: node scripts/lock-platforms.mjs)", () => {
    const names = new Set(Object.keys(lock.packages).map((path) => path.slice(path.lastIndexOf("node_modules/") + 13)))
    const missing = Object.values(lock.packages)
      .flatMap(({ optionalDependencies }) => Object.keys(optionalDependencies ?? {}))
      .filter((name) => !names.has(name))
    assert.deepStrictEqual(missing, [])
  })

  it("from any registry", () => {
    const bound = Object.entries(lock.packages).filter(([, { resolved }]) => resolved !== undefined)
    assert.deepStrictEqual(bound, [])
  })
})
