/**
 * Node programs as children that end with the scope. They are told what to do, and tell how it went, in lines.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { basename } from "node:path"
import { createInterface } from "node:readline"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

export interface Child {
  readonly pid: number
  /** The rest of the first line, past or to come, that starts with the word. Fails when the child ends without it. */
  readonly line: (word: string) => Effect.Effect<string, Error>
  /** As `line`, of the lines from now on, after telling the child something. */
  readonly ask: (text: string, word: string) => Effect.Effect<string, Error>
  readonly tell: (text: string) => Effect.Effect<void>
  readonly exit: Effect.Effect<{ readonly code: number | null; readonly signal: string | null }>
  readonly stderr: () => string
  readonly stdoutBytes: () => number
}

export interface ChildOptions {
  readonly args?: ReadonlyArray<string>
  readonly nodeArgs?: ReadonlyArray<string>
  /** The limit of file descriptors; by default as high as the system lets us go. */
  readonly openFiles?: number
}

export const spawnNode = (path: string, options: ChildOptions = {}): Effect.Effect<Child, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const node = [process.execPath, ...(options.nodeArgs ?? []), path, ...(options.args ?? [])]
      const limit = options.openFiles ?? "$(ulimit -Hn)"
      return watch(basename(path), spawn("sh", ["-c", `ulimit -n ${limit}; exec "$@"`, "sh", ...node]))
    }),
    (child) =>
      Effect.suspend(() => {
        child.kill()
        return child.exit
      })
  )

const watch = (name: string, child: ChildProcessWithoutNullStreams): Child & { readonly kill: () => void } => {
  const lines: Array<string> = []
  const listeners = new Set<(line: string) => void>()
  let stderr = ""
  let stdoutBytes = 0
  let ended = false
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line)
    for (const listener of listeners) listener(line)
  })
  child.stdout.on("data", (chunk: Buffer) => {
    stdoutBytes += chunk.length
  })
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  child.stdin.on("error", () => {})
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once("close", (code, signal) => {
      ended = true
      resolve({ code, signal })
    })
  })

  const awaitLine = (word: string, from: number) =>
    Effect.async<string, Error>((resume) => {
      const stop = () => {
        listeners.delete(look)
        child.off("close", fail)
      }
      const look = (line: string) => {
        if (line !== word && !line.startsWith(`${word} `)) return
        stop()
        resume(Effect.succeed(line.slice(word.length + 1)))
      }
      const fail = () => {
        stop()
        resume(Effect.fail(new Error(`${name} ended before it said ${word}: ${stderr.slice(-2000)}`)))
      }
      listeners.add(look)
      child.once("close", fail)
      for (const line of lines.slice(from)) look(line)
      if (ended) fail()
      return Effect.sync(stop)
    })

  const tell = (text: string) => Effect.sync(() => void child.stdin.write(`${text}\n`))

  return {
    pid: child.pid ?? -1,
    line: (word) => awaitLine(word, 0),
    ask: (text, word) =>
      Effect.suspend(() => {
        const from = lines.length
        return Effect.zipRight(tell(text), awaitLine(word, from))
      }),
    tell,
    exit: Effect.promise(() => exited),
    stderr: () => stderr,
    stdoutBytes: () => stdoutBytes,
    kill: () => {
      if (!ended) child.kill("SIGKILL")
    }
  }
}
