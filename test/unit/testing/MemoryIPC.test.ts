import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { IPCClient, IPCPeer, IPCServer } from "effect-ipc"
import { NodeIPCClient, NodeIPCServer } from "effect-ipc/node"
import { MemoryIPC } from "effect-ipc/testing"

const Greet = IPCServer.defineRequest<string, string>("greet")
const Reload = IPCClient.defineRequest<number, number>("reload")
const Note = IPCClient.defineRequest<string, void>("note")

const memory = (options: MemoryIPC.MemoryIPCOptions = {}) =>
  Effect.provide([MemoryIPC.layer({ heartbeat: "1 hour", ...options }), Logger.remove(Logger.defaultLogger)])

const network = MemoryIPC.MemoryIPC

describe("a server and a client in memory", () => {
  it.scoped("ask and tell each other, and clients have names", () =>
    Effect.gen(function* () {
      const server = yield* IPCPeer
      const client = yield* IPCClient
      const second = yield* (yield* network).connect({ runtimeId: "second" })
      const noted = yield* Deferred.make<string>()
      yield* server.handle(Greet, (name, { runtimeId }) => Effect.succeed(`Hello, ${name} of ${runtimeId}`))
      yield* client.handle(Reload, (n) => Effect.succeed(n + 1))
      yield* second.handle(Reload, (n) => Effect.succeed(n * 2))
      yield* client.handle(Note, (text) => Deferred.succeed(noted, text).pipe(Effect.asVoid))
      yield* server.notify("client", Note, "heard")
      assert.deepStrictEqual(
        [
          yield* client.request(Greet, "Ada"),
          yield* second.request(Greet, "Bob"),
          yield* server.request("client", Reload, 7),
          yield* server.request("second", Reload, 7),
          yield* Deferred.await(noted)
        ],
        ["Hello, Ada of client", "Hello, Bob of second", 8, 14, "heard"]
      )
    }).pipe(memory())
  )

  it.scoped("time out by the test clock alone", () =>
    Effect.gen(function* () {
      const server = yield* IPCPeer
      const client = yield* IPCClient
      const asked = yield* Deferred.make<void>()
      yield* server.handle(Greet, () => Effect.zipRight(Deferred.succeed(asked, undefined), Effect.never))
      const waiting = yield* Effect.fork(Effect.flip(client.request(Greet, "Ada", { timeout: "1 hour" })))
      yield* Deferred.await(asked)
      yield* TestClock.adjust("59 minutes")
      assert.isTrue((yield* Fiber.poll(waiting))._tag === "None")
      yield* TestClock.adjust("1 minute")
      assert.deepInclude(yield* Fiber.join(waiting), { _tag: "RequestTimeout", millis: 3_600_000 })
    }).pipe(memory({ heartbeat: "1 day" }))
  )

  it.scoped("are parted and brought together again: what waited fails, what comes meanwhile waits", () =>
    Effect.gen(function* () {
      const server = yield* IPCPeer
      const client = yield* IPCClient
      const net = yield* network
      const asked = yield* Deferred.make<void>()
      yield* server.handle(Greet, (name) =>
        name === "Ada" ? Effect.zipRight(Deferred.succeed(asked, undefined), Effect.never) : Effect.succeed(name)
      )
      const statuses = yield* Effect.fork(Stream.runCollect(Stream.take(client.status, 3)))
      const lost = yield* Effect.fork(Effect.flip(client.request(Greet, "Ada")))
      yield* Deferred.await(asked)
      yield* net.goOffline
      assert.strictEqual((yield* Fiber.join(lost))._tag, "ConnectionClosed")
      assert.deepStrictEqual(yield* server.clients, [])
      const patient = yield* Effect.fork(client.request(Greet, "Bob"))
      yield* net.goOnline
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(patient), "Bob")
      assert.deepStrictEqual([...(yield* Fiber.join(statuses))], ["connected", "reconnecting", "connected"])
    }).pipe(memory())
  )

  it.scoped("stand still while frozen, and are dropped for their silence", () =>
    Effect.gen(function* () {
      const server = yield* IPCPeer
      const client = yield* IPCClient
      const net = yield* network
      yield* server.handle(Greet, (name) => Effect.succeed(name))
      yield* net.freeze
      const waiting = yield* Effect.fork(client.request(Greet, "Ada"))
      yield* TestClock.adjust("9 seconds")
      assert.isTrue((yield* Fiber.poll(waiting))._tag === "None")
      yield* net.thaw
      assert.strictEqual(yield* Fiber.join(waiting), "Ada")

      yield* net.freeze
      const dropped = yield* Effect.fork(Effect.flip(client.request(Greet, "Bob", { timeout: "1 day" })))
      yield* TestClock.adjust("3 hours")
      assert.deepInclude(yield* Fiber.join(dropped), { _tag: "ConnectionClosed", code: 4002 })
    }).pipe(memory())
  )

  const greeter = Layer.scopedDiscard(
    Effect.gen(function* () {
      const peer = yield* IPCPeer
      yield* peer.handle(Greet, (name) => Effect.succeed(`Hello, ${name}`))
    })
  )
  const greet = Effect.flatMap(IPCClient, (client) => client.request(Greet, "Ada"))

  it.scopedLive("run a program that also runs over sockets", () =>
    Effect.gen(function* () {
      const inMemory = yield* greet.pipe(Effect.provide(Layer.provideMerge(greeter, MemoryIPC.layer())))
      const { port } = yield* IPCServer
      const overSockets = yield* Effect.provide(greet, NodeIPCClient.layer({ port }))
      assert.deepStrictEqual([inMemory, overSockets], ["Hello, Ada", "Hello, Ada"])
    }).pipe(Effect.provide(Layer.provideMerge(greeter, NodeIPCServer.layer())))
  )
})
