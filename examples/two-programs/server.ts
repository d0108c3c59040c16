import { NodeRuntime } from "@effect/platform-node"
import { Config, Console, Effect, Layer } from "effect"
import { IPCServer } from "effect-ipc"
import { NodeIPCServer } from "effect-ipc/node"
import { Greet } from "./greet.js"

const Greeter = Layer.scopedDiscard(
  Effect.gen(function* () {
    const server = yield* IPCServer
    yield* server.handle(Greet, ({ name }) => Effect.succeed(`Hello, ${name}!`))
    yield* Console.log(`The server listens on ${server.url}`)
  })
)

// Without IPC_PORT the client looks at port 9000.
const Server = NodeIPCServer.layerConfig({ port: Config.withDefault(Config.port("IPC_PORT"), 9000) })

// Runs until Ctrl-C, then closes what the Layers opened.
Greeter.pipe(Layer.provide(Server), Layer.launch, NodeRuntime.runMain)
