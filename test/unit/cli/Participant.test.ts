import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/TestClock"
import * as Participant from "../../../layers/cli/Participant.js"
import type { Discovery } from "../../../src/Discovery.js"
import { RequestTimeout } from "../../../src/IPCError.js"

describe("an entry of the command", () => {
  it.scoped("is registered however long there is no leader, and that is told once", () =>
    Effect.gen(function* () {
      const lines: Array<unknown> = []
      let attempts = 0
      const timeout = new RequestTimeout({ request: "discovery/register", target: "the leader", millis: 10_000 })
      const register: Discovery.Service["register"] = () =>
        Effect.suspend(() => (++attempts < 4 ? Effect.fail(timeout) : Effect.void))
      const entry = { api: "users", baseUrl: "http://127.0.0.1:1", pathPrefix: "/users" }
      const registering = yield* Participant.register({ register }, entry).pipe(
        Effect.provide(
          Logger.replace(
            Logger.defaultLogger,
            Logger.make(({ message }) => lines.push(message))
          )
        ),
        Effect.fork
      )
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(registering)
      assert.deepStrictEqual([attempts, lines.flat()], [4, [`users isn't registered yet: ${timeout.message}`]])
    })
  )
})
