#!/usr/bin/env node
/**
 * The `effect-ipc` command: prints help by itself, and loads everything else when it has something else to do.
 *
 * @internal
 */
import * as CommandLine from "./CommandLine.js"
import { render } from "./HelpPage.js"
import * as HelpPages from "./HelpPages.js"

const wanted = CommandLine.helpWanted(process.argv)

if (wanted === undefined) {
  const { runMain } = await import("./command.js")
  runMain(process.argv)
} else {
  const page = (await HelpPages.load())[wanted]
  const columns = process.stdout.columns ?? (Number(process.env.COLUMNS) || 80)
  process.stdout.on("error", ({ code, message }: NodeJS.ErrnoException) => {
    if (code === "EPIPE") return
    process.stderr.write(`effect-ipc: Could not write to stdout: ${message}.\n`)
    process.exitCode = 1
  })
  if (page !== undefined) process.stdout.write(`${render(page, columns)}\n`)
}
