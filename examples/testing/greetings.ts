/** A worker made of Layers: it greets users, whose names it asks of the service `users`. */
import { Effect, Layer } from "effect"
import { IPCClient, ServiceClient } from "effect-ipc"
import { WorkerClient } from "effect-ipc/testing"
import { GetUser, Greet } from "./requests.js"

class Users extends ServiceClient.Tag("users") {}

const Greetings = Layer.scopedDiscard(
  Effect.gen(function* () {
    const runner = yield* IPCClient
    const users = yield* Users
    yield* runner.handle(Greet, ({ id }) =>
      users.request(GetUser, { id }).pipe(
        Effect.map((name) => `Hello, ${name}!`),
        Effect.orDie
      )
    )
  })
)

// Ready once the Layers are built; their scope lasts as long as the process.
WorkerClient.run(Layer.build(Greetings.pipe(Layer.provide(Users.layer))))
