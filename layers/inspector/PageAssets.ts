/**
 * The page's files. The build bundles them once and replaces this module by the result.
 *
 * @internal
 */
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"

export interface PageAssets {
  readonly html: string
  readonly css: string
  readonly icon: string
  readonly script: string
}

const folder = new URL("./page/", import.meta.url)

export const load = async (): Promise<PageAssets> => {
  const { build } = await import("esbuild")
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("main.ts", folder))],
    bundle: true,
    write: false,
    minify: true,
    format: "iife",
    target: "es2022",
    legalComments: "none"
  })
  return {
    html: await readFile(new URL("index.html", folder), "utf8"),
    icon: await readFile(new URL("icon.svg", folder), "utf8"),
    css: await readFile(new URL("style.css", folder), "utf8"),
    script: outputFiles[0]?.text ?? ""
  }
}
