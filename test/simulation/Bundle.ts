/**
 * The simulation in one file, in which the source may be changed.
 */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { build, type Plugin } from "esbuild"
import type { Defect } from "./Defects.js"

const root = fileURLToPath(new URL("../../", import.meta.url))

export const bundle = async (entry: string, file: string, defect?: Defect): Promise<void> => {
  await build({
    entryPoints: [`${root}test/simulation/${entry}`],
    outfile: file,
    bundle: true,
    platform: "node",
    format: "esm",
    logLevel: "error",
    plugins: defect === undefined ? [] : [changing(defect)]
  })
}

const changing = ({ changed, file, original }: Defect): Plugin => ({
  name: "defect",
  setup: ({ onLoad }) => {
    onLoad({ filter: new RegExp(`${file.replaceAll(".", "\\.")}$`) }, ({ path }) => {
      const parts = readFileSync(path, "utf8").split(original)
      if (parts.length !== 2) throw new Error(`${file} has ${JSON.stringify(original)} ${parts.length - 1} times.`)
      return { contents: parts.join(changed), loader: "ts" }
    })
  }
})
