/**
 * The processes of one worker: the one that runs, its successor after each restart, and what waits for them.
 *
 * @internal
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { beforeReady, WorkerDied, WorkerStartFailed } from "../../src/WorkerError.js"
import { realTime } from "../process/RealClock.js"
import type { WorkerControl } from "./WorkerControl.js"
import * as WorkerProcess from "./WorkerProcess.js"

/** One process of a worker, between two restarts. */
export interface Run {
  readonly process: WorkerProcess.WorkerProcess
  readonly ready: Deferred.Deferred<void, WorkerDied | WorkerStartFailed>
  /** Whether the runner ended it. */
  stopped: boolean
}

export interface RunsSetup {
  readonly runtimeId: string
  /** What errors call the program. */
  readonly program: Pick<WorkerDied, "module" | "kind">
  /** How the next process is started. */
  readonly options: Effect.Effect<WorkerProcess.WorkerProcessOptions, WorkerStartFailed>
  readonly startTimeout: Duration.DurationInput
  /** Called in the turn in which a process was started. */
  readonly onSpawn?: (run: Run) => void
  /** Makes the run ready, or fails, while its start is awaited. */
  readonly awaitReady: (run: Run) => Effect.Effect<void, WorkerDied | WorkerStartFailed>
  /** Before a process is ended. */
  readonly beforeStop: Effect.Effect<void>
  /** Why the run wasn't ready within the limit. */
  readonly lateReason: (run: Run) => Effect.Effect<WorkerStartFailed["reason"]>
}

export interface Runs {
  readonly current: () => Run | undefined
  /** The run that is going on; waits while the worker restarts. */
  readonly running: Effect.Effect<Run>
  readonly died: (run: Run, when: string) => WorkerDied
  readonly control: WorkerControl
}

/** Starts the worker, waits until it is ready, and ends it with the scope. */
export const make: (setup: RunsSetup) => Effect.Effect<Runs, WorkerDied | WorkerStartFailed, Scope.Scope> =
  Effect.fnUntraced(function* (setup: RunsSetup) {
    const { awaitReady, beforeStop, lateReason, onSpawn, options, program, runtimeId, startTimeout } = setup
    const restarts = yield* Effect.makeSemaphore(1)
    let closed = false
    let current: Run | undefined
    let restarting: Deferred.Deferred<void> | undefined

    const died = ({ process, stopped }: Run, when: string): WorkerDied =>
      new WorkerDied({ runtimeId, ...program, when, stopped, ...(process.ended() ?? {}), ...endOfOutput(process) })

    const stop = (run: Run) =>
      Effect.suspend(() => {
        if (run.process.ended() === undefined) run.stopped = true
        return Effect.zipRight(beforeStop, run.process.stop)
      })

    const spawn = Effect.flatMap(options, (spawnOptions) =>
      WorkerProcess.spawn(spawnOptions).pipe(
        Effect.mapError(
          ({ message }) =>
            new WorkerStartFailed({
              runtimeId,
              ...program,
              reason: "NotSpawned",
              detail: message,
              stderr: "",
              stdout: ""
            })
        ),
        Effect.map((process): Run => {
          const run: Run = { process, ready: Deferred.unsafeMake(FiberId.none), stopped: false }
          process.onExit(() => Deferred.unsafeDone(run.ready, Exit.fail(died(run, beforeReady))))
          current = run
          onSpawn?.(run)
          return run
        })
      )
    )

    const limitPassed = (run: Run) =>
      Effect.flatMap(
        lateReason(run),
        (reason) =>
          new WorkerStartFailed({
            runtimeId,
            ...program,
            reason,
            detail: `after ${Duration.format(startTimeout)}`,
            ...endOfOutput(run.process)
          })
      )

    const start = Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        // The scope may have closed while the previous process was being ended.
        if (closed) return yield* died(current as Run, "before its restart")
        const run = yield* spawn
        const ready = Effect.raceFirst(Effect.zipRight(awaitReady(run), Effect.never), Deferred.await(run.ready))
        return yield* ready.pipe(
          Effect.timeoutTo({
            duration: startTimeout,
            onSuccess: () => Effect.void as Effect.Effect<void, WorkerStartFailed>,
            onTimeout: () => limitPassed(run)
          }),
          realTime,
          Effect.flatten,
          restore,
          Effect.onError(() => stop(run))
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
      const now = Effect.sync(() => current as Run)
      return restarting === undefined ? now : Effect.zipRight(Deferred.await(restarting), now)
    })

    const control: WorkerControl = {
      runtimeId,
      pid: Effect.sync(() => current?.process.pid ?? -1),
      whileAlive: (effect) =>
        Effect.flatMap(running, (run) =>
          Effect.raceFirst(
            effect,
            Effect.zipRight(
              run.process.exit,
              Effect.suspend(() => Effect.fail(died(run, "while the test waited for what it was to do")))
            )
          )
        ),
      exit: Effect.suspend(() => (current as Run).process.exit),
      restart: restarts.withPermits(1)(
        Effect.suspend(() => {
          const done = Deferred.unsafeMake<void>(FiberId.none)
          restarting = done
          return stop(current as Run).pipe(
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
      stop: Effect.suspend(() => stop(current as Run)),
      kill: (signal) => Effect.sync(() => current?.process.kill(signal)),
      output: Effect.sync(() => {
        const { stderr, stdout } = (current as Run).process
        return { stdout: stdout.text(), stderr: stderr.text() }
      })
    }
    return { current: () => current, running, died, control }
  })

/** A process that ends soon after its connection was lost has died: within this many milliseconds. */
const deathMillis = 3_000

/** A lost connection is an ended process where that ends soon after. */
export const orDied = <E>({ died }: Runs, run: Run, when: string, error: E): Effect.Effect<never, E | WorkerDied> =>
  Effect.flatMap(
    realTime(Effect.timeoutOption(Effect.interruptible(run.process.exit), deathMillis)),
    (exit): Effect.Effect<never, E | WorkerDied> => Effect.fail(Option.isSome(exit) ? died(run, when) : error)
  )

/** Whether a program waits for a debugger before it runs. */
export const awaitsDebugger = (args: ReadonlyArray<string>, nodeOptions: string | undefined): boolean =>
  [...args, ...(nodeOptions ?? "").split(" ")].some((arg) =>
    /^--(?:inspect-(?:brk|wait)(?:=|$)|wait-for-client$)/.test(arg)
  )

const endOfOutput = ({ stderr, stdout }: WorkerProcess.WorkerProcess) => ({
  stderr: stderr.text(WorkerProcess.maxTailBytes),
  stdout: stdout.text(WorkerProcess.maxTailBytes)
})
