import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { ServiceServer } from "effect-ipc"
import { GatewayTest, Worker } from "effect-ipc/testing"
import { GetUser, Greet } from "./requests.js"

/** Answers in place of the real service, which isn't started. */
const Users = ServiceServer.layer("users", (server) => server.handle(GetUser, ({ id }) => Effect.succeed(`user ${id}`)))

layer(Users.pipe(Layer.provideMerge(GatewayTest.layer())), { timeout: 60_000 })("greetings", (it) => {
  it.scoped("have the name that users knows", () =>
    Effect.gen(function* () {
      const greetings = yield* Worker.make({
        module: new URL("./greetings.ts", import.meta.url),
        execArgv: ["--import", "tsx"]
      })
      assert.strictEqual(yield* greetings.request(Greet, { id: 7 }), "Hello, user 7!")
    })
  )
})
