import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { compile as compileFolder } from "../support/typescript.js"

const root = fileURLToPath(new URL("../../", import.meta.url))
const folder = mkdtempSync(join(tmpdir(), "effect-ipc-docstrings-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Example {
  readonly place: string
  readonly code: string
}

/** The blocks of TypeScript in the docstrings of a source. */
const examplesIn = (name: string): ReadonlyArray<Example> =>
  Array.from(
    readFileSync(join(root, name), "utf8").matchAll(/^ *\* ```ts\n((?: *\*.*\n)*?) *\* ```$/gm),
    (match, index) => ({
      place: `${name} ${index + 1}`,
      code: (match[1] as string).replace(/^ *\* ?/gm, "")
    })
  )

const examples = ["src", "layers"].flatMap((part) =>
  readdirSync(join(root, part), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .flatMap((name) => examplesIn(`${part}/${name.replaceAll("\\", "/")}`))
)

/** What the compiler says of the examples, each with where it stands instead of its file. */
const compile = async (of: ReadonlyArray<Example>): Promise<string> => {
  const { compilerOptions } = JSON.parse(readFileSync(join(root, "tsconfig.json"), "utf8"))
  const paths = Object.fromEntries(
    Object.entries<ReadonlyArray<string>>(compilerOptions.paths).map(([name, [path]]) => [
      name,
      [join(root, path as string)]
    ])
  )
  const options = { ...compilerOptions, paths, noUnusedLocals: false, typeRoots: [join(root, "node_modules/@types")] }
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: options, include: ["*.ts"] }))
  writeFileSync(join(folder, "package.json"), '{"type":"module"}')
  of.forEach(({ code }, index) => {
    writeFileSync(join(folder, `example${index}.ts`), `${code}\nexport {}\n`)
  })
  const said = await compileFolder(folder)
  return said.replace(/^example(\d+)\.ts/gm, (_, index) => of[Number(index)]?.place ?? "")
}

describe("the examples in docstrings", () => {
  it("compile, where one that is wrong doesn't", { timeout: 60_000 }, async () => {
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "junction")
    assert.isAbove(examples.length, 20)
    const wrong = { place: "here", code: 'import { IPCServer } from "effect-ipc"\nIPCServer.defineRequests("a")' }
    const said = await compile([...examples, wrong])
    assert.match(said, /^here\(2,11\): error TS2551: [^\n]*\n$/)
  })
})
