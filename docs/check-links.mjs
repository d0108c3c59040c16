/** Follows every link within the built site to its page and its heading. Fails where one leads nowhere. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join, posix } from "node:path"
import { fileURLToPath } from "node:url"

const site = join(dirname(fileURLToPath(import.meta.url)), ".vitepress", "dist")

const pages = readdirSync(site, { recursive: true, encoding: "utf8" })
  .map((name) => name.replaceAll("\\", "/"))
  .filter((name) => name.endsWith(".html") && name !== "404.html")

const html = new Map(pages.map((name) => [name, readFileSync(join(site, name), "utf8")]))
const ids = new Map(
  pages.map((name) => [name, new Set(Array.from(html.get(name).matchAll(/ id="([^"]+)"/g), (match) => match[1]))])
)

const fileOf = (path) => {
  const candidates = path.endsWith("/") ? [`${path}index.html`] : [path, `${path}.html`, `${path}/index.html`]
  return candidates.map((name) => name.replace(/^\//, "")).find((name) => existsSync(join(site, name)) && name !== "")
}

const decoded = (text) => text.replaceAll("&amp;", "&").replaceAll("&#39;", "'").replaceAll("&quot;", '"')

let links = 0
const broken = []
for (const [name, text] of html) {
  for (const [, target] of text.matchAll(/<a\b[^>]*? href="([^"]*)"/g)) {
    if (/^[a-z]+:/i.test(target)) continue
    links++
    const [path, anchor] = decoded(target).split("#")
    const file = path === "" ? name : fileOf(posix.resolve("/", dirname(name), path) + (path.endsWith("/") ? "/" : ""))
    const found =
      file !== undefined &&
      (anchor === undefined ||
        anchor === "" ||
        !file.endsWith(".html") ||
        ids.get(file)?.has(decodeURIComponent(anchor)))
    if (!found) broken.push(`${name}: ${target}`)
  }
}

if (pages.length < 40 || links < 1_000) broken.push(`only ${pages.length} pages and ${links} links were found`)
if (broken.length > 0) {
  console.error([...new Set(broken)].slice(0, 50).join("\n"))
  process.exit(1)
}
console.log(`${links} links in ${pages.length} pages lead somewhere.`)
