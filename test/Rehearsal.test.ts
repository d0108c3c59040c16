import { subscribe, unsubscribe } from "node:diagnostics_channel"
import type { IncomingMessage } from "node:http"
import { connect } from "node:net"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import { rehearse } from "../layers/Rehearsal.js"
import { live } from "./support/live.js"

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

const isRefused = (port: number) =>
  Effect.async<boolean>((resume) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("connect", () => resume(Effect.succeed(false)))
    socket.once("error", () => resume(Effect.succeed(true)))
    return Effect.sync(() => socket.destroy())
  })

describe("A rehearsal", () => {
  live("proxies a request to a service, and leaves no port behind", () =>
    Effect.gen(function* () {
      const seen = yield* requests
      yield* rehearse
      const [first, second] = [yield* Queue.take(seen), yield* Queue.take(seen)]
      assert.deepStrictEqual([first.path, second.path], ["/proxied", "/service/proxied"])
      assert.isTrue(yield* isRefused(first.port))
    })
  )

  live("that is interrupted in the middle leaves none either", () =>
    Effect.gen(function* () {
      const seen = yield* requests
      const rehearsal = yield* Effect.fork(rehearse)
      const { port } = yield* Queue.take(seen)
      yield* Fiber.interrupt(rehearsal)
      assert.isTrue(yield* isRefused(port))
    })
  )
})
