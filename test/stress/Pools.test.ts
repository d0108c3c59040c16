/** Suites in the pools of Vitest, and what is left of them when the runner is killed. */
import { spawn } from "node:child_process"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { fileURLToPath } from "node:url"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { commandService, lives, path } from "../integration/testing/support.js"
import { live } from "../support/live.js"
import { program } from "../support/program.js"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** Starts a runner; succeeds with the processes that its suite reports. */
const run = (pool: string) =>
  Effect.gen(function* () {
    const report = yield* Effect.acquireRelease(
      Effect.async<http.Server>((resume) => {
        const server = http.createServer()
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.sync(() => {
          server.closeAllConnections()
          server.close()
        })
    )
    const { port } = report.address() as AddressInfo
    const config = "test/support/pools/vitest.config.ts"
    const runner = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, ["node_modules/vitest/vitest.mjs", "run", "--config", config, "--pool", pool], {
          cwd: root,
          env: {
            ...process.env,
            VITEST: undefined,
            TESTING_ENTRY: program("test/support/processes/testing-entry.ts"),
            WORKER: path("worker-promise.ts"),
            SERVICE: commandService,
            REPORT: `http://127.0.0.1:${port}/`
          },
          stdio: ["ignore", "pipe", "pipe"]
        })
      ),
      (runner) => Effect.sync(() => runner.kill("SIGKILL"))
    )
    let output = ""
    for (const stream of [runner.stdout, runner.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        output += chunk
      })
    }
    const pids = yield* Effect.async<ReadonlyArray<number>, Error>((resume) => {
      runner.once("exit", () => resume(Effect.fail(new Error(`The runner ended:\n${output}`))))
      report.on("request", (request, response) => {
        response.end()
        const reported = new URL(request.url ?? "", "http://localhost").searchParams.get("pids")
        resume(Effect.succeed((reported ?? "").split(",").map(Number)))
      })
    })
    return { runner, pids, output: () => output }
  })

describe.concurrent("a suite in Vitest's pool", () => {
  for (const pool of ["forks", "threads", "vmForks", "vmThreads"]) {
    live(
      `${pool} works, with fake timers too, and leaves no process behind when its runner gets SIGKILL`,
      () =>
        Effect.gen(function* () {
          const { output, pids, runner } = yield* run(pool)
          assert.notInclude(output(), "FAIL")
          assert.deepStrictEqual(yield* Effect.forEach(pids, lives), [true, true, true, true])
          runner.kill("SIGKILL")
          const gone = Effect.forEach(pids, lives).pipe(
            Effect.repeat({ until: (alive) => !alive.includes(true), schedule: Schedule.spaced("20 millis") }),
            Effect.timeoutOption("60 seconds")
          )
          assert.isTrue(Option.isSome(yield* gone))
        }),
      180_000
    )
  }
})
