/**
 * Bundles the programs that the tests start, once for the whole run: a process that has to compile the library, or only to
 * load it file by file, takes several times as long to be ready.
 */
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

export default async (project: TestProject): Promise<() => void> => {
  const { build, folder, remove } = bundle(entryPoints)
  await build()
  project.provide("programs", folder)
  project.onTestsRerun(build)
  return remove
}
