/**
 * Bundles each entry of the package, compiled by tsc, for Node: it takes as long to find and read a module as to compile it,
 * and there are hundreds. What entries share are a few files more, so that there is one of each module. Bundlers are given the
 * modules themselves by the condition `module`, since they leave out whole modules that a program doesn't use.
 */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { rollup } from "rollup"

const root = fileURLToPath(new URL("..", import.meta.url))
const dist = join(root, "dist")
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

const entries = new Map(
  Object.entries(manifest.exports)
    .filter(([, target]) => typeof target === "object")
    .map(([name, target]) => [name, { module: join(root, target.module), bundle: target.default }])
)
const moduleOf = (entry) => entries.get(entry).module

const isOurs = (id) => id.startsWith(dist)

/** The modules that are loaded with the module, itself among them. */
const loadedWith = (id, getModuleInfo, found = new Set()) => {
  if (found.has(id)) return found
  found.add(id)
  for (const imported of getModuleInfo(id).importedIds) if (isOurs(imported)) loadedWith(imported, getModuleInfo, found)
  return found
}

/** The files that entries share: what is loaded with all of the entries named. */
const shared = Object.entries({ contracts: ["."], connection: ["./socket", "./node"], node: ["./node"] })

const chunkOf = (id, { getModuleInfo }) =>
  shared.find(([, names]) => names.every((name) => loadedWith(moduleOf(name), getModuleInfo).has(id)))?.[0]

const compiled = {
  name: "compiled",
  load: (file) => {
    const map = `${file}.map`
    // A module that the build has made has none.
    return { code: readFileSync(file, "utf8"), map: existsSync(map) ? JSON.parse(readFileSync(map, "utf8")) : null }
  }
}

/** One character beyond Latin-1 would have V8 keep two bytes for each of the file's. */
const ascii = {
  name: "ascii",
  renderChunk: (code) => ({
    code: code.replaceAll(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`),
    map: null
  })
}

const bundle = await rollup({
  input: Object.fromEntries(
    Array.from(entries.values(), ({ bundle, module }) => [/([^/]+)\.js$/.exec(bundle)[1], module])
  ),
  external: (source) => !/^[./]/.test(source) && !isOurs(source),
  treeshake: false,
  plugins: [compiled, ascii]
})
const { output } = await bundle.write({
  dir: join(dist, "bundle"),
  format: "es",
  sourcemap: true,
  sourcemapExcludeSources: true,
  chunkFileNames: "chunks/[name].js",
  hoistTransitiveImports: false,
  manualChunks: chunkOf
})
await bundle.close()

const chunks = output.filter(({ type }) => type === "chunk")
const bytes = chunks.reduce((sum, { code }) => sum + Buffer.byteLength(code), 0)
console.log(`dist/bundle: ${chunks.length} files, ${Math.round(bytes / 1024)} KiB`)
