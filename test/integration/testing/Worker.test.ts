import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { Discovery, IPCServer } from "effect-ipc"
import { GatewayTest, WorkerDied } from "effect-ipc/testing"
import * as Child from "../../support/Child.js"
import { live as liveTest } from "../../support/live.js"
import { live, text } from "./live.js"
import * as Requests from "./requests.js"
import { lives, path, start } from "./support.js"

describe("a worker", () => {
  live("is started, commanded, calls back, and serves what its runner has changed", () =>
    Effect.gen(function* () {
      const server = yield* IPCServer
      const discovery = yield* Discovery
      yield* server.handle(Requests.WhoIsThere, (_, { runtimeId }) => Effect.succeed(`runner of ${runtimeId}`))
      const worker = yield* start("worker-effect.ts", {
        runtimeId: "limits-1",
        args: ["serve"],
        env: { COLOUR: "blue" }
      })
      const ask = Effect.gen(function* () {
        const url = yield* discovery.discover("limits")
        return yield* Effect.promise(() => fetch(`${url}/limits`).then((response) => response.text()))
      })
      const before = yield* ask
      const set = yield* worker.request(Requests.SetLimit, 3)
      assert.deepStrictEqual([before, set, yield* ask], ["limit 1", 3, "limit 3"])
      assert.strictEqual(yield* worker.request(Requests.Greet), "Hello, runner of limits-1!")
      assert.strictEqual(yield* worker.request(Requests.GetEnv, "COLOUR"), "blue")
      assert.deepStrictEqual(
        (yield* discovery.routes).map(({ api, owner }) => [api, owner]),
        [["limits", "limits-1"]]
      )
      // Its handlers stood when it was ready: what is missing stays so, and is told at once.
      assert.strictEqual((yield* Effect.flip(worker.request(Requests.Nobody)))._tag, "NoHandler")
    })
  )

  live("without Effect is started, commanded and calls back", () =>
    Effect.gen(function* () {
      const server = yield* IPCServer
      yield* server.handle(Requests.WhoIsThere, () => Effect.succeed("runner"))
      const worker = yield* start("worker-promise.ts")
      assert.match(worker.runtimeId, /^worker-promise-[0-9a-f]{8}$/)
      yield* worker.request(Requests.SetLimit, 5)
      assert.strictEqual(yield* worker.request(Requests.GetLimit), 5)
      assert.strictEqual(yield* worker.request(Requests.Greet), "Hello, runner!")
    })
  )

  live("with a program of its own is asked, though its handlers come after its connection", () =>
    Effect.gen(function* () {
      const server = yield* IPCServer
      const answered = yield* Deferred.make<string>()
      yield* server.handle(Requests.WhoIsThere, () => Deferred.await(answered))
      const worker = yield* start("worker-layer.ts")
      const asking = yield* Effect.fork(worker.request(Requests.SetLimit, 5))
      // Asked after it, and answered after it: nothing there yet.
      const early = yield* Effect.flip(server.request(worker.runtimeId, Requests.SetLimit, 5))
      assert.strictEqual(early._tag, "NoHandler")
      yield* Deferred.succeed(answered, "runner")
      assert.strictEqual(yield* Fiber.join(asking), 5)
    })
  )

  live("that dies while a request waits fails it with its exit code and the end of its stderr", () =>
    Effect.gen(function* () {
      const worker = yield* start("worker-effect.ts", { runtimeId: "faller" })
      const waiting = yield* Effect.fork(Effect.flip(worker.request(Requests.Hang, undefined, { timeout: "1 minute" })))
      const awaited = yield* Deferred.make<void>()
      const bystander = yield* Effect.fork(Effect.flip(worker.whileAlive(Deferred.await(awaited))))
      const noise = "x".repeat(10_000)
      const fall = worker.request(Requests.Fall, { code: 3, text: `${noise}\nno disk left\nreally\n` })
      const error = yield* Effect.flip(fall)
      assert.instanceOf(error, WorkerDied)
      const { code, message, runtimeId, signal, stderr } = error as WorkerDied
      assert.deepStrictEqual([runtimeId, code, signal], ["faller", 3, undefined])
      assert.isAtMost(stderr.length, 4096 + 1)
      const lines = message.split("\n")
      assert.strictEqual(
        lines[0],
        `Worker "faller" (${path("worker-effect.ts")}) exited with code 3 during request "worker/fall". Fix the error printed on stderr:`
      )
      assert.deepStrictEqual(lines.slice(-2), ["  | no disk left", "  | really"])
      const others = [yield* Fiber.join(waiting), yield* Fiber.join(bystander)]
      assert.deepStrictEqual(
        others.map((other) => (other instanceof WorkerDied ? [other.code, other.when] : other)),
        [
          [3, 'during request "worker/hang"'],
          [3, "while the test waited for what it was to do"]
        ]
      )
      assert.strictEqual((yield* Effect.flip(worker.request(Requests.GetLimit)))._tag, "WorkerDied")
      assert.deepStrictEqual(yield* worker.exit, { code: 3 })
    })
  )

  live("that is killed by a signal says by which; started anew, it answers under the same name", () =>
    Effect.gen(function* () {
      const worker = yield* start("worker-effect.ts", { runtimeId: "phoenix" })
      const first = yield* worker.pid
      yield* worker.request(Requests.SetLimit, 7)
      const waiting = yield* Effect.fork(Effect.flip(worker.request(Requests.Hang)))
      yield* Effect.yieldNow()
      yield* worker.kill("SIGKILL")
      const error = yield* Fiber.join(waiting)
      assert.deepStrictEqual(text(error), [
        `Worker "phoenix" (${path("worker-effect.ts")}) was ended by SIGKILL during request "worker/hang". It was killed by the test, by another process, or by the system for lack of memory.`,
        "It wrote nothing to stderr or stdout."
      ])
      assert.deepStrictEqual(yield* worker.exit, { signal: "SIGKILL" })

      const restarting = yield* Effect.fork(worker.restart)
      yield* Effect.yieldNow()
      // Asked meanwhile: waits for the new one.
      assert.strictEqual(yield* worker.request(Requests.GetLimit), 1)
      yield* Fiber.join(restarting)
      const second = yield* worker.pid
      yield* worker.restart
      assert.strictEqual(yield* worker.request(Requests.GetLimit), 1)
      assert.notStrictEqual(second, first)
      assert.deepStrictEqual([yield* lives(first), yield* lives(second)], [false, false])
    })
  )

  live("whose scope closes is gone, with what it had registered", () =>
    Effect.gen(function* () {
      const discovery = yield* Discovery
      const scope = yield* Scope.make()
      const worker = yield* Scope.extend(start("worker-effect.ts", { args: ["serve"] }), scope)
      const pid = yield* worker.pid
      assert.deepStrictEqual([yield* lives(pid), (yield* discovery.routes).length], [true, 1])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual([yield* lives(pid), (yield* discovery.routes).length], [false, 0])
      const late: ReadonlyArray<Effect.Effect<unknown, Error>> = [worker.request(Requests.GetLimit), worker.restart]
      for (const asked of late) {
        const error = yield* Effect.flip(asked)
        assert.instanceOf(error, WorkerDied)
        assert.include(error.message, "The test ended it: by stop or restart, or because the worker's scope closed.")
      }
    })
  )

  live("writes its coverage when it is stopped, with Effect and without", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-ipc-coverage-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
      )
      const covered = (module: "worker-effect.ts" | "worker-promise.ts") =>
        Effect.gen(function* () {
          const worker = yield* start(module, { env: { NODE_V8_COVERAGE: join(folder, module) } })
          yield* worker.stop
          const [report] = readdirSync(join(folder, module))
          return report !== undefined && readFileSync(join(folder, module, report), "utf8").includes(path(module))
        })
      const all = Effect.all([covered("worker-effect.ts"), covered("worker-promise.ts")], { concurrency: 2 })
      assert.deepStrictEqual(yield* all, [true, true])
    })
  )

  liveTest(
    "ends by itself where its runner's server goes",
    () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const context = yield* Scope.extend(Layer.build(GatewayTest.layer()), scope)
        const worker = yield* Effect.provide(start("worker-effect.ts", { runtimeId: "orphan" }), context)
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(yield* worker.exit, { code: 1 })
        assert.include((yield* worker.output).stderr, 'Worker "orphan" lost the connection to its runner at http://')
      }),
    30_000
  )
})

describe("runners", () => {
  liveTest(
    "one that gets SIGKILL leaves no worker behind",
    () =>
      Effect.gen(function* () {
        const runner = yield* Child.start("worker-runner.ts", {
          args: [path("worker-effect.ts"), path("worker-promise.ts")]
        })
        const pids = (yield* runner.line("workers")).split(" ").map(Number)
        assert.deepStrictEqual(yield* Effect.forEach(pids, lives), [true, true])
        process.kill(runner.pid, "SIGKILL")
        const gone = Effect.forEach(pids, lives).pipe(
          Effect.repeat({ until: (alive) => !alive.includes(true), schedule: Schedule.spaced("20 millis") }),
          Effect.timeoutOption("20 seconds")
        )
        assert.isTrue(Option.isSome(yield* gone))
      }),
    30_000
  )

  liveTest(
    "two side by side have each their own, of the same name",
    () => {
      const runner = (limit: number) =>
        Effect.gen(function* () {
          const worker = yield* start("worker-promise.ts", { runtimeId: "same" })
          yield* worker.request(Requests.SetLimit, limit)
          return yield* worker.request(Requests.GetLimit)
        }).pipe(Effect.scoped, Effect.provide(GatewayTest.layer()))
      return Effect.map(Effect.all([runner(1), runner(2)], { concurrency: 2 }), (limits) =>
        assert.deepStrictEqual(limits, [1, 2])
      )
    },
    30_000
  )
})
