/** A runner with a worker of each module given, which tells their pids; killed by the test. */
import * as Effect from "effect/Effect"
import { GatewayTest, Worker } from "effect-ipc/testing"

const main = Effect.gen(function* () {
  const workers = yield* Effect.forEach(process.argv.slice(2), (module) => Worker.make({ module }), { concurrency: 2 })
  const pids = yield* Effect.all(workers.map((worker) => worker.pid))
  console.log(`workers ${pids.join(" ")}`)
  return yield* Effect.never
})

Effect.runFork(main.pipe(Effect.scoped, Effect.provide(GatewayTest.layer())))
