/**
 * Worker processes: a runner starts them from a module or by a command, sends them requests, and ends them with its scope.
 *
 * @since 0.1.0
 */
import { basename, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { Discovery } from "../../src/Discovery.js"
import type { NotifyError, RequestError } from "../../src/IPCError.js"
import { ClientNotConnected, ConnectionClosed, NoHandler } from "../../src/IPCError.js"
import type { Arguments, ClientRequest, RequestOptions } from "../../src/IPCRequest.js"
import { nameOf, untyped } from "../../src/IPCRequest.js"
import { IPCServer } from "../../src/IPCServer.js"
import * as ArgumentIssue from "../../src/internal/ArgumentIssue.js"
import { issueOf, type OptionNames } from "../../src/internal/OptionNames.js"
import type { WorkerDied, WorkerStartFailed } from "../../src/WorkerError.js"
import { elapsedMillis, realTime } from "../process/RealClock.js"
import type { CommandWorker, CommandWorkerOptions } from "./CommandWorker.js"
import * as FromCommand from "./CommandWorker.js"
import * as WorkerArguments from "./WorkerArguments.js"
import type { LaunchOptions, WorkerControl } from "./WorkerControl.js"
import * as WorkerEnvironment from "./WorkerEnvironment.js"
import * as WorkerProtocol from "./WorkerProtocol.js"
import * as WorkerRuns from "./WorkerRuns.js"

export type { CommandWorker, CommandWorkerOptions } from "./CommandWorker.js"
export type { LaunchOptions, WorkerControl, WorkerExit } from "./WorkerControl.js"

/**
 * Which module to start, and how.
 *
 * @since 0.1.0
 * @category models
 */
export interface WorkerOptions extends LaunchOptions {
  /** `new URL("./worker.js", import.meta.url)`, or a path from the current directory. It calls `WorkerClient.run`. */
  readonly module: URL | string
  /** Its `process.argv` after the module. */
  readonly args?: ReadonlyArray<string> | undefined
  /** Arguments of Node: `["--import", "tsx"]` for a module in TypeScript. */
  readonly execArgv?: ReadonlyArray<string> | undefined
  /** The token of the runner's server, where it has one. */
  readonly token?: string | Redacted.Redacted | undefined
}

/**
 * A worker from a module, which is connected to the runner.
 *
 * @since 0.1.0
 * @category models
 */
export interface Worker extends WorkerControl {
  /** Sends it a request, once it doesn't restart. Fails with `WorkerDied` if its process ends before the response. */
  readonly request: <Payload, Success, Failure>(
    request: ClientRequest<Payload, Success, Failure>,
    ...args: Arguments<NoInfer<Payload>, RequestOptions>
  ) => Effect.Effect<Success, Failure | RequestError | ClientNotConnected | WorkerDied>
  /** Sends it a message; completes when that is sent. */
  readonly notify: <Payload, Success, Failure>(
    request: ClientRequest<Payload, Success, Failure>,
    ...args: Arguments<NoInfer<Payload>, RequestOptions>
  ) => Effect.Effect<void, NotifyError | ClientNotConnected | WorkerDied>
}

/**
 * Starts a worker from a module or by a command, waits until it is ready, and ends it with the scope. Fails with
 * `WorkerDied` if its process ends before it is ready, and with `WorkerStartFailed` if it can't be started or isn't ready
 * within the limit. After a failure no process is left.
 *
 * @example
 * ```ts
 * import { GatewayTest, Worker } from "effect-ipc/testing"
 * import { IPCClient } from "effect-ipc"
 * import { Effect } from "effect"
 *
 * const SetLimit = IPCClient.defineRequest<number, void>("config/setLimit")
 *
 * const test = Effect.gen(function* () {
 *   const orders = yield* Worker.make({ module: new URL("./orders.js", import.meta.url) })
 *   yield* orders.request(SetLimit, 3)
 * })
 *
 * export const main = test.pipe(Effect.scoped, Effect.provide(GatewayTest.layer()))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: {
  (options: WorkerOptions): Effect.Effect<Worker, WorkerDied | WorkerStartFailed, IPCServer | Scope.Scope>
  (
    options: CommandWorkerOptions
  ): Effect.Effect<CommandWorker, WorkerDied | WorkerStartFailed, IPCServer | Discovery | Scope.Scope>
} = (options: WorkerOptions | CommandWorkerOptions) =>
  // The overloads give each kind of options its own type of worker.
  Effect.suspend(
    (): Effect.Effect<unknown, WorkerDied | WorkerStartFailed, IPCServer | Discovery | Scope.Scope> =>
      isCommand(options) ? FromCommand.make(options) : fromModule(options)
  ) as Effect.Effect<never, WorkerDied | WorkerStartFailed, IPCServer | Scope.Scope>

const isCommand = (options: WorkerOptions | CommandWorkerOptions): options is CommandWorkerOptions => {
  if (Predicate.isRecord(options) && ("command" in options || "module" in options)) return "command" in options
  throw new TypeError(
    'a worker has { module: new URL("./worker.js", import.meta.url) } or { command: ["python3", "app.py"] }.'
  )
}

const checkOptions = (options: WorkerOptions): void =>
  ArgumentIssue.refuse(
    "a worker from a module",
    issueOf("its options", options, optionNames) ??
      ArgumentIssue.fileIssue("its module", options.module) ??
      ArgumentIssue.textsIssue("its args", options.args) ??
      ArgumentIssue.textsIssue("its execArgv", options.execArgv) ??
      (Redacted.isRedacted(options.token) ? undefined : ArgumentIssue.textIssue("its token", options.token)) ??
      WorkerArguments.launchIssue(options)
  )

const optionNames: OptionNames<WorkerOptions> = {
  module: true,
  args: true,
  execArgv: true,
  token: true,
  ...WorkerArguments.launchNames
}

const fromModule = Effect.fnUntraced(function* (options: WorkerOptions) {
  const server = yield* IPCServer
  checkOptions(options)
  const path = pathOf(options.module)
  const runtimeId = options.runtimeId ?? WorkerEnvironment.nameFor(basename(path))
  const args = [...(options.execArgv ?? []), path, ...(options.args ?? [])]
  const readiness = new WeakMap<WorkerRuns.Run, { readonly complete: boolean; readonly at: number }>()
  let starting: WorkerRuns.Run | undefined

  yield* server.handle(WorkerProtocol.ready(runtimeId), ({ complete, pid }) =>
    Effect.sync(() => {
      if (starting === undefined || pid !== starting.process.pid) return
      readiness.set(starting, { complete, at: elapsedMillis() })
      Deferred.unsafeDone(starting.ready, Exit.void)
    })
  )

  const runs = yield* WorkerRuns.make({
    runtimeId,
    program: { module: path },
    options: Effect.succeed({
      file: process.execPath,
      args,
      env: environment(options, runtimeId, server.url),
      cwd: options.cwd,
      capture: options.stdio === "capture",
      stopGrace: options.stopGrace ?? "2 seconds"
    }),
    startTimeout: WorkerRuns.awaitsDebugger(args, options.env?.NODE_OPTIONS ?? process.env.NODE_OPTIONS)
      ? Duration.infinity
      : (options.startTimeout ?? "20 seconds"),
    onSpawn: (run) => {
      starting = run
    },
    awaitReady: () => Effect.void,
    beforeStop: Effect.void,
    lateReason: () =>
      Effect.map(server.clients, (clients) =>
        clients.some((client) => client.runtimeId === runtimeId) ? "NotReady" : "NotConnected"
      )
  })

  const mayBeRegistered = (run: WorkerRuns.Run) => {
    const ready = readiness.get(run)
    return ready !== undefined && !ready.complete && elapsedMillis() - ready.at < handlersMillis
  }

  const send = <A, E>(name: string, verb: string, effect: Effect.Effect<A, E>): Effect.Effect<A, E | WorkerDied> =>
    Effect.flatMap(runs.running, (run) => {
      const when = `${verb} ${JSON.stringify(name)}`
      const failIfEnded = Effect.suspend(() =>
        run.process.ended() === undefined ? Effect.void : Effect.fail(runs.died(run, when))
      )
      const attempt: Effect.Effect<A, E | WorkerDied> = Effect.zipRight(
        failIfEnded,
        Effect.catchAll(effect, (error): Effect.Effect<A, E | WorkerDied> => {
          if (isNoHandler(error, name) && mayBeRegistered(run)) {
            return Effect.zipRight(realTime(Effect.sleep(handlerRetryMillis)), attempt)
          }
          const isLoss = error instanceof ConnectionClosed || error instanceof ClientNotConnected
          return isLoss ? WorkerRuns.orDied(runs, run, when, error) : Effect.fail(error)
        })
      )
      return attempt
    })

  const worker: Worker = {
    ...runs.control,
    request: (request, ...args) =>
      send(nameOf(untyped(request)), "during request", server.request(runtimeId, request, ...args)),
    notify: (request, ...args) =>
      send(nameOf(untyped(request)), "before message", server.notify(runtimeId, request, ...args))
  }
  return worker
})

/** How long a worker may still register handlers after it was ready, in milliseconds. */
const handlersMillis = 2_000

const handlerRetryMillis = 20

const isNoHandler = (error: unknown, request: string): boolean =>
  error instanceof NoHandler && error.request === request

const pathOf = (module: URL | string): string =>
  typeof module === "string" && !module.startsWith("file:") ? resolve(module) : fileURLToPath(module)

const environment = ({ env, token }: WorkerOptions, runtimeId: string, url: string): NodeJS.ProcessEnv => {
  const plain = Redacted.isRedacted(token) ? Redacted.value(token) : token
  return WorkerEnvironment.of(env, {
    ...(plain === undefined ? {} : { IPC_TOKEN: plain }),
    IPC_URL: url,
    IPC_RUNTIME_ID: runtimeId
  })
}
