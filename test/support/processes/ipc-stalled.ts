/**
 * A client whose process gets no processor time at the wrong moments: while it connects, and between its heartbeats.
 * Arguments: the server's port and the heartbeat in milliseconds.
 */
import { setImmediate as nextTurn } from "node:timers/promises"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { NodeIPCClient } from "../../../layers/index.js"
import { Add } from "../requests.js"

const port = Number(process.argv[2])
const heartbeat = Number(process.argv[3])

const stall = (millis: number) => {
  const end = performance.now() + millis
  while (performance.now() < end);
}

const main = Effect.gen(function* () {
  setTimeout(() => stall(800), 0)
  const client = yield* NodeIPCClient.make({ port, heartbeat, connectTimeout: 500, reconnect: false })
  console.log("connected")
  yield* Effect.promise(async () => {
    for (let i = 0; i < 3; i++) {
      stall(1.5 * heartbeat)
      await nextTurn()
    }
  })
  console.log("answer", yield* client.request(Add, { a: 1, b: 2 }))
}).pipe(Effect.scoped, Effect.provide(Logger.remove(Logger.defaultLogger)))

Effect.runPromise(main).then(
  () => process.exit(0),
  (error) => {
    console.log("failed", String(error))
    process.exit(1)
  }
)
