/** Workers written in TypeScript, and whether a process lives. */
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import { Worker } from "effect-ipc/testing"

export type Module =
  | "worker-effect.ts"
  | "worker-promise.ts"
  | "worker-layer.ts"
  | "worker-broken.ts"
  | "worker-unready.mjs"
  | "worker-missing.ts"

export const start = (module: Module, options: Omit<Worker.WorkerOptions, "module"> = {}) =>
  Worker.make({
    module: new URL(`../processes/${module}`, import.meta.url),
    execArgv: module.endsWith(".ts") ? ["--import", "tsx"] : [],
    stdio: "capture",
    ...options
  })

export const path = (module: string): string => fileURLToPath(new URL(`../processes/${module}`, import.meta.url))

/** Signal 0 asks only whether there is such a process. */
export const lives = (pid: number): Effect.Effect<boolean> =>
  Effect.orElseSucceed(
    Effect.try(() => process.kill(pid, 0)),
    () => false
  )
