#!/usr/bin/env node
/**
 * The `effect-ipc` command: runs a subcommand, and turns each failure into one line on stderr and an exit code.
 *
 * @internal
 */
import { createRequire } from "node:module"
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { messageOf } from "../../src/internal/ErrorMessage.js"
import { ChildCommand } from "./ChildCommand.js"
import { CommandFailed, exitCodes } from "./CommandFailed.js"
import * as Output from "./Output.js"
import { register } from "./register.js"
import { routes } from "./routes.js"
import { run } from "./run.js"
import { serve } from "./serve.js"
import { usageError } from "./Usage.js"

const { version } = createRequire(import.meta.url)("effect-ipc/package.json") as { readonly version: string }

const command = Command.make("effect-ipc").pipe(
  Command.withDescription(
    "Services of one machine find each other, and are reached through one port. The first one there leads, unless a standalone gateway does."
  ),
  Command.withSubcommands([serve, register, run, routes])
)

const examples = HelpDoc.blocks([
  HelpDoc.h1("EXAMPLES"),
  HelpDoc.enumeration([
    HelpDoc.p("effect-ipc serve --port 9000"),
    HelpDoc.p("effect-ipc register --api users --prefix /users --url http://127.0.0.1:4001"),
    HelpDoc.p("effect-ipc run --api orders --prefix /orders -- node server.js"),
    HelpDoc.p("effect-ipc routes --watch"),
    HelpDoc.p("effect-ipc --completions bash")
  ])
])

const [own, child] = ChildCommand.split(process.argv)

const program = Effect.zipRight(
  Output.listenForErrors,
  Command.run(command, { name: "effect-ipc", version, footer: examples })(own)
).pipe(
  Output.withPlainText,
  Effect.catchIf(ValidationError.isValidationError, (error) =>
    Effect.fail(usageError(own, Command.getHelp(command, CliConfig.defaultConfig), error))
  ),
  Effect.catchAllCause((cause) => {
    if (Cause.isInterruptedOnly(cause)) return Effect.void
    const error = Cause.squash(cause)
    process.exitCode = error instanceof CommandFailed ? error.exitCode : exitCodes.failure
    return Output.complain(messageOf(error))
  }),
  Effect.provide(
    Layer.mergeAll(
      NodeContext.layer,
      CliConfig.layer({ showBuiltIns: false }),
      Output.logger,
      ChildCommand.layer(child)
    )
  )
)

/** A subcommand that is stopped by a signal has done what was asked for; `run` has set its command's exit code. */
const exitCodeOf = (exit: Exit.Exit<unknown, unknown>): number => {
  const hasFailed = (Exit.isFailure(exit) && !Cause.isInterruptedOnly(exit.cause)) || Output.hasLostLines()
  return Number(process.exitCode ?? (hasFailed ? exitCodes.failure : 0))
}

NodeRuntime.runMain(program, {
  disableErrorReporting: true,
  disablePrettyLogger: true,
  // In a later turn, when the last error of stderr has been heard of.
  teardown: (exit, onExit) => void setImmediate(() => onExit(exitCodeOf(exit)))
})
