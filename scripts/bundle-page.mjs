/**
 * Bundles the inspector's page, and puts the result in place of the module that would bundle it at run time.
 */
import { cpSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const folder = join("layers", "inspector", "page")
const built = join(root, "dist", folder)
const assets = join(root, "dist", "layers", "inspector", "PageAssets.js")

cpSync(join(root, folder), built, { recursive: true, filter: (source) => !source.endsWith("tsconfig.json") })
const { load } = await import(assets)
const page = await load()
writeFileSync(assets, `export const load = async () => (${JSON.stringify(page)})\n`)
rmSync(built, { recursive: true })
rmSync(`${assets}.map`)

const bytes = Object.values(page).reduce((sum, text) => sum + Buffer.byteLength(text), 0)
console.log(`${folder}: ${Math.round(bytes / 1024)} KiB`)
