/**
 * The pages of help, made of the commands. The build makes them once and replaces this module by the result, so
 * that printing a page doesn't load the commands.
 *
 * @internal
 */
import type { HelpDoc } from "@effect/cli/HelpDoc"
import type { Span } from "@effect/cli/HelpDoc/Span"
import type { CommandDescription } from "./command.js"
import type { HelpPage, HelpSection } from "./HelpPage.js"

/** The command's own page is `""`. */
export const load = async (): Promise<Readonly<Record<string, HelpPage>>> => {
  const { command, describe, subcommands } = await import("./command.js")
  const pages = subcommands.map((subcommand) => pageOf(describe(subcommand)))
  return {
    "": {
      description: pageOf(describe(command)).description,
      usage: "effect-ipc <command> [options]",
      sections: [
        { title: "COMMANDS", rows: pages.map(({ description, name }) => [name, description]) },
        { title: "OPTIONS", rows: ownOptions }
      ],
      examples: Object.values(examples)
    },
    ...Object.fromEntries(pages.map(({ name, ...page }) => [name, { ...page, examples: [examples[name] as string] }]))
  }
}

const examples: Readonly<Record<string, string>> = {
  serve: "effect-ipc serve --port 9000",
  register: "effect-ipc register --api users --prefix /users --url http://127.0.0.1:4001",
  run: "effect-ipc run --api orders --prefix /orders -- node server.js",
  routes: "effect-ipc routes --watch",
  inspect: "effect-ipc inspect --port 9000",
  traffic: "effect-ipc traffic --watch --har traffic.har",
  request: `effect-ipc request users users/get '{"id":1}'`,
  stream: "effect-ipc stream logs logs/tail"
}

/** Those that @effect/cli adds. */
const ownOptions: HelpSection["rows"] = [
  ["-h, --help", "Shows the help of the command, or of the subcommand that it is given to."],
  ["--version", "Prints the version."],
  [
    "--log-level level",
    "Which log lines to print: all, trace, debug, info, warning, error, fatal or none. Default info."
  ],
  ["--completions shell", "Prints a script of completions for sh, bash, fish or zsh."]
]

const pageOf = ({ help, name, usage }: CommandDescription) => {
  const texts: Record<string, string> = {}
  const rows: Record<string, Array<HelpSection["rows"][number]>> = {}
  let title = ""
  for (const block of blocksOf(help)) {
    if (block._tag === "Header") title = textOf(block.value)
    if (block._tag === "Paragraph") texts[title] = textOf(block.value)
    if (block._tag !== "DescriptionList") continue
    rows[title] ??= []
    for (const [term, text] of block.definitions) rows[title]?.push([textOf(term), ownText(text)])
  }
  return {
    name,
    description: texts.DESCRIPTION ?? "",
    usage: `effect-ipc ${blocksOf(usage)
      .map((block) => (block._tag === "Paragraph" ? textOf(block.value) : ""))
      .join("")
      .replaceAll(repeated, "[$&]")}`,
    sections: Object.entries(rows).map(([title, rows]) => ({ title, rows }))
  }
}

/** An option that may be given several times, which @effect/cli doesn't show as optional. */
const repeated = /--[a-z-]+ \S+\.{3}/g

const blocksOf = (help: HelpDoc): ReadonlyArray<HelpDoc> =>
  help._tag === "Sequence" ? [...blocksOf(help.left), ...blocksOf(help.right)] : [help]

const textOf = (span: Span): string => {
  if (span._tag === "Sequence") return textOf(span.left) + textOf(span.right)
  return typeof span.value === "string" ? span.value : textOf(span.value)
}

/** The option's description, without the paragraphs around it that @effect/cli writes. */
const ownText = (help: HelpDoc): string =>
  blocksOf(help)
    .flatMap((block) => (block._tag === "Paragraph" ? [textOf(block.value)] : []))
    .slice(1)
    .filter((text) => !/^This (?:setting|option|argument) (?:is|can|may) /.test(text))
    .join(" ")
