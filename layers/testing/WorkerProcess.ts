/**
 * A worker's operating-system process: start, output, end of the process and of its process group.
 *
 * @internal
 */
import type { Readable } from "node:stream"
import { clearTimeout, setTimeout } from "node:timers"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as OwnOutput from "../process/OwnOutput.js"
import * as ProcessGroup from "../process/ProcessGroup.js"
import { realTime } from "../process/RealClock.js"
import type { WorkerExit } from "./WorkerControl.js"

export interface WorkerProcessOptions {
  readonly file: string
  readonly args: ReadonlyArray<string>
  readonly env: NodeJS.ProcessEnv
  readonly cwd: string | undefined
  /** Whether its output is kept, instead of passed through. */
  readonly capture: boolean
  /** How long it may take to end after SIGTERM, before SIGKILL. */
  readonly stopGrace: Duration.DurationInput
}

export interface WorkerProcess {
  readonly pid: number
  /** How it ended; `undefined` while it runs. */
  readonly ended: () => WorkerExit | undefined
  /** Waits until it has ended. */
  readonly exit: Effect.Effect<WorkerExit>
  readonly onExit: (listener: () => void) => void
  /** Calls the listener after more output, until what it returns is called. */
  readonly onOutput: (listener: () => void) => () => void
  readonly kill: (signal: NodeJS.Signals) => void
  /** Sends SIGTERM, and SIGKILL after the grace. The process has ended when this completes, even when interrupted. */
  readonly stop: Effect.Effect<WorkerExit>
  readonly stdout: Tail
  readonly stderr: Tail
}

/** Starts a process. Fails with the system's error when it can't be started. */
export const spawn = (options: WorkerProcessOptions): Effect.Effect<WorkerProcess, NodeJS.ErrnoException> => {
  const { args, cwd, env, file, stopGrace } = options
  const stdio: ["ignore", "pipe", "pipe"] = ["ignore", "pipe", "pipe"]
  return Effect.map(ProcessGroup.spawn(file, args, { cwd, env, stdio, grace: stopGrace }), (group) =>
    listenTo(group, options)
  )
}

const listenTo = (group: ProcessGroup.ProcessGroup, { capture, stopGrace }: WorkerProcessOptions): WorkerProcess => {
  const { child } = group
  const limit = capture ? maxCapturedBytes : maxTailBytes
  const stdout = new Tail(limit)
  const stderr = new Tail(limit)
  const exited = Deferred.unsafeMake<WorkerExit>(FiberId.none)
  const listeners = new Set<() => void>()
  const outputListeners = new Set<() => void>()
  const onChunk = () => {
    for (const listener of outputListeners) listener()
  }
  let ended: WorkerExit | undefined

  const end = (exit: WorkerExit) => {
    if (ended !== undefined) return
    ended = exit
    // A child of its own may have inherited the pipes and hold them open, which would keep this process alive.
    child.stdout?.destroy()
    child.stderr?.destroy()
    Deferred.unsafeDone(exited, Exit.succeed(exit))
    for (const listener of listeners) listener()
  }
  follow(child.stdout, stdout, capture ? undefined : process.stdout, onChunk)
  follow(child.stderr, stderr, capture ? undefined : process.stderr, onChunk)
  child.once("exit", (code, signal) => {
    const exit = signal === null ? { code: code ?? 0 } : { signal }
    const late = setTimeout(end, outputGraceMillis, exit)
    child.once("close", () => {
      clearTimeout(late)
      end(exit)
    })
  })
  const exit = Deferred.await(exited)

  return {
    pid: group.pid,
    ended: () => ended,
    exit,
    onExit: (listener) => {
      if (ended === undefined) listeners.add(listener)
      else listener()
    },
    onOutput: (listener) => {
      outputListeners.add(listener)
      return () => void outputListeners.delete(listener)
    },
    kill: (signal) => void child.kill(signal),
    stop: Effect.uninterruptible(
      Effect.gen(function* () {
        if (ended === undefined) {
          child.kill("SIGTERM")
          const inTime = yield* realTime(Effect.timeoutOption(Effect.interruptible(exit), stopGrace))
          if (Option.isNone(inTime)) group.signal("SIGKILL")
        }
        yield* group.ended
        return yield* exit
      })
    ),
    stdout,
    stderr
  }
}

/** The end of a stream of text. */
class Tail {
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

/** How much of a worker's output an error tells, in bytes. */
export const maxTailBytes = 4096

const maxCapturedBytes = 1024 * 1024

/** How long to wait for output after the process has ended, in milliseconds. */
const outputGraceMillis = 500

const follow = (stream: Readable | null, tail: Tail, sink: NodeJS.WritableStream | undefined, onChunk: () => void) => {
  stream?.on("error", () => {})
  stream?.on("data", (chunk: Buffer) => {
    tail.push(chunk)
    if (sink !== undefined) OwnOutput.write(sink, chunk)
    onChunk()
  })
}
