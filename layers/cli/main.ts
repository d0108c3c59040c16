#!/usr/bin/env node
/**
 * The `effect-ipc` command: runs what its arguments ask for, and turns whatever goes wrong into one line and an exit code.
 *
 * @since 0.1.0
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
import { ChildCommand, subcommandOf } from "./ChildCommand.js"
import { CommandFailed, exitCodes } from "./CommandFailed.js"
import * as Output from "./Output.js"
import { register } from "./register.js"
import { routes } from "./routes.js"
import { run } from "./run.js"
import { serve } from "./serve.js"

const { version } = createRequire(import.meta.url)("effect-ipc/package.json") as { readonly version: string }

const command = Command.make("effect-ipc").pipe(
  Command.withDescription(
    "Services on one machine find each other and are reached through one port. Whoever comes first leads; or a gateway does."
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

const usageMessage = (message: string): string =>
  `${message}. Try "${["effect-ipc", subcommandOf(process.argv) ?? [], "--help"].flat().join(" ")}".`

const [own, child] = ChildCommand.split(process.argv)

const program = Effect.zipRight(
  Output.tolerateClosed,
  Command.run(command, { name: "effect-ipc", version, footer: examples })(own)
).pipe(
  Output.withPlainText,
  Effect.catchAll((error) =>
    ValidationError.isValidationError(error)
      ? Effect.fail(
          new CommandFailed({ message: usageMessage(Output.oneLine(error.error)), exitCode: exitCodes.usage })
        )
      : Effect.fail(error)
  ),
  Effect.catchAllCause((cause) => {
    if (Cause.isInterruptedOnly(cause)) return Effect.void
    const error = Cause.squash(cause)
    process.exitCode = error instanceof CommandFailed ? error.exitCode : exitCodes.failure
    return Output.complain(error instanceof Error ? error.message : String(error))
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

NodeRuntime.runMain(program, {
  disableErrorReporting: true,
  disablePrettyLogger: true,
  // A stop by signal is what was asked for; whoever has another code to end with has set it.
  teardown: (exit, onExit) =>
    onExit(Number(process.exitCode ?? (Exit.isSuccess(exit) || Cause.isInterruptedOnly(exit.cause) ? 0 : 1)))
})
