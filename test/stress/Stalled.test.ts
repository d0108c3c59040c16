import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { NodeIPCClient, NodeIPCServer } from "../../layers/index.js"
import * as Child from "../support/Child.js"
import { live, told } from "../support/live.js"
import { Add, add, Hang } from "../support/requests.js"

describe("A process that was stalled", () => {
  live(
    "reads what has arrived before it judges: it connects, and keeps its connection",
    () =>
      Effect.gen(function* () {
        const server = yield* NodeIPCServer.make()
        yield* server.handle(Add, add)
        const child = yield* Child.start("ipc-stalled.ts", { args: [`${server.port}`, "1000"] })
        yield* child.line("connected")
        assert.strictEqual(yield* child.line("answer"), "3")
        assert.deepStrictEqual(yield* child.exit, { code: 0, signal: null })
      }),
    30_000
  )
})

describe("A wall clock that is set back", () => {
  // By the wall clock they would wait for 20 seconds longer, which is more than the test has.
  live("makes no request wait longer", () =>
    Effect.gen(function* () {
      const server = yield* NodeIPCServer.make()
      yield* server.handle(Hang, () => Effect.never)
      const client = yield* NodeIPCClient.make({ port: server.port })
      const now = Date.now
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          Date.now = now
        })
      )
      const waiting = yield* Effect.fork(told(client.request(Hang, undefined, { timeout: 200 })))
      yield* Effect.yieldNow()
      Date.now = () => now() - 20_000
      assert.deepInclude(yield* waiting, { tag: "RequestTimeout" })
      assert.deepInclude(yield* told(client.request(Hang, undefined, { timeout: 200, idempotent: true })), {
        tag: "RequestTimeout"
      })
    })
  )
})
