/**
 * Programs of the repository, bundled in a folder of their own.
 */
import { copyFileSync, mkdtempSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as esbuild from "esbuild"
import * as PageAssets from "../../layers/inspector/PageAssets.js"

/** The inspector's page is bundled by the library's own module, which can't be bundled itself. */
const page: esbuild.Plugin = {
  name: "page",
  setup: ({ onLoad }) =>
    onLoad({ filter: /inspector[\\/]PageAssets\.ts$/ }, async () => ({
      contents: `export const load = async () => (${JSON.stringify(await PageAssets.load())})`,
      loader: "js"
    }))
}

const root = fileURLToPath(new URL("../..", import.meta.url))

export interface Bundle {
  /** Where the programs are, each below the path that its source has in the repository. */
  readonly folder: string
  readonly build: () => Promise<void>
  readonly remove: () => void
}

/** What is bundled: sources, or by the path that it gets, without its ending. */
export type EntryPoints = Array<string> | Record<string, string>

/** `plugins` may change what is bundled. */
export const bundle = (entryPoints: EntryPoints, plugins: ReadonlyArray<esbuild.Plugin> = []): Bundle => {
  const folder = mkdtempSync(join(tmpdir(), "effect-ipc-programs-"))
  // With which the folder is a package of the same name and dependencies.
  copyFileSync(join(root, "package.json"), join(folder, "package.json"))
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "junction")
  const build = async () => {
    await esbuild.build({
      absWorkingDir: root,
      entryPoints,
      outdir: folder,
      outbase: root,
      bundle: true,
      splitting: true,
      platform: "node",
      format: "esm",
      target: "node20",
      // A program starts in three quarters of the time where there is less to parse. Names stay.
      minifySyntax: true,
      minifyWhitespace: true,
      lineLimit: 160,
      // Not ES modules, which would need a `require` of their own.
      external: ["@nats-io/*", "find-my-way", "http-proxy", "prom-client", "undici", "ws"],
      plugins: [page, ...plugins],
      logLevel: "error"
    })
  }
  return { folder, build, remove: () => rmSync(folder, { recursive: true, force: true }) }
}
