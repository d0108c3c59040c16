/**
 * A worker's operating-system process: start, output, end.
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

/** How a process ended: with a code, or by a signal. Neither where it could not be started. */
export interface WorkerExit {
  readonly code?: number
  readonly signal?: NodeJS.Signals
}

export interface WorkerProcessOptions {
  /** The module's path. */
  readonly path: string
  readonly args: ReadonlyArray<string>
  readonly execArgv: ReadonlyArray<string>
  readonly env: NodeJS.ProcessEnv
  readonly cwd: string | undefined
  /** Whether its output is kept, instead of passed through. */
  readonly capture: boolean
}

export interface WorkerProcess {
  /** `undefined` where the process could not be started. */
  readonly pid: number | undefined
  /** How it ended; `undefined` while it runs. */
  readonly ended: () => WorkerExit | undefined
  /** Why it could not be started. */
  readonly spawnError: () => Error | undefined
  /** Waits until it has ended. */
  readonly exit: Effect.Effect<WorkerExit>
  readonly onExit: (listener: () => void) => void
  readonly kill: (signal: NodeJS.Signals) => void
  readonly stdout: Tail
  readonly stderr: Tail
}

/** Starts a process. One that can't be started counts as ended. */
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

  // There are none where no file descriptor is left, whatever the types say.
  const stdio: { readonly stdout?: Readable; readonly stderr?: Readable } = child

  const end = (exit: WorkerExit) => {
    if (ended !== undefined) return
    ended = exit
    // A child of its own may have inherited the pipes and hold them open, which would keep this process alive.
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

/** Sends SIGTERM, and SIGKILL after the grace. The process has ended when this completes, even when interrupted. */
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

/** Waits for a process run on the real clock, whatever the test's. */
export const realTime = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withClock(effect, Clock.make())

/** The end of a stream of text. */
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

  /** Its last bytes as text, beginning with a whole character. */
  text(maxBytes: number = this.limit): string {
    const bytes = Buffer.concat(this.chunks).subarray(-Math.min(maxBytes, this.limit))
    if (this.size <= maxBytes) return bytes.toString()
    const start = bytes.findIndex((byte) => (byte & 0xc0) !== 0x80)
    return `…${bytes.subarray(start).toString()}`
  }
}

/** How much of a worker's output an error quotes, in bytes. */
export const maxTailBytes = 4096

const maxCapturedBytes = 1024 * 1024

/** How long to wait for output after the process has ended, in milliseconds. */
const outputGraceMillis = 500

const follow = (stream: Readable | undefined, tail: Tail, sink: NodeJS.WritableStream | undefined) => {
  stream?.on("error", () => {})
  stream?.on("data", (chunk: Buffer) => {
    tail.push(chunk)
    sink?.write(chunk)
  })
}
