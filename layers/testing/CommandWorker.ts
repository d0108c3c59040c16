/**
 * Workers from a command: a program in any language that serves an api on the port that it is given.
 *
 * @since 0.2.0
 */
import { basename } from "node:path"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { sequential } from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import { Discovery } from "../../src/Discovery.js"
import { IPCServer } from "../../src/IPCServer.js"
import * as ArgumentIssue from "../../src/internal/ArgumentIssue.js"
import { issueOf, kindOf, type OptionNames } from "../../src/internal/OptionNames.js"
import { type WorkerDied, WorkerStartFailed } from "../../src/WorkerError.js"
import * as ListeningPort from "../process/ListeningPort.js"
import * as WorkerArguments from "./WorkerArguments.js"
import type { LaunchOptions, WorkerControl } from "./WorkerControl.js"
import * as WorkerEnvironment from "./WorkerEnvironment.js"
import type { WorkerProcessOptions } from "./WorkerProcess.js"
import * as WorkerRuns from "./WorkerRuns.js"

/**
 * Which program to start, and how: any program, in any language, that listens on the port in its variable `PORT`. The
 * gateway's URL, by which it reaches other services, is in `IPC_URL`.
 *
 * @since 0.2.0
 * @category models
 */
export interface CommandWorkerOptions extends LaunchOptions {
  /**
   * The program and its arguments, `["python3", "app.py"]`; started without a shell. A function gets the free port, for a
   * program that takes it as an argument.
   */
  readonly command: ReadonlyArray<string> | ((port: number) => ReadonlyArray<string>)
  /** The api that it serves: registered at the gateway once it is ready, until it ends. Default none. */
  readonly api?: string | undefined
  /** Default `/` and the api's name. */
  readonly pathPrefix?: string | undefined
  /**
   * An expression that the output matches once the program is ready. A group named `port` is the port, for a program that
   * chooses its own. Default: the program is ready once it listens.
   */
  readonly ready?: RegExp | undefined
}

/**
 * A worker from a command. It has no connection to its runner.
 *
 * @since 0.2.0
 * @category models
 */
export interface CommandWorker extends WorkerControl {
  /** The URL at which it listens. The port is another one after each `restart`. */
  readonly url: Effect.Effect<string>
}

/** Where one process of the worker listens. */
interface Place {
  readonly port: number
  /** Set once the process listens. */
  url: string | undefined
  /** Whether the output has matched `ready`. */
  saidReady: boolean
}

/**
 * @internal
 */
export const make: (
  options: CommandWorkerOptions
) => Effect.Effect<CommandWorker, WorkerDied | WorkerStartFailed, IPCServer | Discovery | Scope.Scope> =
  Effect.fnUntraced(function* (options: CommandWorkerOptions) {
    checkOptions(options)
    const server = yield* IPCServer
    const discovery = yield* Discovery
    let first: Start | undefined = yield* nextStart(options)
    const shown = first.command
    const program = { module: shown.join(" "), kind: "command" as const }
    const runtimeId = options.runtimeId ?? WorkerEnvironment.nameFor(options.api ?? basename(shown[0] as string))
    const limit = options.startTimeout ?? "20 seconds"
    const scope = yield* Effect.scope
    let place: Place = { port: 0, url: undefined, saidReady: false }
    let registered: Scope.CloseableScope | undefined

    const failed = (reason: WorkerStartFailed["reason"], detail: string) =>
      new WorkerStartFailed({ runtimeId, ...program, reason, detail, stderr: "", stdout: "" })

    const withdraw = Effect.suspend(() => {
      const entry = registered
      registered = undefined
      return entry === undefined ? Effect.void : Scope.close(entry, Exit.void)
    })
    const register = (baseUrl: string) =>
      Effect.gen(function* () {
        const { api, pathPrefix = `/${api}` } = options
        if (api === undefined) return
        const entry = yield* Scope.fork(scope, sequential)
        registered = entry
        yield* Scope.extend(discovery.register([{ api, baseUrl, pathPrefix }]), entry)
      }).pipe(Effect.mapError(({ message }) => failed("NotRegistered", message)))

    const start = Effect.suspend(() => {
      const prepared = first
      first = undefined
      return prepared === undefined ? nextStart(options) : Effect.succeed(prepared)
    })
    const nextOptions = Effect.map(start, ({ command: [file = "", ...args], port }): WorkerProcessOptions => {
      place = { port, url: undefined, saidReady: false }
      return {
        file,
        args,
        env: WorkerEnvironment.ofCommand(options.env, { PORT: String(port), IPC_URL: server.url }),
        cwd: options.cwd,
        capture: options.stdio === "capture",
        stopGrace: options.stopGrace ?? "2 seconds"
      }
    })

    const awaitReady = (run: WorkerRuns.Run) =>
      Effect.gen(function* () {
        const at = place
        const port = options.ready === undefined ? at.port : yield* readyPort(run, options.ready, at.port)
        at.saidReady = true
        if (options.api === undefined && options.ready !== undefined) at.url = `http://127.0.0.1:${port}`
        else at.url = yield* ListeningPort.awaitListening(port)
        yield* register(at.url)
        yield* Deferred.succeed(run.ready, undefined)
      })

    const runs = yield* WorkerRuns.make({
      runtimeId,
      program,
      options: nextOptions,
      startTimeout: WorkerRuns.awaitsDebugger(shown, options.env?.NODE_OPTIONS ?? process.env.NODE_OPTIONS)
        ? Duration.infinity
        : limit,
      awaitReady,
      beforeStop: withdraw,
      lateReason: () => Effect.sync(() => (options.ready === undefined || place.saidReady ? "NotListening" : "NotSaid"))
    })

    return { ...runs.control, url: Effect.sync(() => place.url as string) }
  })

/** The command of one start, and the free port that it was given. */
interface Start {
  readonly port: number
  readonly command: ReadonlyArray<string>
}

/** Calls a `command` that is a function once for each start, since each start has another port. */
const nextStart = ({ api, command, runtimeId }: CommandWorkerOptions): Effect.Effect<Start, WorkerStartFailed> => {
  const unnamed = typeof command === "function"
  const failed = ({ message }: Error) =>
    new WorkerStartFailed({
      runtimeId: runtimeId ?? api ?? "worker",
      module: unnamed ? "its command" : command.join(" "),
      kind: "command",
      reason: "NotSpawned",
      detail: message,
      stderr: "",
      stdout: ""
    })
  return Effect.map(Effect.mapError(ListeningPort.free, failed), (port) => {
    const given = unnamed ? command(port) : command
    refuse(commandIssue(given))
    return { port, command: given }
  })
}

/**
 * Waits until the output matches `ready`, and gives the port at which the program listens. A match at the end of the output
 * may still grow, a port by further digits, so it counts once no more output follows and something listens at its port.
 */
const readyPort = ({ process }: WorkerRuns.Run, ready: RegExp, given: number): Effect.Effect<number> =>
  Effect.gen(function* () {
    const outputs = yield* Queue.sliding<void>(1)
    yield* Effect.acquireRelease(
      Effect.sync(() => process.onOutput(() => outputs.unsafeOffer(undefined))),
      (stop) => Effect.sync(stop)
    )
    while (true) {
      const said = saidIn(process.stdout.text(), ready) ?? saidIn(process.stderr.text(), ready)
      if (said?.isWhole === true) return said.port ?? given
      if (said === undefined) {
        yield* outputs.take
        continue
      }
      const isListening = said.port === undefined ? Effect.void : ListeningPort.awaitListening(said.port)
      const settled = Effect.zipRight(Effect.sleep(unfinishedMillis), isListening)
      const isSettled = yield* Effect.raceFirst(Effect.as(settled, true), Effect.as(outputs.take, false))
      if (isSettled) return said.port ?? given
    }
  }).pipe(Effect.scoped)

/** The match in the output, which isn't whole if the output ends with it. */
const saidIn = (text: string, ready: RegExp) => {
  ready.lastIndex = 0
  const found = ready.exec(text)
  if (found === null) return undefined
  const port = found.groups?.port
  return { port: port === undefined ? undefined : Number(port), isWhole: found.index + found[0].length < text.length }
}

/** How long to wait for more output after a match that ends it, in milliseconds. */
const unfinishedMillis = 250

const checkOptions = (options: CommandWorkerOptions): void => {
  const { api, command, pathPrefix, ready } = options
  refuse(
    issueOf("its options", options, optionNames) ??
      (typeof command === "function" ? undefined : commandIssue(command)) ??
      ArgumentIssue.nameIssue("its api", api) ??
      ArgumentIssue.textIssue("its pathPrefix", pathPrefix) ??
      (ready === undefined || ready instanceof RegExp
        ? undefined
        : `ready is a regular expression that its output matches, such as /listening/; not ${kindOf(ready)}`) ??
      (pathPrefix === undefined || api !== undefined
        ? undefined
        : "pathPrefix needs an api: pass { api } as well, or omit both and register the service yourself") ??
      WorkerArguments.launchIssue(options)
  )
}

const commandIssue = (command: unknown): string | undefined => {
  if (ArgumentIssue.isTexts(command) && command.length > 0) return undefined
  const line = typeof command === "string" ? `, such as ["sh", "-c", ${JSON.stringify(command)}]` : ""
  return `command is an array of strings, the program and its arguments${line}; not ${kindOf(command)}`
}

const refuse = (issue: string | undefined): void => ArgumentIssue.refuse("a worker from a command", issue)

const optionNames: OptionNames<CommandWorkerOptions> = {
  command: true,
  api: true,
  pathPrefix: true,
  ready: true,
  ...WorkerArguments.launchNames
}
