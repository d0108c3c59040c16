import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Worker, WorkerStartFailed } from "effect-ipc/testing"
import { live, text } from "./live.js"
import { type Module, path, source, start } from "./support.js"

describe("a worker that is never ready", () => {
  const failed = (module: Module, mode: string, options: Parameters<typeof start>[1] = {}) =>
    Effect.flip(start(module, { runtimeId: mode, args: [mode], ...options }))
  const dies = (module: Module, mode: string, hint: string, end: string) =>
    live(`since it ${mode}`, () =>
      Effect.gen(function* () {
        const lines = text(yield* failed(module, mode))
        assert.strictEqual(lines[0], `Worker "${mode}" (${path(module)}) exited with code ${hint}`)
        assert.include(lines.slice(1).join("\n"), end)
      })
    )
  const fix = "1 before it was ready. Fix the error printed on stderr:"
  dies("worker-unready.mjs", "throws", fix, "Error: the database is missing")
  dies("worker-broken.ts", "fails", fix, "Error: the setup went wrong")
  dies("worker-broken.ts", "rejects", fix, "Error: the promise went wrong")
  dies(
    "worker-unready.mjs",
    "returns",
    "0 before it was ready. It ended because it had nothing left to do: does its module call WorkerClient.run, or await WorkerClient.connect?",
    "It wrote nothing to stderr or stdout."
  )

  live("since Node can't load it, or can't find it", () =>
    Effect.gen(function* () {
      const [unknown, missing] = yield* Effect.all(
        [Effect.flip(Worker.make({ module: source("worker-effect.ts") })), Effect.flip(start("worker-missing.ts"))],
        { concurrency: 2 }
      )
      assert.include(text(unknown)[0], '{ execArgv: ["--import", "tsx"] }')
      assert.include(text(missing)[0], "Is the module's path right?")
    })
  )

  live("is ended when the limit has passed, and says whether it had connected", () =>
    Effect.gen(function* () {
      const limit = { execArgv: [], startTimeout: "6 seconds", stopGrace: "100 millis" } as const
      const [silent, slow, stubborn] = yield* Effect.all(
        ["is silent", "is slow", "is stubborn"].map((mode) => failed("worker-unready.mjs", mode, limit)),
        { concurrency: 3 }
      )
      const reasons = [silent, slow, stubborn].map((error) =>
        error instanceof WorkerStartFailed ? [error.reason, error.detail] : error
      )
      assert.deepStrictEqual(reasons, [
        ["NotConnected", "after 6s"],
        ["NotReady", "after 6s"],
        ["NotReady", "after 6s"]
      ])
      assert.include(slow?.message, "What it does before it is ready")
    })
  )

  live("since the system starts none", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(start("worker-effect.ts", { cwd: "/no/such/folder" }))
      assert.include(text(error)[0], "could not be started")
    })
  )
})
