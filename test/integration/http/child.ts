/**
 * The programs in test/support/processes, run as children that end with the test's scope.
 */

import { type ChildProcess, spawn } from "node:child_process"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { program } from "../../support/program.js"

export interface Child {
  readonly process: ChildProcess
  readonly port: number
  /** The exit code, or the signal. */
  readonly exit: Effect.Effect<number | string>
  /** What was written to stderr. */
  readonly stderr: () => string
  readonly ask: (question: string) => Effect.Effect<{ readonly connections: number; readonly peak: number }>
  /** Resolves once the child has no TCP connection open. */
  readonly noConnections: Effect.Effect<void>
}

export const start = (name: string, ...args: ReadonlyArray<string>): Effect.Effect<Child, Error, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<Child, Error>((resume) => {
      const child = spawn(process.execPath, [program(`test/support/processes/${name}`), ...args], {
        stdio: ["ignore", "inherit", "pipe", "ipc"]
      })
      let stderr = ""
      child.stderr?.on("data", (chunk: Buffer) => {
        stderr += chunk.toString()
      })
      const exited = new Promise<number | string>((resolve) => {
        child.once("close", (code, signal) => {
          resolve(code ?? signal ?? "")
          resume(Effect.fail(new Error(`${name} ended (${code ?? signal}) before it was ready: ${stderr}`)))
        })
      })
      const ask = (question: string) =>
        Effect.async<{ connections: number; peak: number }>((done) => {
          child.once("message", (message) => done(Effect.succeed(message as { connections: number; peak: number })))
          child.send(question)
        })
      const noConnections: Effect.Effect<void> = Effect.flatMap(ask("connections"), ({ connections }) =>
        connections === 0 ? Effect.void : noConnections
      )
      child.once("message", (message) => {
        const { port } = message as { port: number }
        const exit = Effect.promise(() => exited)
        resume(Effect.succeed({ process: child, port, exit, stderr: () => stderr, ask, noConnections }))
      })
    }),
    (child) =>
      Effect.suspend(() => {
        child.process.kill("SIGKILL")
        return child.exit
      })
  )
