/** Workers, and whether a process lives. */
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import { Worker } from "effect-ipc/testing"
import { program } from "../../support/program.js"

export type Module =
  | "worker-effect.ts"
  | "worker-promise.ts"
  | "worker-layer.ts"
  | "worker-broken.ts"
  | "worker-unready.mjs"
  | "worker-missing.ts"

export const start = (module: Module, options: Omit<Worker.WorkerOptions, "module"> = {}) =>
  Worker.make({ module: path(module), stdio: "capture", ...options })

/** Of what Node runs as it is. */
export const path = (module: Module): string =>
  module.endsWith(".ts") ? program(`test/support/processes/${module}`) : source(module)

export const source = (module: Module): string =>
  fileURLToPath(new URL(`../../support/processes/${module}`, import.meta.url))

/** A service in a language that knows nothing of this library; it tells its own number and that of a helper. */
export const commandService = fileURLToPath(new URL("../../support/processes/command-service.pl", import.meta.url))

/** Signal 0 asks only whether there is such a process. */
export const lives = (pid: number): Effect.Effect<boolean> =>
  Effect.orElseSucceed(
    Effect.try(() => process.kill(pid, 0)),
    () => false
  )
