import { subscribe, unsubscribe } from "node:diagnostics_channel"
import type { IncomingMessage } from "node:http"
import { connect, Server } from "node:net"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Queue from "effect/Queue"
import { vi } from "vitest"
import { warmUp } from "../../layers/FailoverWarmUp.js"
import * as LocalDiscovery from "../../layers/LocalDiscovery.js"
import * as Live from "../support/discovery.js"
import * as HeldClock from "../support/heldClock.js"
import { live } from "../support/live.js"
import { settled } from "../support/pair.js"

/** The requests that this process's HTTP servers get from now on: their paths and the ports. */
const requests = Effect.gen(function* () {
  const queue = yield* Queue.unbounded<{ readonly path: string; readonly port: number }>()
  const channel = "http.server.request.start"
  const listener = (message: unknown) => {
    const { socket, url = "" } = (message as { readonly request: IncomingMessage }).request
    queue.unsafeOffer({ path: url, port: socket.localPort ?? 0 })
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => subscribe(channel, listener)),
    () => Effect.sync(() => unsubscribe(channel, listener))
  )
  return queue
})

type Requests = Effect.Effect.Success<typeof requests>

const isRefused = (port: number) =>
  Effect.async<boolean>((resume) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("connect", () => resume(Effect.succeed(false)))
    socket.once("error", () => resume(Effect.succeed(true)))
    return Effect.sync(() => socket.destroy())
  })

/** The requests to the gateway and to its service that a warm-up makes. Those of other participants don't count. */
const proxied = (seen: Requests) => Queue.take(seen).pipe(Effect.repeat({ until: ({ path }) => path === "/service" }))

describe("A warm-up", () => {
  live("has a follower take the leader's place and proxy requests to its service, and leaves no port behind", () =>
    Effect.gen(function* () {
      const seen = yield* requests
      yield* warmUp(LocalDiscovery.make)
      const [gateway, service] = [yield* proxied(seen), yield* proxied(seen)]
      assert.notStrictEqual(gateway.port, service.port)
      const others = Array.from(yield* Queue.takeAll(seen)).filter(({ path }) => path === "/service")
      assert.deepStrictEqual(others, Array.from({ length: 15 }, () => [gateway, service]).flat())
      assert.deepStrictEqual([yield* isRefused(gateway.port), yield* isRefused(service.port)], [true, true])
    })
  )

  live("that is interrupted in the middle leaves none either", () =>
    Effect.gen(function* () {
      const seen = yield* requests
      const warmingUp = yield* Effect.fork(warmUp(LocalDiscovery.make))
      const { port } = yield* proxied(seen)
      yield* Fiber.interrupt(warmingUp)
      assert.isTrue(yield* isRefused(port))
    })
  )

  live("where nothing can listen ends at once, and the process goes on", () =>
    Effect.gen(function* () {
      const refusing = Effect.sync(() =>
        vi.spyOn(Server.prototype, "listen").mockImplementation(function (this: Server) {
          queueMicrotask(() => this.emit("error", Object.assign(new Error("too many open files"), { code: "EMFILE" })))
          return this
        })
      )
      const spy = yield* Effect.acquireRelease(refusing, (spied) => Effect.sync(() => spied.mockRestore()))
      yield* warmUp(LocalDiscovery.make)
      assert.isAbove(spy.mock.calls.length, 0)
    })
  )

  live("that fails says nothing", () =>
    Effect.gen(function* () {
      const logged: Array<unknown> = []
      yield* warmUp(() => Effect.zipRight(Effect.logError("no"), Effect.fail("no"))).pipe(
        Effect.provide(Logger.add(Logger.make(({ message }) => logged.push(message)))),
        Logger.withMinimumLogLevel(LogLevel.All)
      )
      assert.deepStrictEqual(logged, [])
    })
  )

  live("is made three seconds after a participant has joined, and not at all where it isn't wanted", () =>
    Effect.gen(function* () {
      const seen = yield* requests
      const { clock, elapse, waiting } = yield* HeldClock.make("3 seconds")
      const join = (warmUp?: boolean) =>
        Effect.gen(function* () {
          const options = { port: yield* Live.freePort, heartbeat: "1 minute" as const }
          yield* Effect.withClock(LocalDiscovery.make({ ...options, ...(warmUp === false ? { warmUp } : {}) }), clock)
          yield* settled
          return waiting()
        })
      assert.deepStrictEqual([yield* join(false), yield* join()], [0, 1])
      assert.strictEqual(yield* Queue.size(seen), 0)
      yield* elapse
      const [gateway, service] = [yield* proxied(seen), yield* proxied(seen)]
      assert.notStrictEqual(gateway.port, service.port)
    })
  )
})
