/**
 * A page of help as data, and its layout at the width of the terminal.
 *
 * @internal
 */

export interface HelpPage {
  readonly description: string
  readonly usage: string
  readonly sections: ReadonlyArray<HelpSection>
  readonly examples: ReadonlyArray<string>
}

export interface HelpSection {
  readonly title: string
  readonly rows: ReadonlyArray<readonly [term: string, text: string]>
}

/** The page with no line longer than the columns, as far as words allow it, and none longer than is easy to read. */
export const render = (page: HelpPage, columns: number): string => {
  const width = Math.max(minWidth, Math.min(columns, maxWidth))
  return [
    wrap(page.description, width),
    ["USAGE", ...indent(2, wrap(page.usage, width - 2, "    "))],
    ...page.sections.map(({ rows, title }) => [title, ...layOut(rows, width)]),
    ["EXAMPLES", ...page.examples.flatMap((line) => indent(2, wrap(line, width - 4, "    ", " \\")))]
  ]
    .map((lines) => lines.join("\n"))
    .join("\n\n")
}

const minWidth = 40
const maxWidth = 100

/** The width from which on terms and texts stand beside each other. */
const tableWidth = 80

const layOut = (rows: HelpSection["rows"], width: number): ReadonlyArray<string> => {
  const longest = Math.max(...rows.map(([term]) => term.length))
  if (width < tableWidth) {
    return rows.flatMap(([term, text]) => [`  ${term}`, ...indent(6, wrap(text, width - 6))])
  }
  return rows.flatMap(([term, text]) => {
    const [first = "", ...others] = wrap(text, width - longest - 4)
    return [`  ${term.padEnd(longest)}  ${first}`, ...indent(longest + 4, others)]
  })
}

const indent = (by: number, lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.map((line) => `${" ".repeat(by)}${line}`)

/** Breaks at spaces, though not within brackets or between an option and its value. `hanging` starts each further line, `broken` ends each but the last. */
const wrap = (text: string, width: number, hanging = "", broken = ""): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  for (const word of text.match(/\[[^\]]*\]|--[a-z-]+ [^\s-]\S*|\S+/g) ?? []) {
    const start = lines.length === 0 ? "" : hanging
    if (line !== "" && start.length + line.length + 1 + word.length > width) {
      lines.push(`${start}${line}${broken}`)
      line = word
    } else line = line === "" ? word : `${line} ${word}`
  }
  return [...lines, `${lines.length === 0 ? "" : hanging}${line}`]
}
