/**
 * Worker processes: a runner starts them from a module, sends them requests, and ends them with its scope.
 *
 * @since 0.1.0
 */
import { randomUUID } from "node:crypto"
import { basename, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { NotifyError, RequestError } from "../../src/IPCError.js"
import { ClientNotConnected, ConnectionClosed, NoHandler } from "../../src/IPCError.js"
import type { Arguments, ClientRequest, RequestOptions } from "../../src/IPCRequest.js"
import { nameOf, untyped } from "../../src/IPCRequest.js"
import { IPCServer } from "../../src/IPCServer.js"
import { check, type OptionNames } from "../../src/internal/OptionNames.js"
import { beforeReady, WorkerDied, WorkerStartFailed } from "../../src/WorkerError.js"
import { elapsedMillis, realTime } from "../process/RealClock.js"
import type { WorkerExit } from "./WorkerProcess.js"
import * as WorkerProcess from "./WorkerProcess.js"
import * as WorkerProtocol from "./WorkerProtocol.js"

export type { WorkerExit } from "./WorkerProcess.js"

/**
 * Which module to start, and how.
 *
 * @since 0.1.0
 * @category models
 */
export interface WorkerOptions {
  /** `new URL("./worker.js", import.meta.url)`, or a path from the current directory. It calls `WorkerClient.run`. */
  readonly module: URL | string
  /** The name by which it connects. Default: the module's name and a random suffix. */
  readonly runtimeId?: string | undefined
  /** Variables in addition to the runner's environment. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Its `process.argv` after the module. */
  readonly args?: ReadonlyArray<string> | undefined
  /** Arguments of Node: `["--import", "tsx"]` for a module in TypeScript. */
  readonly execArgv?: ReadonlyArray<string> | undefined
  readonly cwd?: string | undefined
  /** The token of the runner's server, where it has one. */
  readonly token?: string | Redacted.Redacted | undefined
  /** Whether its stdout and stderr are passed through to the runner's, or kept for `output`. Default `inherit`. */
  readonly stdio?: "inherit" | "capture" | undefined
  /** The limit for becoming ready. Default 20 seconds. */
  readonly startTimeout?: Duration.DurationInput | undefined
  /** The time between SIGTERM and SIGKILL. Default 2 seconds. */
  readonly stopGrace?: Duration.DurationInput | undefined
}

const optionNames: OptionNames<WorkerOptions> = {
  module: true,
  runtimeId: true,
  env: true,
  args: true,
  execArgv: true,
  cwd: true,
  token: true,
  stdio: true,
  startTimeout: true,
  stopGrace: true
}

/**
 * A worker process that is ready, and its successor after each `restart`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Worker {
  readonly runtimeId: string
  readonly pid: Effect.Effect<number>
  /**
   * Sends it a request. Fails with `WorkerDied` where its process ends before the response. Waits while it restarts.
   */
  readonly request: <Payload, Success, Failure>(
    request: ClientRequest<Payload, Success, Failure>,
    ...args: Arguments<NoInfer<Payload>, RequestOptions>
  ) => Effect.Effect<Success, Failure | RequestError | ClientNotConnected | WorkerDied>
  /** Sends it a message; completes when that is sent. */
  readonly notify: <Payload, Success, Failure>(
    request: ClientRequest<Payload, Success, Failure>,
    ...args: Arguments<NoInfer<Payload>, RequestOptions>
  ) => Effect.Effect<void, NotifyError | ClientNotConnected | WorkerDied>
  /** Runs the effect; interrupts it and fails with `WorkerDied` where the process ends first. */
  readonly whileAlive: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | WorkerDied, R>
  /** Waits until its process has ended. */
  readonly exit: Effect.Effect<WorkerExit>
  /** Ends its process and starts another under the same name; completes when that is ready. */
  readonly restart: Effect.Effect<void, WorkerDied | WorkerStartFailed>
  /** Ends its process: SIGTERM, and SIGKILL after the grace. */
  readonly stop: Effect.Effect<WorkerExit>
  /** Sends its process a signal. */
  readonly kill: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** The end of its process's output: 1 MiB of each stream where it is captured, else 4 KiB. */
  readonly output: Effect.Effect<{ readonly stdout: string; readonly stderr: string }>
}

/**
 * Starts a worker, waits until it is ready, and ends it with the scope. Fails with `WorkerDied` where its process ends
 * first, and with `WorkerStartFailed` where it can't be started or isn't ready within the limit; no process is left then.
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
export const make: (
  options: WorkerOptions
) => Effect.Effect<Worker, WorkerDied | WorkerStartFailed, IPCServer | Scope.Scope> = Effect.fnUntraced(function* (
  options: WorkerOptions
) {
  const server = yield* IPCServer
  check("the options of a worker", options, optionNames)
  const path = pathOf(options.module)
  const runtimeId = options.runtimeId ?? `${basename(path).replace(/\.[^.]*$/, "")}-${randomUUID().slice(0, 8)}`
  const startTimeout = options.startTimeout ?? "20 seconds"
  const spawnOptions: WorkerProcess.WorkerProcessOptions = {
    path,
    args: options.args ?? [],
    execArgv: options.execArgv ?? [],
    env: environment(options, runtimeId, server.url),
    cwd: options.cwd,
    capture: options.stdio === "capture",
    stopGrace: options.stopGrace ?? "2 seconds"
  }
  const restarts = yield* Effect.makeSemaphore(1)
  let closed = false
  let current: Incarnation | undefined
  let restarting: Deferred.Deferred<void> | undefined

  yield* server.handle(WorkerProtocol.ready(runtimeId), (readiness) =>
    Effect.sync(() => {
      if (current === undefined || readiness.pid !== current.process.pid) return
      current.complete = readiness.complete
      current.readyAt = elapsedMillis()
      Deferred.unsafeDone(current.ready, Exit.void)
    })
  )

  const died = ({ process, stopped }: Incarnation, when: string): WorkerDied =>
    new WorkerDied({ runtimeId, module: path, when, stopped, ...(process.ended() ?? {}), ...endOfOutput(process) })

  const stop = (incarnation: Incarnation) =>
    Effect.suspend(() => {
      if (incarnation.process.ended() === undefined) incarnation.stopped = true
      return incarnation.process.stop
    })

  const startFailed = (
    reason: WorkerStartFailed["reason"],
    detail: string,
    output: ReturnType<typeof endOfOutput> = { stderr: "", stdout: "" }
  ): WorkerStartFailed => new WorkerStartFailed({ runtimeId, module: path, reason, detail, ...output })

  const spawn = WorkerProcess.spawn(spawnOptions).pipe(
    Effect.mapError(({ message }) => startFailed("NotSpawned", message)),
    Effect.map((process): Incarnation => {
      const incarnation: Incarnation = {
        process,
        ready: Deferred.unsafeMake(FiberId.none),
        complete: false,
        readyAt: 0,
        stopped: false
      }
      process.onExit(() => Deferred.unsafeDone(incarnation.ready, Exit.fail(died(incarnation, beforeReady))))
      current = incarnation
      return incarnation
    })
  )

  const limitPassed = (incarnation: Incarnation) =>
    Effect.flatMap(server.clients, (clients) => {
      const connected = clients.some((client) => client.runtimeId === runtimeId)
      const waited = `after ${Duration.format(startTimeout)}`
      const output = endOfOutput(incarnation.process)
      return Effect.fail(startFailed(connected ? "NotReady" : "NotConnected", waited, output))
    })

  const start = Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      // The scope may have closed while the previous process was being ended.
      if (closed) return yield* died(current as Incarnation, "before its restart")
      const incarnation = yield* spawn
      return yield* Deferred.await(incarnation.ready).pipe(
        Effect.timeoutTo({
          duration: startTimeout,
          onSuccess: () => Effect.void as Effect.Effect<void, WorkerStartFailed>,
          onTimeout: () => limitPassed(incarnation)
        }),
        realTime,
        Effect.flatten,
        restore,
        Effect.onError(() => stop(incarnation))
      )
    })
  )

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      closed = true
      return current === undefined ? Effect.void : stop(current)
    })
  )
  yield* start

  const running = Effect.suspend(() => {
    const now = Effect.sync(() => current as Incarnation)
    return restarting === undefined ? now : Effect.zipRight(Deferred.await(restarting), now)
  })

  /** A lost connection is an ended process where that ends soon after. */
  const orDied = <E>(incarnation: Incarnation, when: string, error: E): Effect.Effect<never, E | WorkerDied> =>
    Effect.flatMap(
      realTime(Effect.timeoutOption(Effect.interruptible(incarnation.process.exit), deathMillis)),
      (exit): Effect.Effect<never, E | WorkerDied> => Effect.fail(Option.isSome(exit) ? died(incarnation, when) : error)
    )

  const mayBeRegistered = ({ complete, readyAt }: Incarnation) =>
    !complete && elapsedMillis() - readyAt < handlersMillis

  const send = <A, E>(name: string, verb: string, effect: Effect.Effect<A, E>): Effect.Effect<A, E | WorkerDied> =>
    Effect.flatMap(running, (incarnation) => {
      const when = `${verb} ${JSON.stringify(name)}`
      const failIfEnded = Effect.suspend(() =>
        incarnation.process.ended() === undefined ? Effect.void : Effect.fail(died(incarnation, when))
      )
      const attempt: Effect.Effect<A, E | WorkerDied> = Effect.zipRight(
        failIfEnded,
        Effect.catchAll(effect, (error): Effect.Effect<A, E | WorkerDied> => {
          if (isNoHandler(error, name) && mayBeRegistered(incarnation)) {
            return Effect.zipRight(realTime(Effect.sleep(handlerRetryMillis)), attempt)
          }
          const isLoss = error instanceof ConnectionClosed || error instanceof ClientNotConnected
          return isLoss ? orDied(incarnation, when, error) : Effect.fail(error)
        })
      )
      return attempt
    })

  const worker: Worker = {
    runtimeId,
    pid: Effect.sync(() => current?.process.pid ?? -1),
    request: (request, ...args) =>
      send(nameOf(untyped(request)), "during request", server.request(runtimeId, request, ...args)),
    notify: (request, ...args) =>
      send(nameOf(untyped(request)), "before message", server.notify(runtimeId, request, ...args)),
    whileAlive: (effect) =>
      Effect.flatMap(running, (incarnation) =>
        Effect.raceFirst(
          effect,
          Effect.zipRight(
            incarnation.process.exit,
            Effect.suspend(() => Effect.fail(died(incarnation, "while the test waited for what it was to do")))
          )
        )
      ),
    exit: Effect.suspend(() => (current as Incarnation).process.exit),
    restart: restarts.withPermits(1)(
      Effect.suspend(() => {
        const done = Deferred.unsafeMake<void>(FiberId.none)
        restarting = done
        return stop(current as Incarnation).pipe(
          Effect.zipRight(start),
          Effect.ensuring(
            Effect.suspend(() => {
              restarting = undefined
              return Deferred.succeed(done, undefined)
            })
          )
        )
      })
    ),
    stop: Effect.suspend(() => stop(current as Incarnation)),
    kill: (signal) => Effect.sync(() => current?.process.kill(signal)),
    output: Effect.sync(() => {
      const { stderr, stdout } = (current as Incarnation).process
      return { stdout: stdout.text(), stderr: stderr.text() }
    })
  }
  return worker
})

/** One process of a worker, between two restarts. */
interface Incarnation {
  readonly process: WorkerProcess.WorkerProcess
  readonly ready: Deferred.Deferred<void, WorkerDied | WorkerStartFailed>
  /** Whether all its handlers were registered when it was ready. */
  complete: boolean
  readyAt: number
  /** Whether the runner ended it. */
  stopped: boolean
}

/** How long to wait for the end of a process whose connection has closed, in milliseconds. */
const deathMillis = 3_000

/** How long after a worker was ready a missing handler may still be registered, in milliseconds. */
const handlersMillis = 2_000

const handlerRetryMillis = 20

const isNoHandler = (error: unknown, request: string): boolean =>
  error instanceof NoHandler && error.request === request

const pathOf = (module: URL | string): string =>
  typeof module === "string" && !module.startsWith("file:") ? resolve(module) : fileURLToPath(module)

const environment = (options: WorkerOptions, runtimeId: string, url: string): NodeJS.ProcessEnv => {
  const token = Redacted.isRedacted(options.token) ? Redacted.value(options.token) : options.token
  return {
    ...process.env,
    ...options.env,
    ...(token === undefined ? {} : { IPC_TOKEN: token }),
    IPC_URL: url,
    IPC_RUNTIME_ID: runtimeId
  }
}

const endOfOutput = ({ stderr, stdout }: WorkerProcess.WorkerProcess) => ({
  stderr: stderr.text(WorkerProcess.maxTailBytes),
  stdout: stdout.text(WorkerProcess.maxTailBytes)
})
