import { execFile } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as Facade from "../../layers/promise/index.js"
import { embedExamples, pages } from "../../scripts/embed-examples.js"
import * as Frame from "../../src/connection/Frame.js"
import * as Root from "../../src/index.js"
import { program } from "../support/program.js"

const root = new URL("../../", import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), "utf8")
const manifest = JSON.parse(read("package.json"))
const texts = new Map([...pages(), "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"].map((path) => [path, read(path)]))
const page = (path: string): string => texts.get(path) as string
const docs = pages().map((path) => [path, page(path)] as const)

/** What a block that isn't an example's says of itself: which test or script runs it. */
const claimed = [
  // The command's options exist, below.
  "<!-- run: the options are those of the command's help -->",
  // scripts/check-package.ts takes the bundler's command from there.
  "<!-- run: of the packed package -->",
  // Theirs are in test/package/protocol.test.ts.
  "<!-- vectors -->",
  "<!-- proof vectors -->",
  "<!-- binary vectors -->"
] as const

const section = (text: string, title: string): string => {
  const start = text.indexOf(`\n## ${title}\n`)
  assert.notStrictEqual(start, -1, title)
  const end = text.indexOf("\n## ", start + 1)
  return text.slice(start, end === -1 ? undefined : end)
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

const withoutCode = (text: string): string => text.replace(/^```[\s\S]*?^```$/gm, "")

/** As GitHub makes them. */
const anchorsOf = (text: string): ReadonlySet<string> =>
  new Set(
    all(withoutCode(text), /^#+ (.+)$/gm).map((title) =>
      title
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, "")
        .replaceAll(" ", "-")
    )
  )

/** Of this repository, from wherever the README is read. */
const repository = "https://github.com/effect-ipc/effect-ipc/blob/main/"

const isBroken = (from: string, target: string): boolean => {
  const isOwn = target.startsWith(repository)
  if (!isOwn && /^\w+:/.test(target)) return false
  const [path = "", anchor] = (isOwn ? target.slice(repository.length) : target).split("#")
  const file = path === "" ? new URL(from, root) : new URL(path, isOwn ? root : new URL(from, root))
  if (!existsSync(file)) return true
  return anchor !== undefined && !anchorsOf(readFileSync(file, "utf8")).has(anchor)
}

describe("what the README and the pages of docs/ say is so", () => {
  it("their code is the examples' (npm run format brings it in)", () => {
    for (const [path, text] of docs) assert.strictEqual(text, embedExamples(text), path)
  })

  it("every block of TypeScript is an example's", () => {
    for (const [path, text] of docs) {
      assert.strictEqual(all(text, /^(```tsx?)$/gm).length, all(text, /^(<!-- example: )/gm).length, path)
    }
  })

  it("each page shows something that is run", () => {
    const shown = (text: string) => all(text, /^(<!-- (?!example: |difference: ).*)$/gm)
    assert.deepStrictEqual(
      docs.flatMap(([, text]) => shown(text)).filter((marker) => !claimed.some((claim) => claim === marker)),
      []
    )
    assert.deepStrictEqual(
      docs.filter(([, text]) => !/^<!-- example: /m.test(text) && shown(text).length === 0).map(([path]) => path),
      []
    )
  })

  it("every example is shown, and of a suite's files at least a link", () => {
    const sources = (folder: string) => readdirSync(new URL(folder, root)).filter((name) => name.endsWith(".ts"))
    const shown = docs.flatMap(([, text]) => all(text, /^<!-- example: (\S+)/gm))
    const linked = docs
      .flatMap(([, text]) => all(text, /\]\([^)]*examples\/testing\/([^)]+)\)/g))
      .map((name) => `testing/${name}`)
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

  it("links lead somewhere, to the heading that they name", () => {
    const broken = Array.from(texts).flatMap(([path, text]) =>
      all(withoutCode(text), /\]\(([^)\s]+)\)/g)
        .filter((target) => isBroken(path, target))
        .map((target) => `${path}: ${target}`)
    )
    assert.deepStrictEqual(broken, [])
    assert.isTrue(isBroken("README.md", "docs/nowhere.md") && isBroken("README.md", "#nowhere"))
  })

  it("each page is linked from the front page of the documentation, and from the site's menu", () => {
    const others = pages().filter((path) => path !== "README.md" && path !== "docs/index.md")
    const linked = all(page("docs/index.md"), /\]\(([\w-]+\.md)\)/g).map((name) => `docs/${name}`)
    const listed = all(read("docs/.vitepress/config.ts"), /^ +\["[^"]+", "([\w-]+)"\]/gm).map(
      (name) => `docs/${name}.md`
    )
    for (const places of [linked, listed]) {
      assert.deepStrictEqual(
        others.filter((path) => !places.includes(path)),
        []
      )
    }
  })

  it("the README is short, and its links work wherever it is read", () => {
    assert.isAtMost(page("README.md").split("\n").length - 1, 250)
    const targets = all(withoutCode(page("README.md")), /\]\(([^)\s]+)\)/g)
    assert.deepStrictEqual(
      targets.filter((target) => !target.startsWith("https://") && !target.startsWith("#")),
      []
    )
  })

  it("the entries are the package's", () => {
    const entries = Object.keys(manifest.exports)
      .filter((path) => path !== "./package.json")
      .map((path) => `effect-ipc${path.slice(1)}`)
      .sort()
    const listed = (text: string) => all(text, /^\| `(effect-ipc[\w/-]*)` \|/gm).sort()
    assert.deepStrictEqual(listed(section(page("README.md"), "Entries")), entries)
    assert.deepStrictEqual(listed(page("docs/setup.md")), entries)
  })

  it("commands exist", () => {
    const scripts = Array.from(texts.values()).flatMap((text) =>
      all(text, /npm (?:run )?(start|demo|docs|load|test|(?:test|check|bench):\w+|check|format|build|bench)\b/g)
    )
    assert.isAbove(scripts.length, 15)
    assert.deepStrictEqual(
      scripts.filter((name) => manifest.scripts[name] === undefined),
      []
    )
  })

  it("the command's options exist", { timeout: 60_000 }, async () => {
    const run = promisify(execFile)
    const [marker] = claimed
    const marked = docs.filter(([, text]) => text.includes(marker))
    assert.includeMembers(
      marked.map(([path]) => path),
      ["docs/command.md", "docs/inspector.md"]
    )
    for (const [path, text] of marked) {
      const commands = all(text, /^effect-ipc (.+)$/gm).map((line) => line.split(" -- ")[0] as string)
      assert.isAbove(commands.length, 2, path)
      for (const command of commands) {
        const [subcommand = "", ...rest] = command.split(" ")
        const { stdout } = await run(process.execPath, [program("layers/cli/main.ts"), subcommand, "--help"])
        for (const option of rest.filter((word) => word.startsWith("--"))) assert.include(stdout, option, command)
      }
    }
  })

  it("the architecture's files exist", () => {
    const paths = all(page("docs/architecture.md"), /`((?:src|layers|test|examples|bench)\/[\w/.-]*)`/g)
    assert.isAbove(paths.length, 20)
    assert.deepStrictEqual(
      paths.filter((path) => !existsSync(new URL(path, root))),
      []
    )
  })

  it("the errors are those of the library, each of them", () => {
    const listed = all(page("docs/errors.md"), /^\| `(\w+)` \|/gm).sort()
    assert.deepStrictEqual(errorsOf(Root), listed)
    assert.deepStrictEqual(errorsOf(Facade), listed)
    assert.deepStrictEqual(declaredErrors(), listed)
  })

  it("the dependencies are the package's", () => {
    const listed = all(section(page("docs/architecture.md"), "Dependencies"), /^\| (`.+?`) \|/gm)
    const declared = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })
    assert.deepStrictEqual(listed.flatMap((names) => all(names, /`([^`]+)`/g)).sort(), declared.sort())
  })

  it("the peers are installed in the versions that the package takes, whatever is newest", () => {
    const installs = docs.flatMap(([, text]) => all(text, /^(npm install .+)$/gm)).join(" ")
    for (const [name, range] of Object.entries<string>(manifest.peerDependencies)) {
      const [, version] = installs.match(new RegExp(` ${name}@([\\d.]+)( |$)`)) ?? []
      assert.isTrue(version !== undefined && range.startsWith(`^${version}.`), `${name} ${range}: ${version}`)
    }
  })

  it("the frames are frames", () => {
    const frames = all(page("docs/protocol.md").split("\n## ")[0] as string, /^\| `(.+)` \|/gm)
    assert.strictEqual(frames.length, 4)
    for (const frame of frames) {
      const parsed = Frame.parse(frame)
      assert.notStrictEqual(parsed.type, "malformed", frame)
    }
  })
})
