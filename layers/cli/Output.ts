/**
 * The output of the command: results on stdout, everything else on stderr.
 *
 * @internal
 */
import { stripVTControlCharacters } from "node:util"
import type * as HelpDoc from "@effect/cli/HelpDoc"
import { toAnsiText } from "@effect/cli/HelpDoc"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { messageOf } from "../../src/internal/ErrorMessage.js"
import { oneLine, printable } from "../../src/internal/Printable.js"
import { type CommandFailed, failure } from "./CommandFailed.js"

/** Writes lines to stdout and waits until they are written. Fails where that fails; a closed pipe is no failure. */
export const print = (lines: string): Effect.Effect<void, CommandFailed> =>
  Effect.mapError(write(process.stdout, `${lines.split("\n").map(printable).join("\n")}\n`), notWritten)

/** Completes when the reader of stdout has closed the pipe, as `head` does after its last line. */
export const closed: Effect.Effect<void> = Effect.async((resume) => {
  const onError = (error: NodeJS.ErrnoException) => {
    if (isClosedPipe(error)) resume(Effect.void)
  }
  process.stdout.on("error", onError)
  return Effect.sync(() => void process.stdout.off("error", onError))
})

/** The line that says why the command failed, at every log level. */
export const complain = (message: string): Effect.Effect<void> => Effect.ignore(write(process.stderr, lineOf(message)))

/** Log lines on stderr: the command's name, the level unless it is `info`, the message. */
export const logger: Layer.Layer<never> = Logger.replace(
  Logger.defaultLogger,
  Logger.make(({ cause, logLevel, message }) => {
    const words = (Array.isArray(message) ? message : [message]).map(messageOfWord)
    const level = logLevel._tag === "Info" ? "" : `${logLevel.label.toLowerCase()}: `
    const why = Cause.isEmpty(cause) ? [] : [messageOf(Cause.squash(cause))]
    process.stderr.write(lineOf(`${level}${[...words, ...why].join(" ")}`))
  })
)

/** Whether a write to stderr has failed. Where that is so, the exit code is the only sign of it. */
export const hasLostLines = (): boolean => lostLines

let lostLines = false

/**
 * Listens for errors of stdout and stderr, which would end the process. {@link print} fails with those of stdout as well.
 */
export const listenForErrors: Effect.Effect<void> = Effect.sync(() => {
  process.stdout.on("error", () => {})
  process.stderr.on("error", (error: NodeJS.ErrnoException) => {
    lostLines ||= !isClosedPipe(error)
  })
})

/** Prints what @effect/cli logs: it colours even what goes to a pipe, and prints errors that it also fails with. */
export const withPlainText = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.consoleWith((console) =>
    Effect.withConsole(effect, {
      ...console,
      log: (...words) => {
        const text = words.map(String).join(" ").trim()
        const shown = isColoured() ? text : stripVTControlCharacters(text)
        return Effect.orDie(Effect.mapError(write(process.stdout, `${shown}\n`), notWritten))
      },
      error: () => Effect.void
    })
  )

/** The paragraphs of a help text on one line. */
export const onOneLine = (doc: HelpDoc.HelpDoc): string =>
  stripVTControlCharacters(toAnsiText(doc))
    .split("\n")
    .map((line) => line.trim().replace(/\.$/, ""))
    .filter((line) => line !== "")
    .join("; ")

const write = (stream: NodeJS.WriteStream, text: string): Effect.Effect<void, NodeJS.ErrnoException> =>
  Effect.async((resume) => {
    stream.write(text, (error) => {
      resume(error == null || isClosedPipe(error) ? Effect.void : Effect.fail(error))
    })
  })

const isClosedPipe = ({ code }: NodeJS.ErrnoException): boolean => code === "EPIPE"

const notWritten = ({ message }: NodeJS.ErrnoException): CommandFailed =>
  failure(`Could not write to stdout: ${message}.`)

const lineOf = (message: string): string => `effect-ipc: ${oneLine(message)}\n`

const messageOfWord = (word: unknown): string =>
  typeof word === "string" ? word : word instanceof Error ? word.message : String(JSON.stringify(word))

const isColoured = (): boolean => process.stdout.isTTY === true && !process.env.NO_COLOR
