/**
 * What the command says, and where: results on stdout, everything else on stderr.
 *
 * @since 0.1.0
 */
import { stripVTControlCharacters } from "node:util"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"

/**
 * A line for programs and people who read what the command found.
 *
 * @since 0.1.0
 * @category output
 */
export const print = (line: string): Effect.Effect<void> => Effect.sync(() => void process.stdout.write(`${line}\n`))

/**
 * Waits until nobody reads any longer, `head` having seen enough, say.
 *
 * @since 0.1.0
 * @category output
 */
export const closed: Effect.Effect<void> = Effect.async((resume) => {
  const onError = () => resume(Effect.void)
  process.stdout.once("error", onError)
  return Effect.sync(() => void process.stdout.off("error", onError))
})

/**
 * Keeps a reader that went away from being a crash.
 *
 * @since 0.1.0
 * @category output
 */
export const tolerateClosed: Effect.Effect<void> = Effect.sync(() => {
  process.stdout.on("error", () => {})
  process.stderr.on("error", () => {})
})

/**
 * The line that says why the command failed, whatever the log level is.
 *
 * @since 0.1.0
 * @category output
 */
export const complain = (message: string): Effect.Effect<void> => Effect.sync(() => say(message))

/**
 * Log lines in the form of a command's own: its name, the level where it matters, the message.
 *
 * @since 0.1.0
 * @category logging
 */
export const logger: Layer.Layer<never> = Logger.replace(
  Logger.defaultLogger,
  Logger.make(({ cause, logLevel, message }) => {
    const words = (Array.isArray(message) ? message : [message]).map((word) =>
      typeof word === "string" ? word : word instanceof Error ? word.message : JSON.stringify(word)
    )
    const level = logLevel._tag === "Info" ? "" : `${logLevel.label.toLowerCase()}: `
    const why = Cause.isEmpty(cause) ? [] : [Cause.pretty(cause).split("\n", 1)[0] ?? ""]
    say(`${level}${[...words, ...why].join(" ")}`)
  })
)

/**
 * @effect/cli writes its help in colours even into a pipe, and prints an error of its own before it fails with it.
 *
 * @since 0.1.0
 * @category output
 */
export const withPlainText = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.consoleWith((console) =>
    Effect.withConsole(effect, {
      ...console,
      log: (...words) =>
        print(
          words
            .map((word) => (coloured() ? String(word) : plain(String(word))))
            .join(" ")
            .trim()
        ),
      error: () => Effect.void
    })
  )

/**
 * A help text's paragraphs on one line.
 *
 * @since 0.1.0
 * @category conversions
 */
export const oneLine = (doc: HelpDoc.HelpDoc): string =>
  plain(HelpDoc.toAnsiText(doc))
    .split("\n")
    .map((line) => line.trim().replace(/\.$/, ""))
    .filter((line) => line !== "")
    .join("; ")

/**
 * Without what would move the terminal's cursor or colour it: a route's text is another process's.
 *
 * @since 0.1.0
 * @category conversions
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it replaces
export const printable = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]/g, "?")

const say = (message: string): void => void process.stderr.write(`effect-ipc: ${message}\n`)

const plain = stripVTControlCharacters

const coloured = (): boolean => process.stdout.isTTY === true && !process.env.NO_COLOR
