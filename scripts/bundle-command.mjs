/**
 * Bundles the command, compiled by tsc, into the one file that the package's `bin` names. What only the command needs is in
 * it, so that a user of the library doesn't install that; and a single file is loaded several times as fast.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"

const root = fileURLToPath(new URL("..", import.meta.url))
const folder = join(root, "dist", "layers", "cli")
const main = join(folder, "main.js")

const { load } = await import(join(folder, "HelpPages.js"))
const pages = `export const load = async () => (${JSON.stringify(await load())})`

const { metafile, outputFiles } = await build({
  absWorkingDir: root,
  entryPoints: [main],
  outfile: main,
  bundle: true,
  write: false,
  metafile: true,
  minify: true,
  keepNames: true,
  legalComments: "none",
  platform: "node",
  format: "esm",
  target: "node20",
  // Loaded by the first request that is forwarded, or asks for metrics, and by --nats; and what ws asks for, which may be
  // there or not.
  external: ["undici", "prom-client", "@nats-io/*", "bufferutil", "utf-8-validate"],
  // The packages that are CommonJS require Node's modules.
  banner: {
    js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);'
  },
  plugins: [
    {
      name: "help",
      setup: ({ onLoad }) => onLoad({ filter: /cli[\\/]HelpPages\.js$/ }, () => ({ contents: pages, loader: "js" }))
    }
  ]
})

/** The texts under which the packages in the bundle may be passed on. */
const licences = () => {
  const packages = new Map()
  for (const input of Object.keys(metafile.inputs)) {
    const [, path, name] = /^(.*node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+))/.exec(input) ?? []
    if (name !== undefined) packages.set(name, join(root, path))
  }
  return [...packages].sort().map(([name, path]) => {
    const file = readdirSync(path).find((entry) => /^licen[cs]e/i.test(entry))
    if (file === undefined) throw new Error(`${name} has no licence`)
    return `${name}\n\n${readFileSync(join(path, file), "utf8").trim()}\n`
  })
}

rmSync(folder, { recursive: true })
const [bundle] = outputFiles
mkdirSync(folder)
writeFileSync(main, bundle.contents, { mode: 0o755 })
writeFileSync(join(folder, "THIRD-PARTY-LICENSES.txt"), licences().join(`\n${"-".repeat(80)}\n\n`))
console.log(`${relative(root, main)}: ${Math.round(bundle.contents.length / 1024)} KiB`)
