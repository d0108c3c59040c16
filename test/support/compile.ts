/**
 * Bundles the programs that the tests start, once for the whole run: a process that has to compile the library, or only to
 * load it file by file, takes several times as long to be ready.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { TestProject } from "vitest/node"
import { bundle } from "./bundle.js"

declare module "vitest" {
  export interface ProvidedContext {
    /** Where the programs are, each below the path that its source has in the repository. */
    readonly programs: string
  }
}

const entryPoints = [
  "test/support/processes/*.ts",
  "test/support/processes/*.js",
  "layers/cli/main.ts",
  "examples/*.ts",
  "examples/services/*.ts",
  "examples/observing/*.ts",
  "examples/two-programs/*.ts"
]

const { compilerOptions } = JSON.parse(readFileSync(new URL("../../tsconfig.json", import.meta.url), "utf8"))

/** What programs that stay in TypeScript import: the package's entries, and the same Effect that these have. */
const packages: Record<string, string> = {
  ...Object.fromEntries(
    Object.entries<readonly [string]>(compilerOptions.paths).map(([name, [source]]) => [name, source])
  ),
  effect: "effect",
  "@effect/platform": "@effect/platform"
}

/** From which tsx takes the packages in the folder. */
const tsconfigOf = (folder: string) => ({
  compilerOptions: {
    paths: Object.fromEntries(Object.keys(packages).map((name) => [name, [join(folder, `${name}.js`)]]))
  }
})

export default async (project: TestProject): Promise<() => void> => {
  const programs = bundle(entryPoints)
  const imported = bundle(packages)
  const tsconfig = join(imported.folder, "tsconfig.json")
  writeFileSync(tsconfig, JSON.stringify(tsconfigOf(imported.folder)))
  process.env.TSX_TSCONFIG_PATH = tsconfig
  const build = async () => void (await Promise.all([programs.build(), imported.build()]))
  await build()
  project.provide("programs", programs.folder)
  project.onTestsRerun(build)
  return () => {
    programs.remove()
    imported.remove()
  }
}
