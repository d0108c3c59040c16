import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { NodeIPCClient, NodeIPCServer } from "../../layers/index.js"
import * as Bare from "../support/Bare.js"
import { live } from "../support/live.js"
import { Add, add } from "../support/requests.js"

const hello = 'v::hello:{"maxFrameBytes":16777216,"credit":{"requests":1024,"bytes":16777216}}'

describe("A server takes of what a client offers", () => {
  const offers: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
    [[], ""],
    [["effect-ipc.plain"], "effect-ipc.plain"],
    [["effect-ipc.plain", "effect-ipc.1"], "effect-ipc.1"],
    [["effect-ipc.plain", "effect-ipc.1", "effect-ipc.2"], "effect-ipc.2"],
    [["effect-ipc.2", "effect-ipc.1"], "effect-ipc.2"],
    [["effect-ipc.plain", "effect-ipc.3"], "effect-ipc.plain"],
    [["someone.else", "effect-ipc.1"], "effect-ipc.1"],
    [["someone.else"], "someone.else"]
  ]
  // A client that requires what this server doesn't know would take an echo for its agreement.
  for (const offered of ["effect-ipc.2.msgpack", "effect-ipc.3"]) {
    live(`${offered} alone: nothing`, () =>
      Effect.gen(function* () {
        const server = yield* NodeIPCServer.make()
        const error = yield* Effect.flip(Bare.connect(`ws://127.0.0.1:${server.port}/__ipc`, [offered]))
        assert.deepStrictEqual(error, { status: 0, body: "Server sent no subprotocol" })
      })
    )
  }

  for (const [offered, taken] of offers) {
    live(`${offered.join(", ") || "nothing"}: ${taken || "nothing"}`, () =>
      Effect.gen(function* () {
        const server = yield* NodeIPCServer.make()
        yield* server.handle(Add, add)
        const bare = yield* Bare.connect(`ws://127.0.0.1:${server.port}/__ipc`, offered)
        assert.strictEqual(bare.webSocket.protocol, taken)
        if (taken === "effect-ipc.2") assert.strictEqual(yield* bare.next, hello)
        yield* bare.send('r:1:math/add:{"a":1,"b":2}')
        assert.strictEqual(yield* bare.next, 's:1:math/add:{"success":true,"data":3}')
      })
    )
  }
})

describe("A client talks to a server that takes of its offers", () => {
  for (const taken of ["effect-ipc.plain", "effect-ipc.1", "effect-ipc.2"]) {
    live(taken, () =>
      Effect.gen(function* () {
        const bare = yield* Bare.serve("/__ipc", (offered) => {
          assert.deepStrictEqual([...offered], ["effect-ipc.plain", "effect-ipc.1", "effect-ipc.2"])
          return taken
        })
        const client = yield* NodeIPCClient.make({ port: bare.port })
        const { peer } = yield* bare.next
        const asked = yield* Effect.fork(client.request(Add, { a: 1, b: 2 }))
        if (taken === "effect-ipc.2") {
          assert.strictEqual(yield* peer.next, hello)
          yield* peer.send(hello)
        }
        assert.strictEqual(yield* peer.next, 'r:1:math/add:{"a":1,"b":2}')
        yield* peer.send('s:1:math/add:{"success":true,"data":3}')
        assert.strictEqual(yield* asked, 3)
      })
    )
  }
})
