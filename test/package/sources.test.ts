import { execFile } from "node:child_process"
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"

const root = fileURLToPath(new URL("../../", import.meta.url))

const sources = ["src", "layers"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name))
)

/** What may use the sources. */
const everything = [
  ...sources,
  ...["test", "bench", "examples", "scripts"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => /\.m?[jt]s$/.test(name) && !name.includes("node_modules"))
      .map((name) => join(folder, name))
  )
]

const texts = new Map<string, string>()

const textOf = (name: string): string => {
  const text = texts.get(name) ?? readFileSync(join(root, name), "utf8")
  texts.set(name, text)
  return text
}

/** The sources of which a user can import something by one of the package's entries. */
const reachable = (() => {
  const found = new Set<string>()
  const visit = (name: string) => {
    if (found.has(name)) return
    found.add(name)
    for (const [, target] of textOf(name).matchAll(/^export\s[^;]*?\sfrom "(\.[^"]+)\.js"$/gm)) {
      visit(join(name, "..", `${target}.ts`))
    }
  }
  const { exports } = JSON.parse(textOf("package.json")) as { exports: Record<string, string | { types: string }> }
  for (const entry of Object.values(exports)) {
    if (typeof entry === "object") visit(join(entry.types.replace("dist/", "").replace(".d.ts", ".ts")))
  }
  return found
})()

/** A docstring without its stars. */
const plain = (docstring: string) => docstring.replaceAll(/^ *(?:\/\*)?\*+\/? ?/gm, "").trim()

/** What the linter says of the files in a project of their own, with this project's rules. */
const lint = async (files: Readonly<Record<string, string>>): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), "effect-ipc-lint-"))
  try {
    for (const name of ["biome.json", "scripts"]) cpSync(join(root, name), join(folder, name), { recursive: true })
    for (const [name, code] of Object.entries(files)) {
      mkdirSync(join(folder, name, ".."), { recursive: true })
      writeFileSync(join(folder, name), code)
    }
    const biome = join(root, "node_modules", ".bin", process.platform === "win32" ? "biome.cmd" : "biome")
    const args = ["lint", "--vcs-enabled=false", "--colors=off", "src", "layers"]
    return await new Promise((resolve) => {
      execFile(biome, args, { cwd: folder, shell: process.platform === "win32" }, (_error, stdout, stderr) =>
        resolve(stdout + stderr)
      )
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

describe("the sources", () => {
  it("no file is over 500 lines", () => {
    const lines = (name: string) => textOf(name).trimEnd().split("\n").length
    assert.isAbove(sources.length, 100)
    assert.deepStrictEqual(
      sources.filter((name) => lines(name) > 500),
      []
    )
  })

  it("each says whether users see it: by @since where an entry exports something of it, by @internal else", () => {
    const wrong = sources.filter((name) => {
      const [header = ""] = /\/\*\*.*?\*\//s.exec(textOf(name)) ?? []
      const marks = ["@since", "@internal"].filter((mark) => header.includes(mark)).join()
      // An engine is no module of the API. Types of it may be, and then the compiler must not strip it.
      const isEngine = /^src[\\/].+[\\/]/.test(name)
      if (!reachable.has(name)) return marks !== "@internal"
      return isEngine ? marks.includes("@since") : marks !== "@since"
    })
    assert.isAbove(reachable.size, 50)
    assert.deepStrictEqual(wrong, [])
  })

  it("each docstring with @since says in a sentence what it is about", () => {
    const docstrings = sources.flatMap((name) =>
      Array.from(
        textOf(name).matchAll(/\/\*\*(?:(?!\*\/).)*@since.*?\*\/\n[^\n]*/gs),
        ([text]) => [name, text] as const
      )
    )
    assert.isAbove(docstrings.length, 300)
    const silent = docstrings.filter(([, text]) => !/^[^@\s]/.test(plain(text)))
    assert.deepStrictEqual(silent, [])
  })

  it("what an internal module exports is used elsewhere", () => {
    const users = new Map<string, Array<string>>()
    for (const name of everything) {
      for (const [, target = ""] of textOf(name).matchAll(/(?:from|import\()\s*"(\.[^"]+?)\.js"/g)) {
        const path = join(name, "..", `${target}.ts`)
        users.set(path, [...(users.get(path) ?? []), name])
      }
    }
    const exported = sources.flatMap((name) =>
      Array.from(
        textOf(name).matchAll(/(\/\*\*(?:(?!\*\/).)*\*\/\n)?^export (?:const|function|class) (\w+)/gms),
        ([, docstring = "", value]) => ({ name, docstring, value: value as string })
      )
    )
    assert.isAbove(exported.length, 500)
    const unused = exported.filter(({ docstring, name, value }) => {
      if (reachable.has(name) && docstring.includes("@since")) return false
      const isNamed = new RegExp(`\\b${value}\\b`)
      return !(users.get(name) ?? []).some((user) => isNamed.test(textOf(user)))
    })
    assert.deepStrictEqual(unused, [])
  })

  it("no two folders import each other, unless one is within the other", () => {
    const imports = new Set<string>()
    for (const name of sources) {
      for (const [, target = ""] of textOf(name).matchAll(/(?:from|import\()\s*"(\.[^"]+?)\.js"/g)) {
        imports.add(JSON.stringify([dirname(name), dirname(join(name, "..", target))]))
      }
    }
    assert.isAbove(imports.size, 50)
    const mutual = Array.from(imports, (text): readonly [string, string] => JSON.parse(text)).filter(
      ([from, to]) => from < to && relative(from, to).startsWith("..") && imports.has(JSON.stringify([to, from]))
    )
    assert.deepStrictEqual(mutual, [])
  })

  it("load at a program's start no package and no service that most programs don't need", () => {
    const loadedBy = (entry: string): ReadonlyArray<string> => {
      const found = new Set<string>()
      const load = (name: string) => {
        if (found.has(name)) return
        found.add(name)
        if (!name.endsWith(".ts")) return
        const imports = /^(?:import|export)\s+(?!type\s)[\w\s{},*]*?(?:from\s+)?"([^"]+)"/gm
        for (const [, target = ""] of textOf(name).matchAll(imports)) {
          load(target.startsWith(".") ? join(name, "..", target.replace(/\.js$/, ".ts")) : target)
        }
      }
      load(entry)
      return [...found].filter((name) => !/^(?:node:|effect\/|@effect\/)/.test(name))
    }
    const packagesOf = (entry: string) =>
      loadedBy(entry)
        .filter((name) => !name.endsWith(".ts"))
        .sort()
    assert.deepStrictEqual(packagesOf("src/index.ts"), [])
    assert.deepStrictEqual(packagesOf("layers/index.ts"), [])
    // The facade checks paths before its server starts.
    assert.deepStrictEqual(packagesOf("layers/promise/index.ts"), ["find-my-way"])
    for (const entry of ["layers/index.ts", "layers/promise/index.ts"]) {
      const loaded = loadedBy(entry)
      assert.include(loaded, join("layers", "NodeIPCClient.ts"))
      assert.notInclude(loaded, join("layers", "interception", "InterceptionService.ts"))
      assert.notInclude(loaded, join("layers", "inspector", "RunningInspector.ts"))
    }
  })

  it("the linter finds a circle of imports of types alone", async () => {
    const report = await lint({
      "src/Left.ts": 'import type { Right } from "./Right.js"\nexport type Left = Right | 1\n',
      "src/Right.ts": 'export type { Left as Right } from "./Left.js"\n',
      "layers/Layer.ts": 'import type { Left } from "../src/Left.js"\nexport type Layer = Left\n'
    })
    assert.match(report, /^src\/Left\.ts:1:\d+ lint\/suspicious\/noImportCycles/m)
    assert.match(report, /^src\/Right\.ts:1:\d+ lint\/suspicious\/noImportCycles/m)
    assert.match(report, /Checked 3 files.*\nFound 2 errors/)
  })

  it("the linter finds the import of a type within an expression, which its search for circles doesn't follow", async () => {
    const report = await lint({
      "src/Left.ts": 'export type Left = import("./Right.js").Right | 1\n',
      "layers/Layer.ts": 'export const load = () => import("../src/Left.js")\n'
    })
    assert.match(report, /src\/Left\.ts:1:20 plugin/)
    assert.match(report, /Checked 2 files.*\nFound 1 error/)
  })

  it("the linter finds imports against the direction of the architecture", async () => {
    const upward = {
      "src/IPCThing.ts": "./connection/Engine.js",
      "src/internal/Table.ts": "../IPCThing.js",
      "src/connection/Engine.ts": "../discovery/Engine.js",
      "src/election/Engine.ts": "../discovery/Engine.js",
      "src/discovery/Engine.ts": "../../layers/Layer.js",
      "src/service/Engine.ts": "../election/Engine.js",
      "src/lease/Engine.ts": "../service/Engine.js",
      "src/telemetry/Spans.ts": "../connection/Engine.js",
      "src/service.ts": "node:fs",
      "layers/Layer.ts": "effect"
    }
    const report = await lint(
      Object.fromEntries(
        Object.entries(upward).map(([name, target]) => [name, `import "${target}"\nexport const value = 1\n`])
      )
    )
    const planted = new Set(Object.keys(upward).map((name) => name.split("/")[1]))
    for (const { name } of readdirSync("src", { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
      assert.isTrue(planted.has(name), `nothing is planted in src/${name}`)
    }
    const found = Object.keys(upward).filter((name) =>
      new RegExp(`^${name}:1:\\d+ lint/(?:style/noRestrictedImports|correctness/noNodejsModules)`, "m").test(report)
    )
    assert.deepStrictEqual(found, Object.keys(upward))
  })
})
