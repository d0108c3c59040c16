import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Schedule } from "effect"
import { IPCClient } from "effect-ipc"
import { NodeIPCClient } from "effect-ipc/node"
import { Greet } from "./greet.js"

const greet = Effect.gen(function* () {
  const client = yield* IPCClient
  yield* Console.log(yield* client.request(Greet, { name: "Ada" }))
}).pipe(Effect.catchAll((error) => Console.log(error.message)))

const EverySecond = Layer.effectDiscard(Effect.repeat(greet, Schedule.spaced("1 second")))

// The server may start later than the client. Once connected, the client reconnects by itself.
const Client = NodeIPCClient.layerConfig().pipe(
  Layer.tapError((error) => Console.log(error.message)),
  Layer.retry(Schedule.spaced("1 second"))
)

EverySecond.pipe(Layer.provide(Client), Layer.launch, NodeRuntime.runMain)
