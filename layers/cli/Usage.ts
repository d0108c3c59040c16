/**
 * What is wrong with the arguments, in the words of the command line.
 *
 * @internal
 */
import type * as HelpDoc from "@effect/cli/HelpDoc"
import type * as ValidationError from "@effect/cli/ValidationError"
import { CommandFailed, exitCodes } from "./CommandFailed.js"
import { subcommandOf } from "./CommandLine.js"
import * as Output from "./Output.js"

/** One line for an error of @effect/cli. `help` is the text that lists each subcommand with its options. */
export const usageError = (
  argv: ReadonlyArray<string>,
  help: HelpDoc.HelpDoc,
  { error }: ValidationError.ValidationError
): CommandFailed => {
  const subcommand = subcommandOf(argv)
  const message = inOwnWords(argv, optionsOf(help, subcommand), Output.onOneLine(error))
  const hint = ["effect-ipc", ...(subcommand === undefined ? [] : [subcommand]), "--help"].join(" ")
  return new CommandFailed({ message: `${message}. Try "${hint}".`, exitCode: exitCodes.usage })
}

const inOwnWords = (argv: ReadonlyArray<string>, options: ReadonlyArray<string>, text: string): string => {
  const level = argv[argv.indexOf("--log-level") + 1]
  if (argv.includes("--log-level") && !logLevels.includes(level ?? "")) {
    return `--log-level must be one of ${logLevels.join(", ")}${level === undefined ? "" : `, not ${JSON.stringify(level)}`}`
  }
  const [, option = ""] = /^Received unknown argument: '(--[a-z-]+)'$/.exec(text) ?? []
  if (!options.includes(option)) {
    return text
      .replace(/Expected to find option: '(\S+?)'/g, "$1 is missing")
      .replace(/Expected a value following option: '(\S+?)'/g, "$1 needs a value")
  }
  // @effect/cli doesn't know an option that has no value, or that was given already.
  return argv.indexOf(option) === argv.lastIndexOf(option) ? `${option} needs a value` : `${option} was given twice`
}

/** Those of @effect/cli. */
const logLevels = ["all", "trace", "debug", "info", "warning", "error", "fatal", "none"]

const optionsOf = (help: HelpDoc.HelpDoc, subcommand: string | undefined): ReadonlyArray<string> => {
  const line = Output.onOneLine(help)
    .split("; ")
    .find((paragraph) => paragraph.startsWith(`- ${subcommand} `))
  return line?.match(/--[a-z-]+/g) ?? []
}
