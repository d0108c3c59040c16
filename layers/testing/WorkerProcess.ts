/**
 * A worker as the operating system sees it: started, listened to, ended.
 *
 * @since 0.1.0
 */
import * as ChildProcess from "node:child_process"
import type { Readable } from "node:stream"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"

/**
 * How a process ended: with a code, or by a signal. Neither where it could not be started.
 *
 * @since 0.1.0
 * @category models
 */
export interface WorkerExit {
  readonly code?: number
  readonly signal?: NodeJS.Signals
}

/**
 * @since 0.1.0
 * @category models
 */
export interface WorkerProcessOptions {
  /** The module's path. */
  readonly path: string
  readonly args: ReadonlyArray<string>
  readonly execArgv: ReadonlyArray<string>
  readonly env: NodeJS.ProcessEnv
  readonly cwd: string | undefined
  /** Whether its output is kept for reading, instead of passed through. */
  readonly capture: boolean
}

/**
 * @since 0.1.0
 * @category models
 */
export interface WorkerProcess {
  /** `undefined` where the system started none. */
  readonly pid: number | undefined
  /** How it ended; `undefined` while it runs. */
  readonly ended: () => WorkerExit | undefined
  /** Why there is none. */
  readonly spawnError: () => Error | undefined
  /** Waits for its end. */
  readonly exit: Effect.Effect<WorkerExit>
  readonly onExit: (listener: () => void) => void
  readonly kill: (signal: NodeJS.Signals) => void
  readonly stdout: Tail
  readonly stderr: Tail
}

/**
 * Starts a process; where that fails, it is one that has ended.
 *
 * @since 0.1.0
 * @category constructors
 */
export const spawn = (options: WorkerProcessOptions): WorkerProcess => {
  const { args, capture, cwd, env, execArgv, path } = options
  const limit = capture ? maxCapturedBytes : maxTailBytes
  const stdout = new Tail(limit)
  const stderr = new Tail(limit)
  const exited = Deferred.unsafeMake<WorkerExit>(FiberId.none)
  const listeners = new Set<() => void>()
  let ended: WorkerExit | undefined
  let spawnError: Error | undefined
  const child = ChildProcess.spawn(process.execPath, [...execArgv, path, ...args], {
    cwd,
    env,
    stdio: ["ignore", "pipe", "pipe"]
  })

  // Where file descriptors are used up there are none, whatever the types say.
  const stdio: { readonly stdout?: Readable; readonly stderr?: Readable } = child

  const end = (exit: WorkerExit) => {
    if (ended !== undefined) return
    ended = exit
    // Whoever inherited its output, a child of its own say, may hold it open for ever, and this process with it.
    stdio.stdout?.destroy()
    stdio.stderr?.destroy()
    Deferred.unsafeDone(exited, Exit.succeed(exit))
    for (const listener of listeners) listener()
  }
  follow(stdio.stdout, stdout, capture ? undefined : process.stdout)
  follow(stdio.stderr, stderr, capture ? undefined : process.stderr)
  child.once("exit", (code, signal) => {
    const exit = signal === null ? { code: code ?? 0 } : { signal }
    const late = setTimeout(end, outputGraceMillis, exit)
    child.once("close", () => {
      clearTimeout(late)
      end(exit)
    })
  })
  // Later ones say that a signal couldn't be sent.
  child.on("error", (error) => {
    if (child.pid !== undefined) return
    spawnError = error
    end({})
  })

  return {
    pid: child.pid,
    ended: () => ended,
    spawnError: () => spawnError,
    exit: Deferred.await(exited),
    onExit: (listener) => {
      if (ended === undefined) listeners.add(listener)
      else listener()
    },
    kill: (signal) => void child.kill(signal),
    stdout,
    stderr
  }
}

/**
 * SIGTERM, and SIGKILL where it still runs after the grace. Whatever interrupts, it has ended when this has.
 *
 * @since 0.1.0
 * @category combinators
 */
export const stop = (worker: WorkerProcess, grace: Duration.DurationInput): Effect.Effect<WorkerExit> =>
  Effect.uninterruptible(
    Effect.gen(function* () {
      const ended = worker.ended()
      if (ended !== undefined) return ended
      worker.kill("SIGTERM")
      const inTime = yield* realTime(Effect.timeoutOption(Effect.interruptible(worker.exit), grace))
      if (Option.isSome(inTime)) return inTime.value
      worker.kill("SIGKILL")
      return yield* worker.exit
    })
  )

/**
 * A process keeps no test clock: what waits for it runs on the real one.
 *
 * @since 0.1.0
 * @category combinators
 */
export const realTime = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withClock(effect, Clock.make())

/**
 * The end of a stream of text.
 *
 * @since 0.1.0
 * @category models
 */
export class Tail {
  private readonly chunks: Array<Buffer> = []
  private size = 0

  constructor(private readonly limit: number) {}

  push(chunk: Buffer): void {
    this.chunks.push(chunk)
    this.size += chunk.length
    while (this.size - (this.chunks[0] as Buffer).length >= this.limit) {
      this.size -= (this.chunks.shift() as Buffer).length
    }
  }

  /** Its last bytes as text, from a whole character on. */
  text(maxBytes: number = this.limit): string {
    const bytes = Buffer.concat(this.chunks).subarray(-Math.min(maxBytes, this.limit))
    if (this.size <= maxBytes) return bytes.toString()
    const start = bytes.findIndex((byte) => (byte & 0xc0) !== 0x80)
    return `…${bytes.subarray(start).toString()}`
  }
}

/**
 * How much of a worker's output an error tells, in bytes.
 *
 * @since 0.1.0
 * @category limits
 */
export const maxTailBytes = 4096

const maxCapturedBytes = 1024 * 1024

/** How long output may come after the process has ended, in milliseconds. */
const outputGraceMillis = 500

const follow = (stream: Readable | undefined, tail: Tail, sink: NodeJS.WritableStream | undefined) => {
  stream?.on("error", () => {})
  stream?.on("data", (chunk: Buffer) => {
    tail.push(chunk)
    sink?.write(chunk)
  })
}
