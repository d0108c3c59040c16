/**
 * Runs a command in this process's place: it shares input and output, gets this process's signals, and its exit code becomes
 * this process's.
 *
 * @internal
 */
import { constants } from "node:os"
// `process.stdin.isTTY` would make a stream of stdin, which is the command's.
import { isatty } from "node:tty"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as ProcessGroup from "../process/ProcessGroup.js"
import { CommandFailed, exitCodes } from "./CommandFailed.js"

export interface SupervisedChild {
  /** Waits until the command has ended. */
  readonly ended: Effect.Effect<void>
}

/**
 * Starts a command, without a shell. When the scope closes while the command runs, it gets the signal that this process has
 * received, else SIGTERM; the scope waits for it and its process group to end. This process's exit code is then the
 * command's, or 128 and the number of the signal that ended it.
 */
export const start = (
  program: string,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>>
): Effect.Effect<SupervisedChild, CommandFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const signals = yield* Effect.acquireRelease(Effect.sync(listenForSignals), ({ release }) => Effect.sync(release))
    const spawned = ProcessGroup.spawn(program, args, { stdio: "inherit", env: { ...process.env, ...env } })
    const group = yield* Effect.acquireRelease(
      Effect.tap(spawned, (group) => Effect.sync(() => signals.passTo(group))),
      (group) =>
        Effect.gen(function* () {
          signals.end()
          const exit = yield* group.ended
          process.exitCode = exit.code ?? 128 + constants.signals[exit.signal]
        })
    )
    return { ended: Effect.asVoid(group.exit) }
  }).pipe(Effect.mapError((error) => notStarted(program, error)))

/** Signals that are not passed: they can't be caught, concern only this process, or are used by V8's profiler. */
const own: ReadonlyArray<NodeJS.Signals> = [
  ...(["SIGKILL", "SIGSTOP", "SIGCHLD", "SIGPIPE", "SIGPROF"] as const),
  ...(["SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP"] as const)
]

/** Sent to a process in the background of its terminal. Its read or write is tried again, for ever, unless it stops. */
const ofTerminal: ReadonlyArray<NodeJS.Signals> = ["SIGTTIN", "SIGTTOU"]

/** The signals to pass, each once, although some have several names. */
const signalsToPass = (): ReadonlyArray<NodeJS.Signals> => {
  const hasTerminal = [0, 1, 2].some(isatty)
  const numbers = new Set([...own, ...(hasTerminal ? ofTerminal : [])].map((signal) => constants.signals[signal]))
  return (Object.keys(constants.signals) as Array<NodeJS.Signals>).filter((signal) => {
    const isNew = !numbers.has(constants.signals[signal])
    numbers.add(constants.signals[signal])
    return isNew
  })
}

/**
 * Signals that a terminal sends. It sends them to the whole foreground group, so they are passed to the whole group here: a
 * shell that waits for a command ignores a SIGINT that only the shell gets.
 */
const forGroup: ReadonlySet<NodeJS.Signals> = new Set(["SIGINT", "SIGQUIT", "SIGTSTP", "SIGCONT", "SIGWINCH"])

/** How long the command may handle SIGTSTP before it is stopped, in milliseconds. */
const suspendMillis = 100

const listenForSignals = () => {
  const passed = signalsToPass()
  let group: ProcessGroup.ProcessGroup | undefined
  let received: NodeJS.Signals | undefined
  let ending = false
  let terminated = false

  const pass = (signal: NodeJS.Signals) => {
    if (group === undefined) return
    // The first SIGTERM goes to the command alone: npm and others pass it on, and many services end at once on a second one.
    // Processes that outlive the command get theirs when it has ended.
    if (forGroup.has(signal) || (signal === "SIGTERM" && terminated)) group.signal(signal)
    else group.child.kill(signal)
    terminated ||= signal === "SIGTERM"
  }
  const suspend = () => {
    group?.signal("SIGSTOP")
    process.kill(process.pid, "SIGSTOP")
  }
  const onSignal = (signal: NodeJS.Signals) => {
    // The service is unregistered first; then the scope calls `end`.
    if (!ending && (signal === "SIGINT" || signal === "SIGTERM")) {
      received = signal
      return
    }
    pass(signal)
    // The system discards SIGTSTP for a group without a terminal, but Ctrl-Z is expected to stop both.
    if (signal === "SIGTSTP" && isatty(0)) setTimeout(suspend, suspendMillis)
  }
  for (const signal of passed) process.on(signal, onSignal)

  return {
    passTo: (started: ProcessGroup.ProcessGroup) => {
      group = started
    },
    end: () => {
      ending = true
      pass(received ?? "SIGTERM")
    },
    release: () => {
      for (const signal of passed) process.off(signal, onSignal)
    }
  }
}

const notStarted = (program: string, { code, message }: NodeJS.ErrnoException): CommandFailed =>
  code === "ENOENT"
    ? new CommandFailed({ message: `There is no command ${program}.`, exitCode: exitCodes.notFound })
    : new CommandFailed({ message: `Could not start ${program}: ${message}.`, exitCode: exitCodes.notExecutable })
