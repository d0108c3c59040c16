import { existsSync, readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Facade from "../../layers/promise/index.js"
import { embedExamples } from "../../scripts/embed-examples.js"
import * as Frame from "../../src/connection/Frame.js"
import * as Root from "../../src/index.js"

const root = new URL("../../", import.meta.url)
const readme = readFileSync(new URL("README.md", root), "utf8")
const manifest = JSON.parse(readFileSync(new URL("package.json", root), "utf8"))

const section = (title: string): string => {
  const start = readme.indexOf(`\n## ${title}\n`)
  assert.notStrictEqual(start, -1, title)
  const end = readme.indexOf("\n## ", start + 1)
  return readme.slice(start, end === -1 ? undefined : end)
}

const errorsOf = (entry: Readonly<Record<string, unknown>>): ReadonlyArray<string> =>
  Object.entries(entry)
    .filter(([, value]) => typeof value === "function" && value.prototype instanceof Error)
    .map(([name]) => name)
    .sort()

/** Those that the sources declare with a name of the library, the command's own apart. */
const declaredErrors = (): ReadonlyArray<string> =>
  ["src/", "layers/"]
    .flatMap((folder) =>
      readdirSync(new URL(folder, root), { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".ts"))
        .map((name) => readFileSync(new URL(folder + name, root), "utf8"))
    )
    .flatMap((code) => all(code, /TaggedError<\w+>\(\s*"effect-ipc\/(\w+)"\s*\)/g))
    .sort()

const all = (text: string, pattern: RegExp): Array<string> =>
  Array.from(text.matchAll(pattern), (match) => match[1] as string)

describe("what the README says is so", () => {
  it("its code is the examples' (npm run format brings it in)", () => {
    assert.strictEqual(readme, embedExamples(readme))
  })

  it("every block of TypeScript is an example's", () => {
    assert.strictEqual(all(readme, /^(```ts)$/gm).length, all(readme, /^(<!-- example: )/gm).length)
  })

  it("every example is shown, and of a suite's files at least a link", () => {
    const sources = (folder: string) => readdirSync(new URL(folder, root)).filter((name) => name.endsWith(".ts"))
    const shown = all(readme, /^<!-- example: (\S+)/gm)
    const linked = all(readme, /\]\(examples\/testing\/([^)]+)\)/g).map((name) => `testing/${name}`)
    assert.deepStrictEqual(
      sources("examples/").filter((name) => name !== "demo.ts" && !shown.includes(name)),
      []
    )
    assert.deepStrictEqual(
      sources("examples/testing/")
        .map((name) => `testing/${name}`)
        .filter((name) => !shown.includes(name) && !linked.includes(name)),
      []
    )
  })

  it("its links lead somewhere", () => {
    const anchors = new Set(all(readme, /^#+ (.+)$/gm).map((title) => `#${title.toLowerCase().replaceAll(" ", "-")}`))
    const broken = all(readme, /\]\(([^)]+)\)/g).filter((target) =>
      target.startsWith("#")
        ? !anchors.has(target)
        : !target.startsWith("https://") && !existsSync(new URL(target, root))
    )
    assert.deepStrictEqual(broken, [])
  })

  it("its commands exist", () => {
    const scripts = all(readme, /npm (?:run )?(start|demo|test|check:\w+|bench:\w+|check|format|build)\b/g)
    assert.deepStrictEqual(
      scripts.filter((name) => manifest.scripts[name] === undefined),
      []
    )
  })

  it("the architecture's files exist", () => {
    const paths = all(section("Architecture"), /`((?:src|layers|test|examples|bench)\/[\w/.]*)`/g)
    assert.isAbove(paths.length, 20)
    assert.deepStrictEqual(
      paths.filter((path) => !existsSync(new URL(path, root))),
      []
    )
  })

  it("the errors are those of the library, each of them", () => {
    const listed = all(section("Errors"), /^\| `(\w+)` \|/gm).sort()
    assert.deepStrictEqual(errorsOf(Root), listed)
    assert.deepStrictEqual(errorsOf(Facade), listed)
    assert.deepStrictEqual(declaredErrors(), listed)
  })

  it("the dependencies are the package's", () => {
    const listed = all(section("Dependencies"), /^\| (`.+?`) \|/gm).flatMap((names) => all(names, /`([^`]+)`/g))
    const declared = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })
    assert.deepStrictEqual(listed.sort(), declared.sort())
  })

  it("the peers are installed in the versions that the package takes, whatever is newest", () => {
    const installs = all(readme, /^(npm install .+)$/gm).join(" ")
    for (const [name, range] of Object.entries<string>(manifest.peerDependencies)) {
      const [, version] = installs.match(new RegExp(` ${name}@([\\d.]+)( |$)`)) ?? []
      assert.isTrue(version !== undefined && range.startsWith(`^${version}.`), `${name} ${range}: ${version}`)
    }
  })

  it("the frames are frames", () => {
    const frames = all(section("The wire"), /^\| `(.+)` \|/gm)
    assert.strictEqual(frames.length, 4)
    for (const frame of frames) {
      const parsed = Frame.parse(frame)
      assert.notStrictEqual(parsed.type, "malformed", frame)
    }
  })
})
