/** A worker with a program of its own: its handler comes after its connection, once its runner has answered. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import { IPCClient } from "effect-ipc"
import { WorkerClient } from "effect-ipc/testing"
import * as Requests from "../../integration/testing/requests.js"

const main = Effect.gen(function* () {
  const runner = yield* IPCClient
  yield* runner.request(Requests.WhoIsThere)
  yield* runner.handle(Requests.SetLimit, (value) => Effect.succeed(value))
  return yield* Effect.never
})

NodeRuntime.runMain(main.pipe(Effect.scoped, Effect.provide(WorkerClient.layer)))
