/**
 * The commands: runs a subcommand, and turns each failure into one line on stderr and an exit code.
 *
 * @internal
 */
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import type * as HelpDoc from "@effect/cli/HelpDoc"
import * as Usage from "@effect/cli/Usage"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { messageOf } from "../../src/internal/ErrorMessage.js"
import { version } from "../process/PackageVersion.js"
import { ChildCommand } from "./ChildCommand.js"
import { CommandFailed, exitCodes } from "./CommandFailed.js"
import * as CommandLine from "./CommandLine.js"
import { inspect } from "./inspect.js"
import * as Output from "./Output.js"
import { register } from "./register.js"
import { request, stream } from "./request.js"
import { routes } from "./routes.js"
import { run } from "./run.js"
import { serve } from "./serve.js"
import { traffic } from "./traffic.js"
import { usageError } from "./Usage.js"

export const subcommands = [serve, register, run, routes, inspect, traffic, request, stream] as const

export const command = Command.make("effect-ipc").pipe(
  Command.withDescription(
    "Services of one machine find each other, and are reached through one port. The first participant leads, unless there is a standalone gateway."
  ),
  Command.withSubcommands(subcommands)
)

/** What @effect/cli adds is described once for all commands. */
const config = { showBuiltIns: false }

/** What @effect/cli knows of a command. */
export interface CommandDescription {
  readonly name: string
  readonly usage: HelpDoc.HelpDoc
  readonly help: HelpDoc.HelpDoc
}

export const describe = (of: typeof command | (typeof subcommands)[number]): CommandDescription => {
  const one = of as typeof command
  const [name = ""] = Command.getNames(one)
  return { name, usage: Usage.getHelp(Command.getUsage(one)), help: Command.getHelp(one, CliConfig.make(config)) }
}

/** Runs the subcommand and ends the process. */
export const runMain = (argv: ReadonlyArray<string>): void =>
  NodeRuntime.runMain(Effect.zipRight(Output.listenForErrors, program(argv)), {
    disableErrorReporting: true,
    disablePrettyLogger: true,
    // In a later turn, after the last error event of stderr.
    teardown: (exit, onExit) => void setImmediate(() => onExit(exitCodeOf(exit)))
  })

/** Runs the subcommand. A failure is one line on stderr and the exit code of the process to be. */
export const program = (argv: ReadonlyArray<string>): Effect.Effect<void> => {
  const [own, child] = CommandLine.split(argv)
  return Command.run(command, { name: "effect-ipc", version: version() })(own).pipe(
    Output.withPlainText,
    Effect.catchIf(ValidationError.isValidationError, (error) =>
      Effect.fail(usageError(own, describe(command).help, error))
    ),
    Effect.catchAllCause((cause) => {
      if (Cause.isInterruptedOnly(cause)) return Effect.void
      const error = Cause.squash(cause)
      process.exitCode = error instanceof CommandFailed ? error.exitCode : exitCodes.failure
      return Output.complain(messageOf(error))
    }),
    Effect.provide(Layer.mergeAll(NodeContext.layer, CliConfig.layer(config), Output.logger, ChildCommand.layer(child)))
  )
}

/** A subcommand that is stopped by a signal has done what was asked for; `run` has set its command's exit code. */
const exitCodeOf = (exit: Exit.Exit<unknown, unknown>): number => {
  const hasFailed = (Exit.isFailure(exit) && !Cause.isInterruptedOnly(exit.cause)) || Output.hasLostLines()
  return Number(process.exitCode ?? (hasFailed ? exitCodes.failure : 0))
}
