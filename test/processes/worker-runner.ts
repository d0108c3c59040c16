/** A runner with two workers, which tells their pids; killed by the test. */
import * as Effect from "effect/Effect"
import { GatewayTest } from "effect-ipc/testing"
import { start } from "../testing/support.js"

const main = Effect.gen(function* () {
  const workers = yield* Effect.all([start("worker-effect.ts"), start("worker-promise.ts")], { concurrency: 2 })
  const pids = yield* Effect.all(workers.map((worker) => worker.pid))
  console.log(`workers ${pids.join(" ")}`)
  return yield* Effect.never
})

Effect.runFork(main.pipe(Effect.scoped, Effect.provide(GatewayTest.layer())))
