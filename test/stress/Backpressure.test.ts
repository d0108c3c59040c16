import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { NodeIPCClient, NodeIPCServer } from "../../layers/index.js"
import { IPCClient } from "../../src/IPCClient.js"
import { IPCServer } from "../../src/IPCServer.js"
import * as Bare from "../support/Bare.js"
import { live, told } from "../support/live.js"

const AskBack = IPCServer.defineRequest<number, number>("askBack")
const Double = IPCClient.defineRequest<number, number>("double")
const Large = IPCServer.defineRequest<number, string>("large")
const LargeThere = IPCClient.defineRequest<number, string>("largeThere")
const Hang = IPCServer.defineRequest<number, void>("hang")
const Ping = IPCServer.defineRequest<void, string>("ping")

const connected = Effect.gen(function* () {
  const server = yield* NodeIPCServer.make()
  const client = yield* NodeIPCClient.make({ port: server.port, runtimeId: "client" })
  yield* server.awaitClient("client")
  return { server, client }
})

const numbers = (count: number) => Array.from({ length: count }, (_, n) => n)
const atOnce = { concurrency: "unbounded" } as const

describe("More requests at once than handlers may be in flight", () => {
  live("are all answered where each handler asks its caller back", () =>
    Effect.gen(function* () {
      const { client, server } = yield* connected
      yield* server.handle(AskBack, (n) => Effect.orDie(server.request("client", Double, n)))
      yield* client.handle(Double, (n) => Effect.as(Effect.sleep(1), n * 2))
      const answers = yield* Effect.forEach(numbers(1100), (n) => client.request(AskBack, n), atOnce)
      assert.deepStrictEqual(
        answers,
        numbers(1100).map((n) => n * 2)
      )
    })
  )

  live("are interrupted as their callers give up, and the connection goes on", () =>
    Effect.gen(function* () {
      const { client, server } = yield* connected
      let interrupted = 0
      const all = yield* Deferred.make<void>()
      yield* server.handle(Hang, () =>
        Effect.onInterrupt(Effect.never, () =>
          Effect.suspend(() => (++interrupted === 1024 ? Deferred.succeed(all, undefined) : Effect.void))
        )
      )
      yield* server.handle(Ping, () => Effect.succeed("pong"))
      const errors = yield* Effect.forEach(
        numbers(1500),
        (n) => told(client.request(Hang, n, { timeout: "1 second" })),
        atOnce
      )
      assert.strictEqual(errors.filter(({ tag }) => tag === "RequestTimeout").length, 1500)
      yield* Deferred.await(all)
      assert.strictEqual(yield* client.request(Ping, undefined), "pong")
    })
  )

  live(
    "are all answered with much more than a connection holds, both ways at once",
    () =>
      Effect.gen(function* () {
        const { client, server } = yield* connected
        const answer = (n: number) => String(n).padEnd(40_000, "x")
        // At once, and after a while.
        yield* server.handle(Large, (n) =>
          n % 2 === 0
            ? Effect.succeed(answer(n))
            : Effect.delay(
                Effect.sync(() => answer(n)),
                5
              )
        )
        yield* client.handle(LargeThere, (n) =>
          Effect.delay(
            Effect.sync(() => answer(n)),
            5
          )
        )
        const lengths = yield* Effect.all(
          [
            Effect.forEach(
              numbers(1100),
              (n) => Effect.map(client.request(Large, n, { timeout: "1 minute" }), (text) => text.length),
              atOnce
            ),
            Effect.forEach(
              numbers(1100),
              (n) =>
                Effect.map(server.request("client", LargeThere, n, { timeout: "1 minute" }), (text) => text.length),
              atOnce
            )
          ],
          atOnce
        )
        assert.deepStrictEqual(new Set(lengths.flat()), new Set([40_000]))
      }),
    90_000
  )

  live("wait, with a plain peer too, whose responses are read meanwhile", () =>
    Effect.gen(function* () {
      const server = yield* NodeIPCServer.make()
      yield* server.handle(AskBack, (n) => Effect.orDie(server.request("bare", Double, n)))
      const bare = yield* Bare.connect(`ws://127.0.0.1:${server.port}/__ipc?runtimeId=bare`)
      const done = yield* Deferred.make<void>()
      let answered = 0
      bare.webSocket.on("message", (data) => {
        const [type, id, , ...rest] = String(data).split(":")
        if (type === "r") bare.webSocket.send(`s:${id}:double:{"success":true,"data":${rest.join(":")}}`)
        if (type === "s" && ++answered === 1500) Effect.runSync(Deferred.succeed(done, undefined))
      })
      for (const n of numbers(1500)) yield* bare.send(`r:${n}:askBack:${n}`)
      yield* Deferred.await(done)
      assert.deepStrictEqual(
        bare.received.filter((text) => text.startsWith("s:") && !text.includes('"success":true')),
        []
      )
    })
  )
})

describe("A client that asks for much and reads nothing", () => {
  live(
    "has what is beyond the bound refused, and every other client is served",
    () =>
      Effect.gen(function* () {
        const server = yield* NodeIPCServer.make()
        const Echo = IPCServer.defineRequest<string, string>("echo")
        yield* server.handle(Echo, Effect.succeed)
        const bare = yield* Bare.connect(`ws://127.0.0.1:${server.port}/__ipc`)
        bare.webSocket.pause()
        const text = "x".repeat(8_000_000)
        const sending = yield* Effect.fork(
          Effect.forEach(numbers(20), (n) =>
            Effect.async<void>((resume) => {
              bare.webSocket.send(`r:${n}:echo:"${text}"`, () => resume(Effect.void))
            })
          )
        )
        const client = yield* NodeIPCClient.make({ port: server.port })
        yield* Fiber.join(sending)
        assert.strictEqual(yield* client.request(Echo, "served"), "served")
        bare.webSocket.resume()
        const answers = yield* Effect.forEach(numbers(20), () => bare.next)
        const refused = answers.filter((answer) => answer.includes('"tag":"Overloaded"'))
        assert.isAbove(refused.length, 10)
        assert.isAbove(20 - refused.length, 2)
      }),
    30_000
  )
})
