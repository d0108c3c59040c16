import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { NodeIPCClient, NodeIPCServer } from "../../layers/index.js"
import { IPCClient } from "../../src/IPCClient.js"
import * as Bare from "../support/Bare.js"
import { live, told } from "../support/live.js"
import { Add, add, Echo, Hang, HangThere, Whoami } from "../support/requests.js"

describe("A client of which all is ws and string concatenation", () => {
  for (const path of ["/__ipc", "/__ggFrameworkConnection"]) {
    describe(`at ${path}`, () => {
      const connected = Effect.gen(function* () {
        const server = yield* NodeIPCServer.make()
        const bare = yield* Bare.connect(`ws://127.0.0.1:${server.port}${path}?runtimeId=bare-1`)
        return { server, bare }
      })

      live("calls", () =>
        Effect.gen(function* () {
          const { bare, server } = yield* connected
          yield* server.handle(Add, add)
          yield* bare.send(`r:1:math/add:${JSON.stringify({ a: 2, b: 3 })}`)
          assert.strictEqual(yield* bare.next, 's:1:math/add:{"success":true,"data":5}')
        })
      )

      live("calls without a payload, and is answered without data", () =>
        Effect.gen(function* () {
          const { bare, server } = yield* connected
          yield* server.handle(Hang, () => Effect.void)
          yield* bare.send("r:7:hang:")
          assert.strictEqual(yield* bare.next, 's:7:hang:{"success":true}')
        })
      )

      live("is called by its runtimeId", () =>
        Effect.gen(function* () {
          const { bare, server } = yield* connected
          const asked = yield* Effect.fork(server.request("bare-1", Echo, "a:b:c"))
          assert.strictEqual(yield* bare.next, 'r:1:echo:"a:b:c"')
          yield* bare.send('s:1:echo:{"success":true,"data":"x:y"}')
          assert.strictEqual(yield* Fiber.join(asked), "x:y")
        })
      )

      live("is told, and tells", () =>
        Effect.gen(function* () {
          const { bare, server } = yield* connected
          const received = yield* Deferred.make<{ readonly a: number; readonly b: number }>()
          yield* server.handle(Add, (payload) => Effect.as(Deferred.succeed(received, payload), 0))
          yield* bare.send('m::math/add:{"a":1,"b":2}')
          assert.deepStrictEqual(yield* Deferred.await(received), { a: 1, b: 2 })
          yield* server.notify("bare-1", Echo, "psst")
          assert.strictEqual(yield* bare.next, 'm::echo:"psst"')
        })
      )

      live("gets errors", () =>
        Effect.gen(function* () {
          const { bare, server } = yield* connected
          yield* server.handle(Hang, () => Effect.die(new Error("no: never")))
          yield* bare.send("r:1:hang:")
          assert.strictEqual(yield* bare.next, 's:1:hang:{"success":false,"error":"no: never"}')
          yield* bare.send("r:2:unknown:{}")
          const [, , , data] = /^(s):(2):(unknown):(.*)$/.exec(yield* bare.next)?.slice(1) ?? []
          assert.deepInclude(JSON.parse(data ?? "null"), { success: false, error: 'no handler for "unknown"' })
        })
      )

      live("gives errors", () =>
        Effect.gen(function* () {
          const { bare, server } = yield* connected
          const asked = yield* Effect.fork(told(server.request("bare-1", Echo, "hi")))
          yield* bare.next
          yield* bare.send('s:1:echo:{"success":false,"error":"I can\'t"}')
          assert.deepStrictEqual(yield* Fiber.join(asked), {
            tag: "RequestFailed",
            message: `Request "echo" failed at bare-1: I can't`
          })
        })
      )

      live("is named, also by a query as people write it", () =>
        Effect.gen(function* () {
          const { bare, server } = yield* connected
          yield* server.handle(Whoami, (_, caller) => Effect.succeed(caller))
          yield* bare.send("r:1:whoami:")
          assert.strictEqual(
            yield* bare.next,
            's:1:whoami:{"success":true,"data":{"clientId":"client-1","runtimeId":"bare-1"}}'
          )
          const odd = yield* Bare.connect(`ws://127.0.0.1:${server.port}${path}?x=1&runtimeId=what?&y=2`)
          yield* odd.send("r:1:whoami:")
          assert.include(yield* odd.next, '"runtimeId":"what?"')
        })
      )

      live("sees nothing but plain frames, one a message: none cancelled, none joined", () =>
        Effect.gen(function* () {
          const { bare, server } = yield* connected
          const hanging = yield* Effect.fork(server.request("bare-1", HangThere))
          assert.strictEqual(yield* bare.next, "r:1:hangThere:")
          yield* Fiber.interrupt(hanging)
          const asked = yield* Effect.fork(
            Effect.all([server.request("bare-1", Echo, "1"), server.request("bare-1", Echo, "2")], {
              concurrency: "unbounded"
            })
          )
          assert.deepStrictEqual([yield* bare.next, yield* bare.next], ['r:2:echo:"1"', 'r:3:echo:"2"'])
          yield* bare.send('s:2:echo:{"success":true,"data":"one"}')
          yield* bare.send('s:3:echo:{"success":true,"data":"two"}')
          assert.deepStrictEqual(yield* Fiber.join(asked), ["one", "two"])
          // What came last proves that nothing came between.
          yield* server.notify("bare-1", Echo, "last")
          assert.strictEqual(yield* bare.next, 'm::echo:"last"')
          assert.strictEqual(bare.received.length, 4)
        })
      )
    })
  }

  live("may connect at any path below that of the original", () =>
    Effect.gen(function* () {
      const server = yield* NodeIPCServer.make()
      const origin = `ws://127.0.0.1:${server.port}`
      yield* Bare.connect(`${origin}/__ggFrameworkConnection/a/b?runtimeId=bare-1`)
      assert.deepStrictEqual(yield* server.clients, [{ clientId: "client-1", runtimeId: "bare-1" }])
      const refused = yield* Effect.flip(Bare.connect(`${origin}/__ggFrameworkConnections`))
      assert.strictEqual(refused.status, 404)
    })
  )

  live("that offers subprotocols of its own gets its first, and plain frames", () =>
    Effect.gen(function* () {
      const server = yield* NodeIPCServer.make()
      const bare = yield* Bare.connect(`ws://127.0.0.1:${server.port}/__ipc?runtimeId=b`, ["mine.1", "mine.2"])
      assert.strictEqual(bare.webSocket.protocol, "mine.1")
      yield* Effect.all([server.notify("b", Echo, "1"), server.notify("b", Echo, "2")], { concurrency: "unbounded" })
      assert.deepStrictEqual([yield* bare.next, yield* bare.next], ['m::echo:"1"', 'm::echo:"2"'])
    })
  )

  live("that agreed to the subprotocol gets what was sent together joined, and can cancel", () =>
    Effect.gen(function* () {
      const server = yield* NodeIPCServer.make()
      const interrupted = yield* Deferred.make<void>()
      yield* server.handle(Hang, () => Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined)))
      const bare = yield* Bare.connect(`ws://127.0.0.1:${server.port}/__ipc?runtimeId=b`, ["effect-ipc.1"])
      yield* Effect.all([server.notify("b", Echo, "1"), server.notify("b", Echo, "2")], { concurrency: "unbounded" })
      assert.strictEqual(yield* bare.next, 'm::echo:"1"\nm::echo:"2"')
      yield* bare.send("r:1:hang:\nc:1::")
      yield* Deferred.await(interrupted)
    })
  )
})

describe("Our client at a server of which all is ws and string concatenation", () => {
  for (const protocols of ["echoFirst", "none"] as const) {
    const what = protocols === "none" ? "that answers no subprotocol" : "that echoes the first subprotocol, as ws does"
    live(`${what}: calls, is called, errs, and sends plain frames alone`, () =>
      Effect.gen(function* () {
        const bare = yield* Bare.serve("/__ggFrameworkConnection", protocols)
        const client = yield* NodeIPCClient.make({
          port: bare.port,
          path: "/__ggFrameworkConnection",
          runtimeId: "worker-1"
        })
        yield* client.handle(Echo, (text) => Effect.succeed(`${text}!`))
        // Told no subprotocol, ws gives up its first connection; the client makes another, without offering any.
        if (protocols === "none") yield* Effect.flatMap(bare.next, ({ peer }) => peer.closed)
        const { peer, target } = yield* bare.next
        assert.strictEqual(target, "/__ggFrameworkConnection?runtimeId=worker-1")

        const hanging = yield* Effect.fork(client.request(Hang))
        assert.strictEqual(yield* peer.next, "r:1:hang:")
        yield* Fiber.interrupt(hanging)
        const asked = yield* Effect.fork(
          Effect.all([client.request(Add, { a: 1, b: 2 }), told(client.request(Add, { a: 3, b: 4 }))], {
            concurrency: "unbounded"
          })
        )
        assert.deepStrictEqual(
          [yield* peer.next, yield* peer.next],
          ['r:2:math/add:{"a":1,"b":2}', 'r:3:math/add:{"a":3,"b":4}']
        )
        yield* peer.send('s:2:math/add:{"success":true,"data":3}')
        yield* peer.send('s:3:math/add:{"success":false,"error":"too hard"}')
        const [sum, failed] = yield* Fiber.join(asked)
        assert.deepStrictEqual([sum, failed.tag], [3, "RequestFailed"])

        yield* peer.send('r:1:echo:"hi"')
        assert.strictEqual(yield* peer.next, 's:1:echo:{"success":true,"data":"hi!"}')
        assert.strictEqual(peer.received.length, 4)
      })
    )
  }

  live("asks in the moment of connection, and is answered by a handler registered once connected", () =>
    Effect.gen(function* () {
      const server = yield* Bare.serve("/__ipc", "echoFirst", "r:1:echo:2")
      const client = yield* NodeIPCClient.make({ port: server.port })
      yield* client.handle(IPCClient.defineRequest<number, number>("echo"), (payload) => Effect.succeed(payload + 1))
      const { peer } = yield* server.next
      assert.strictEqual(yield* peer.next, 's:1:echo:{"success":true,"data":3}')
    })
  )
})
