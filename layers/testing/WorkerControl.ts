/**
 * What all worker processes have in common.
 *
 * @since 0.2.0
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { WorkerDied, WorkerStartFailed } from "../../src/WorkerError.js"

/**
 * How a process ended: with a code, or by a signal.
 *
 * @since 0.1.0
 * @category models
 */
export interface WorkerExit {
  readonly code?: number | undefined
  readonly signal?: NodeJS.Signals | undefined
}

/**
 * How a worker's process runs.
 *
 * @since 0.2.0
 * @category models
 */
export interface LaunchOptions {
  /** Its name: by which it connects, and in errors. Default: its module's or program's name and a random suffix. */
  readonly runtimeId?: string | undefined
  /** Variables in addition to the runner's environment; one that is `undefined` is unset. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
  readonly cwd?: string | undefined
  /** Whether its stdout and stderr are passed through to the runner's, or kept for `output`. Default `inherit`. */
  readonly stdio?: "inherit" | "capture" | undefined
  /**
   * The limit for becoming ready. Default 20 seconds; none where it waits for a debugger (`--inspect-brk`,
   * `--inspect-wait`).
   */
  readonly startTimeout?: Duration.DurationInput | undefined
  /** The time between SIGTERM and SIGKILL. Default 2 seconds. */
  readonly stopGrace?: Duration.DurationInput | undefined
}

/**
 * A process that is ready, and its successor after each `restart`.
 *
 * @since 0.2.0
 * @category models
 */
export interface WorkerControl {
  readonly runtimeId: string
  readonly pid: Effect.Effect<number>
  /** Runs the effect; interrupts it and fails with `WorkerDied` where the process ends first. */
  readonly whileAlive: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | WorkerDied, R>
  /** Waits until its process has ended. */
  readonly exit: Effect.Effect<WorkerExit>
  /** Ends its process and starts another under the same name; completes when that is ready. */
  readonly restart: Effect.Effect<void, WorkerDied | WorkerStartFailed>
  /** Ends its process: SIGTERM, and SIGKILL to its process group after the grace. */
  readonly stop: Effect.Effect<WorkerExit>
  /** Sends its process a signal. */
  readonly kill: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** The end of its process's output: 1 MiB of each stream where it is captured, else 4 KiB. */
  readonly output: Effect.Effect<{ readonly stdout: string; readonly stderr: string }>
}
