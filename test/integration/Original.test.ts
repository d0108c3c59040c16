import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { NodeIPCClient, NodeIPCServer } from "../../layers/index.js"
import { IPCServer } from "../../src/IPCServer.js"
import * as Child from "../support/Child.js"
import * as Live from "../support/discovery.js"
import { live, told } from "../support/live.js"
import { Add, add, Echo } from "../support/requests.js"

/** A process that speaks the original's side of the protocol, and nothing of ours. */
const original = Effect.tap(Child.start("original.ts"), (child) => child.line("ready"))

const originalParticipant = (port: number, runtimeId: string, role: string, verb = "join") =>
  Effect.gen(function* () {
    const child = yield* original
    const options = JSON.stringify({ runtimeId, apis: [runtimeId] })
    yield* child.ask(`${verb} ${port} ${options}`, verb === "join" ? `role ${role}` : "started true")
    return child
  })

const entriesOf = (api: string, baseUrl: string) => [{ api, baseUrl, pathPrefix: `/${api}` }]

/** Asks the gateway until the answer is so. */
const answers = (port: number, path: string, answer: string) =>
  Live.until(Live.get(port, path), (said) => said === answer)

const Plus = IPCServer.defineRequest<{ readonly a: number; readonly b: number }, number>("add")

describe("An original client", () => {
  live("calls our server and is called by it", () =>
    Effect.gen(function* () {
      const server = yield* NodeIPCServer.make()
      yield* server.handle(Add, add)
      const client = yield* original
      yield* client.ask(`connect ${server.port} worker-1`, "open")
      assert.strictEqual(yield* client.ask('request math/add {"a":1,"b":2}', "answer"), "3")
      assert.strictEqual(yield* server.request("worker-1", Echo, "a:b"), "original a:b")
      assert.strictEqual(yield* client.ask("request unknown {}", "answer"), 'error no handler for "unknown"')
    })
  )
})

describe("An original server takes our client with no option set", () => {
  for (const refusal of ["hangUp", "status"]) {
    for (const subprotocol of ["echo", "none"]) {
      live(`where it refuses our path by ${refusal}, and of subprotocols answers ${subprotocol}`, () =>
        Effect.gen(function* () {
          const port = yield* Live.freePort
          const server = yield* original
          yield* server.ask(`serve ${port} ${JSON.stringify({ refusal, subprotocol })}`, "serving")
          const client = yield* NodeIPCClient.make({ port, runtimeId: "worker-1" })
          yield* client.handle(Echo, (text) => Effect.succeed(`ours ${text}`))
          assert.strictEqual(yield* client.request(Plus, { a: 1, b: 2 }), 3)
          assert.strictEqual(yield* server.ask("ask worker-1 a:b", "answer"), "ours a:b")
          assert.deepStrictEqual(yield* told(client.request(Add, { a: 1, b: 2 })), {
            tag: "NoHandler",
            message: `http://127.0.0.1:${port} has no handler for request "math/add". Register one there before the request is made.`
          })
        })
      )
    }
  }

  live("unless a token is to be proved, or another path was asked for", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      const server = yield* original
      yield* server.ask(`serve ${port}`, "serving")
      const refusals = [
        yield* told(NodeIPCClient.make({ port, path: "/__ipc" })),
        yield* told(NodeIPCClient.make({ port, token: "a secret of the tests" }))
      ]
      for (const { message, tag } of refusals) {
        assert.strictEqual(tag, "ConnectFailed")
        assert.include(message, "socket hang up")
      }
      yield* NodeIPCClient.make({ port, token: "a secret of the tests", tokenScheme: "bearer" })
    })
  )
})

describe("An original participant", () => {
  live("follows our leader, and leads when that goes", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      const ours = yield* Live.participant({ port })
      const theirs = yield* originalParticipant(port, "theirs", "follower")
      assert.strictEqual(yield* Live.get(port, "/theirs/7"), "200 theirs")
      assert.strictEqual(
        yield* theirs.ask('request discovery/discoverApi "theirs"', "answer"),
        JSON.stringify({ success: true, url: `http://127.0.0.1:${port}` })
      )
      yield* Effect.zip(ours.leave, theirs.line("role leader"), { concurrent: true })
      yield* answers(port, "/theirs/7", "200 theirs")
    })
  )

  live("is followed by ours, which takes its place when it dies", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      const theirs = yield* originalParticipant(port, "theirs", "leader")
      const ours = yield* Live.participant({ port })
      assert.strictEqual(yield* ours.election.role, "follower")
      yield* ours.discovery.register(entriesOf("ours", yield* Live.service("ours")))
      assert.strictEqual(yield* ours.discovery.discover("theirs"), `http://127.0.0.1:${port}`)
      assert.strictEqual((yield* told(ours.discovery.discover("nobody"))).tag, "ServiceNotRegistered")
      assert.strictEqual(yield* Live.get(port, "/ours/7"), "200 ours /ours/7")
      const leads = yield* Effect.fork(Live.becomes(ours.election, "leader"))
      yield* Live.signal(theirs, "SIGKILL")
      yield* Fiber.join(leads)
      assert.strictEqual(yield* Live.get(port, "/ours/7"), "200 ours /ours/7")
      assert.deepStrictEqual(
        (yield* ours.discovery.routes).map(({ api }) => api),
        ["ours"]
      )
    })
  )

  live("steps down for our standalone gateway, and follows it with ours", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      yield* originalParticipant(port, "theirs", "leader")
      const ours = yield* Live.participant({ port })
      yield* ours.discovery.register(entriesOf("ours", yield* Live.service("ours")))
      const gateway = yield* Live.standalone({ port })
      yield* Live.until(Effect.orDie(gateway.discovery.routes), (routes) => routes.length === 2)
      assert.strictEqual(yield* Live.get(port, "/ours/7"), "200 ours /ours/7")
      assert.strictEqual(yield* Live.get(port, "/theirs/7"), "200 theirs")
    })
  )
})

describe("A standalone gateway", () => {
  live("takes over from our leader, though an original follower bids for the port as well", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      const ours = yield* Live.participant({ port, warmUp: false })
      yield* ours.discovery.register(entriesOf("ours", yield* Live.service("ours")))
      yield* originalParticipant(port, "theirs", "follower")
      const gateway = yield* Live.standalone({ port, warmUp: false })
      yield* Live.until(Effect.orDie(gateway.discovery.routes), (routes) => routes.length === 2)
      assert.strictEqual(yield* Live.get(port, "/ours/7"), "200 ours /ours/7")
      assert.strictEqual(yield* Live.get(port, "/theirs/7"), "200 theirs")
      yield* Live.becomes(ours.election, "follower")
    })
  )
})

describe("An original standalone gateway", () => {
  live("takes over from our leader, which follows it and never bids while it is gone", () =>
    Effect.gen(function* () {
      const port = yield* Live.freePort
      const ours = yield* Live.participant({ port })
      yield* ours.discovery.register(entriesOf("ours", yield* Live.service("ours")))
      const theirs = yield* originalParticipant(port, "theirs", "", "standalone")
      yield* answers(port, "/ours/7", "200 ours /ours/7")
      yield* Live.becomes(ours.election, "follower")
      yield* Live.signal(theirs, "SIGKILL")
      yield* Live.becomes(ours.election, "electing")
      const again = yield* originalParticipant(port, "again", "", "standalone")
      yield* again.line("registered ours")
      yield* answers(port, "/ours/7", "200 ours /ours/7")
    })
  )
})
