import { readdirSync, readFileSync } from "node:fs"

/** The README and the pages of docs/, by their paths. */
export const pages = (): ReadonlyArray<string> => [
  "README.md",
  ...readdirSync(new URL("../docs/", import.meta.url))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`)
]

/**
 * A page with the examples' present code in its blocks. A block is told by the comment before it, which names a file
 * of examples/ and, where not all of it is meant, its regions: `<!-- example: typed-request.ts request, server -->`.
 */
export const embedExamples = (page: string): string =>
  page.replace(block, (_, marker: string, file: string, regions: string | undefined) => {
    const code = readFileSync(new URL(`../examples/${file}`, import.meta.url), "utf8")
    const shown =
      regions === undefined ? withoutMarks(code) : regions.split(", ").map((name) => region(code, file, name))
    return `${marker}\n\`\`\`ts\n${[shown].flat().join("\n\n")}\n\`\`\`\n`
  })

const block = /^(<!-- example: (\S+?\.ts)(?: ([\w, -]+?))? -->)\n(?:```ts\n[\s\S]*?\n```\n)?/gm

const region = (code: string, file: string, name: string): string => {
  const start = code.indexOf(`// #region ${name}\n`)
  const end = code.indexOf("// #endregion", start)
  if (start === -1 || end === -1) throw new Error(`examples/${file} has no region ${name}`)
  return withoutIndentation(code.slice(code.indexOf("\n", start) + 1, code.lastIndexOf("\n", end)))
}

/** Of a region within a function. */
const withoutIndentation = (code: string): string => {
  const [, indentation = ""] = /^\n*( *)/.exec(code) ?? []
  return code.replaceAll(new RegExp(`^${indentation}`, "gm"), "").trim()
}

const withoutMarks = (code: string): string => code.replace(/^\/\/ #(?:end)?region.*\n/gm, "").trim()
