/**
 * A child process as if it had been started in this one's place: its input and output are ours, our signals and its exit
 * code are passed on.
 *
 * @since 0.1.0
 */
import { type ChildProcess, spawn } from "node:child_process"
import { constants } from "node:os"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { CommandFailed, exitCodes } from "./CommandFailed.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface SupervisedChild {
  /** Waits for its end. */
  readonly ended: Effect.Effect<void>
}

/**
 * Starts it, not through a shell. When the scope closes while it runs, it is sent the signal that this process has
 * received, else SIGTERM, and waited for. This process's exit code is then the child's, or 128 and the number of the
 * signal that ended it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const start = (
  program: string,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>>
): Effect.Effect<SupervisedChild, CommandFailed, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(spawned(program, args, env), (child) =>
      Effect.sync(() => {
        child.unsafeEnd()
      }).pipe(
        Effect.zipRight(child.ended),
        Effect.zipRight(
          Effect.sync(() => {
            child.unsafeRelease()
            process.exitCode = child.unsafeExitCode()
          })
        )
      )
    ),
    ({ ended }) => ({ ended })
  )

const signals: ReadonlyArray<NodeJS.Signals> = ["SIGINT", "SIGTERM", "SIGHUP"]

const spawned = (
  program: string,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>>
): Effect.Effect<ReturnType<typeof supervise>, CommandFailed> =>
  Effect.async((resume) => {
    const child = spawn(program, args, { stdio: "inherit", env: { ...process.env, ...env } })
    const supervised = supervise(child)
    child.once("spawn", () => resume(Effect.succeed(supervised)))
    // Later ones say that a signal couldn't be sent, to a child that isn't ours any more, say.
    child.on("error", (error: NodeJS.ErrnoException) => {
      if (child.pid !== undefined) return
      supervised.unsafeRelease()
      resume(Effect.fail(notStarted(program, error)))
    })
  })

const supervise = (child: ChildProcess) => {
  let received: NodeJS.Signals | undefined
  let ending = false
  const running = () => child.exitCode === null && child.signalCode === null
  const send = (signal: NodeJS.Signals) => {
    // Ctrl-C in a terminal reaches both, and many programs take the second one for impatience.
    if (running() && !(signal === "SIGINT" && process.stdin.isTTY)) child.kill(signal)
  }
  const onSignal = (signal: NodeJS.Signals) => {
    // SIGHUP, which many services take for "reload", ends nothing of ours; the others wait for the entry to be gone.
    if (ending || signal === "SIGHUP") send(signal)
    else received = signal
  }
  for (const signal of signals) process.on(signal, onSignal)
  return {
    ended: Effect.async<void>((resume) => {
      if (!running()) return resume(Effect.void)
      const onExit = () => resume(Effect.void)
      child.once("exit", onExit)
      return Effect.sync(() => void child.off("exit", onExit))
    }),
    unsafeEnd: () => {
      ending = true
      send(received ?? "SIGTERM")
    },
    unsafeRelease: () => {
      for (const signal of signals) process.off(signal, onSignal)
    },
    unsafeExitCode: () => child.exitCode ?? 128 + (constants.signals[child.signalCode ?? "SIGKILL"] ?? 0)
  }
}

const notStarted = (program: string, { code, message }: NodeJS.ErrnoException): CommandFailed =>
  code === "ENOENT"
    ? new CommandFailed({ message: `There is no command ${program}.`, exitCode: exitCodes.notFound })
    : new CommandFailed({ message: `Could not start ${program}: ${message}.`, exitCode: exitCodes.notExecutable })
