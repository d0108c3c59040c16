/**
 * Ends a test runner's process once the runner was killed. Otherwise open gateways would keep it, and their workers, alive.
 *
 * @internal
 */
import { clearInterval, setInterval } from "node:timers"
import { isMainThread } from "node:worker_threads"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/**
 * While the scope is open, ends this process once its parent has ended, where that is a test runner: one that forked it
 * with an IPC channel, as Vitest and Jest do, or Node's own. With any other parent, such as a shell, the process goes on.
 */
export const endWithRunner: Effect.Effect<void, never, Scope.Scope> = Effect.suspend(() => {
  const isRunners = process.connected || process.env.NODE_TEST_CONTEXT !== undefined
  if (!isRunners || !isMainThread) return Effect.void
  return Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => {
        if (users++ === 0) timer = setInterval(endIfOrphan, POLL_MILLIS, process.ppid).unref()
      }),
      () =>
        Effect.sync(() => {
          if (--users === 0) clearInterval(timer)
        })
    )
  )
})

let users = 0
let timer: NodeJS.Timeout | undefined

const endIfOrphan = (parent: number): void => {
  if (process.ppid === parent && isAlive(parent)) return
  process.kill(process.pid, "SIGTERM")
  // A listener for SIGTERM may leave the process running.
  setInterval(() => process.kill(process.pid, "SIGKILL"), KILL_MILLIS).unref()
}

/** On Windows `process.ppid` stays the same after the parent has ended. */
const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}

const POLL_MILLIS = 500

const KILL_MILLIS = 2_000
