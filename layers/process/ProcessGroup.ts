/**
 * A child process and the process group that it leads: the group ends when the child ends, and when this process ends.
 *
 * @internal
 */
import { type ChildProcess, type SpawnOptions, spawn as spawnChild } from "node:child_process"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as GroupMembers from "./GroupMembers.js"
import * as GroupWatcher from "./GroupWatcher.js"
import { realTime } from "./RealClock.js"

/** How a process ended: with a code, or by a signal. */
export type ProcessExit =
  | { readonly code: number; readonly signal?: undefined }
  | { readonly code?: undefined; readonly signal: NodeJS.Signals }

/** A child process, and the group that it leads. */
export interface ProcessGroup {
  readonly child: ChildProcess
  readonly pid: number
  /** Sends a signal to every process of the group. */
  readonly signal: (signal: NodeJS.Signals) => void
  /** Waits until the child has ended. */
  readonly exit: Effect.Effect<ProcessExit>
  /**
   * Waits until the child and the rest of its group have ended. Processes that outlive the child get SIGTERM, and SIGKILL
   * after the grace.
   */
  readonly ended: Effect.Effect<ProcessExit>
}

export interface ProcessGroupOptions extends Omit<SpawnOptions, "detached"> {
  /** The time between SIGTERM and SIGKILL for processes that outlive the child. Default 5 seconds. */
  readonly grace?: Duration.DurationInput | undefined
}

/** Windows has no process groups. There, only the child gets signals. */
const hasGroups = process.platform !== "win32"

/**
 * Starts a program, without a shell, in a session and a process group of its own: it has no controlling terminal. When
 * this process ends, even by SIGKILL, the group gets SIGTERM, and SIGKILL 2 seconds later. Fails with the system's error
 * when the program can't be started.
 */
export const spawn = (
  program: string,
  args: ReadonlyArray<string>,
  { grace = "5 seconds", ...options }: ProcessGroupOptions
): Effect.Effect<ProcessGroup, NodeJS.ErrnoException> =>
  // An interruption must not lose a child that has been started.
  Effect.uninterruptible(
    Effect.async((resume) => {
      const watcher = hasGroups ? GroupWatcher.start() : undefined
      const fail = (error: NodeJS.ErrnoException) => {
        watcher?.dismiss()
        resume(Effect.fail(error))
      }
      let child: ChildProcess
      try {
        child = spawnChild(program, args, { ...options, detached: hasGroups })
      } catch (error) {
        return fail(error as NodeJS.ErrnoException)
      }
      const { pid } = child
      // Later errors say that a signal couldn't be sent, for example to a process of another user.
      child.on("error", (error) => {
        if (pid === undefined) fail(error)
      })
      if (pid === undefined) return
      watcher?.watch(pid)
      // In the same turn, so that the caller listens before the child's first event.
      resume(Effect.succeed(new Group(child, pid, Duration.decode(grace), () => watcher?.dismiss())))
    })
  )

class Group implements ProcessGroup {
  readonly exit: Effect.Effect<ProcessExit>
  readonly ended: Effect.Effect<ProcessExit>
  private over = false

  constructor(
    readonly child: ChildProcess,
    readonly pid: number,
    private readonly grace: Duration.Duration,
    private readonly onEnded: () => void
  ) {
    const exit = Deferred.unsafeMake<ProcessExit>(FiberId.none)
    const ended = Deferred.unsafeMake<ProcessExit>(FiberId.none)
    this.exit = Deferred.await(exit)
    this.ended = Deferred.await(ended)
    child.once("exit", (code, signal) => {
      const how: ProcessExit = signal === null ? { code: code ?? 0 } : { signal }
      Deferred.unsafeDone(exit, Exit.succeed(how))
      Effect.runCallback(realTime(this.endRest), {
        onExit: () => {
          this.over = true
          this.onEnded()
          Deferred.unsafeDone(ended, Exit.succeed(how))
        }
      })
    })
  }

  readonly signal = (signal: NodeJS.Signals): void => {
    if (!hasGroups) this.child.kill(signal)
    // Once the group has ended, another group may get its number.
    else if (!this.over) signalGroup(this.pid, signal)
  }

  private readonly endRest: Effect.Effect<void> = Effect.gen(this, function* () {
    if (!hasGroups || !GroupMembers.isAlive(this.pid)) return
    this.signal("SIGTERM")
    const inTime = yield* Effect.timeoutOption(this.allGone, this.grace)
    if (Option.isSome(inTime)) return
    this.signal("SIGKILL")
    yield* Effect.timeoutOption(this.allGone, killedMillis)
  })

  private readonly allGone: Effect.Effect<unknown> = Effect.suspend(() =>
    Effect.repeat(
      Effect.sync(() => GroupMembers.isAlive(this.pid)),
      { while: (alive) => alive, schedule: polling }
    )
  )
}

/** How long to wait after SIGKILL, in milliseconds. */
const killedMillis = 1_000

const polling = Schedule.exponential("5 millis", 1.5).pipe(Schedule.union(Schedule.spaced("100 millis")))

const signalGroup = (group: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(-group, signal)
  } catch {
    // No process is left, or they belong to another user.
  }
}
