/**
 * Bundles the programs that the tests start, once for the whole run: a process that has to compile the library, or only to
 * load it file by file, takes several times as long to be ready.
 */
import { copyFileSync, mkdtempSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"
import type { TestProject } from "vitest/node"

declare module "vitest" {
  export interface ProvidedContext {
    /** Where the programs are, each below the path that its source has in the repository. */
    readonly programs: string
  }
}

const root = fileURLToPath(new URL("../..", import.meta.url))

const compile = (folder: string) =>
  build({
    absWorkingDir: root,
    entryPoints: ["test/support/processes/*.ts", "test/support/processes/*.js", "layers/cli/main.ts", "examples/*.ts"],
    outdir: folder,
    outbase: root,
    bundle: true,
    splitting: true,
    platform: "node",
    format: "esm",
    target: "node20",
    // Not ES modules, which would need a `require` of their own.
    external: ["find-my-way", "http-proxy", "undici", "ws"],
    logLevel: "error"
  })

export default async (project: TestProject): Promise<() => void> => {
  const folder = mkdtempSync(join(tmpdir(), "effect-ipc-programs-"))
  // With which the folder is a package of the same name and dependencies.
  copyFileSync(join(root, "package.json"), join(folder, "package.json"))
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "junction")
  await compile(folder)
  project.provide("programs", folder)
  project.onTestsRerun(async () => void (await compile(folder)))
  return () => rmSync(folder, { recursive: true, force: true })
}
