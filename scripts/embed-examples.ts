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
 * of examples/ and, where not all of it is meant, its regions: `<!-- example: typed-request.ts request, server -->`. The region
 * `imports` is what the others import. `<!-- difference: before.ts after.ts -->` shows two files of as many lines, line by line.
 */
export const embedExamples = (page: string): string =>
  page
    .replace(differenceBlock, (_, marker: string, before: string, after: string) => {
      return `${marker}\n\`\`\`diff\n${difference(linesOf(before), linesOf(after))}\n\`\`\`\n`
    })
    .replace(block, (_, marker: string, file: string, regions: string | undefined) => {
      const code = readFileSync(new URL(`../examples/${file}`, import.meta.url), "utf8")
      const shown = regions === undefined ? withoutMarks(code) : regionsOf(code, file, regions.split(", "))
      return `${marker}\n\`\`\`ts\n${shown}\n\`\`\`\n`
    })

const block = /^(<!-- example: (\S+?\.ts)(?: ([\w, -]+?))? -->)\n(?:```ts\n[\s\S]*?\n```\n)?/gm

const differenceBlock = /^(<!-- difference: (\S+?\.ts) (\S+?\.ts) -->)\n(?:```diff\n[\s\S]*?\n```\n)?/gm

const linesOf = (file: string): ReadonlyArray<string> =>
  readFileSync(new URL(`../examples/${file}`, import.meta.url), "utf8")
    .trim()
    .split("\n")

const difference = (before: ReadonlyArray<string>, after: ReadonlyArray<string>): string => {
  if (before.length !== after.length) throw new Error("The files have different numbers of lines.")
  return before
    .flatMap((line, index) => (line === after[index] ? [`  ${line}`.trimEnd()] : [`- ${line}`, `+ ${after[index]}`]))
    .join("\n")
}

const regionsOf = (code: string, file: string, names: ReadonlyArray<string>): string => {
  const shown = names.filter((name) => name !== "imports").map((name) => region(code, file, name))
  const imports = names.includes("imports") ? [importsOf(code, shown.join("\n"))] : []
  return [...imports, ...shown].join("\n\n")
}

/** The code's imports of the names that occur in what is shown, comments apart. */
const importsOf = (code: string, shown: string): string => {
  const commentless = shown.replace(/\/\/ [^\n]*|\/\*\*.*?\*\//gs, "")
  const isUsed = (name: string) => new RegExp(`\\b${name.replace(/^type |^\* as /, "")}\\b`).test(commentless)
  return Array.from(code.matchAll(/^import (\w+|\* as \w+|\{[^}]+\}) from (".+")$/gm))
    .flatMap(([, imported = "", from]) => {
      if (!imported.startsWith("{")) return isUsed(imported) ? [`import ${imported} from ${from}`] : []
      const used = imported
        .slice(1, -1)
        .split(",")
        .map((name) => name.trim())
        .filter(isUsed)
      return used.length === 0 ? [] : [`import { ${used.join(", ")} } from ${from}`]
    })
    .join("\n")
}

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
