import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { WebSocketServer } from "ws"
import { NodeIPCClient } from "../../layers/index.js"
import * as Bare from "../support/Bare.js"
import * as Child from "../support/Child.js"
import { live } from "../support/live.js"
import { millisWaitedForProcessor } from "../support/processor.js"
import { Hang, HangThere } from "../support/requests.js"
import { ask, connect, UPGRADE } from "./http/support.js"

const clientCount = 100
const streamCount = 10

/** Starts every response and never ends one; takes WebSockets. */
const endlessUpstream = Effect.acquireRelease(
  Effect.async<{ readonly url: string; readonly close: () => void }>((resume) => {
    const server = createServer((_, response) => response.write("data: first\n\n"))
    const webSockets = new WebSocketServer({ server })
    webSockets.on("connection", (webSocket) => webSocket.send("hello"))
    server.listen(0, "127.0.0.1", () => {
      const close = () => {
        for (const webSocket of webSockets.clients) webSocket.terminate()
        server.close()
        server.closeAllConnections()
      }
      resume(Effect.succeed({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close }))
    })
  }),
  ({ close }) => Effect.sync(close)
)

describe("Closing a server's scope", () => {
  live(
    "with clients connected, requests in flight both ways and proxied streams open, ends all of it and the process within a second",
    () =>
      Effect.gen(function* () {
        const upstream = yield* endlessUpstream
        const child = yield* Child.start("ipc-shutdown.ts", { args: [upstream.url, String(clientCount)] })
        const port = Number(yield* child.line("port"))

        const asked = yield* Deferred.make<void>()
        let askedOfClients = 0
        const clientRequests = yield* Effect.forEach(
          Array.from({ length: clientCount }, (_, i) => i),
          (i) =>
            Effect.gen(function* () {
              const client = yield* NodeIPCClient.make({ port, runtimeId: `worker-${i}`, reconnect: false })
              yield* client.handle(HangThere, () =>
                Effect.suspend(() =>
                  ++askedOfClients === clientCount
                    ? Effect.zipRight(Deferred.succeed(asked, undefined), Effect.never)
                    : Effect.never
                )
              )
              return yield* Effect.fork(Effect.flip(client.request(Hang)))
            }),
          { concurrency: 20 }
        )
        const streams = yield* Effect.forEach(Array.from({ length: streamCount }), () =>
          Effect.gen(function* () {
            const stream = yield* connect(port)
            stream.socket.write("GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
            yield* stream.until("data: first")
            return stream
          })
        )
        const webSockets = yield* Effect.forEach(Array.from({ length: streamCount }), () =>
          Effect.gen(function* () {
            const bare = yield* Bare.connect(`ws://127.0.0.1:${port}/chat`)
            assert.strictEqual(yield* bare.next, "hello")
            return bare
          })
        )
        // And what never gets anywhere: a route that hangs, half a request, a refused upgrade whose client lingers.
        const hanging = yield* Effect.fork(Effect.either(ask(`http://127.0.0.1:${port}/hang`)))
        const half = yield* connect(port)
        half.socket.write("GET / HTTP/1.1\r\nHo")
        const refused = yield* connect(port)
        refused.socket.write(UPGRADE("/__ipc"))
        yield* refused.until("403 Forbidden")

        const { clients, handlers } = JSON.parse(yield* child.ask("ask", "asked")) as Record<string, number>
        yield* Deferred.await(asked)
        assert.deepStrictEqual({ clients, handlers }, { clients: clientCount, handlers: clientCount })

        const waitedBefore = millisWaitedForProcessor()
        const { errors, millis } = JSON.parse(yield* child.ask("close", "closed")) as {
          errors: Record<string, number>
          millis: number
        }
        const exit = yield* child.exit
        const exitMillis = Number(yield* child.line("ended"))
        const waitedHere = Math.round(millisWaitedForProcessor() - waitedBefore)

        assert.deepStrictEqual(exit, { code: 0, signal: null }, child.stderr())
        assert.deepStrictEqual(errors, { ConnectionClosed: clientCount })
        const tags = yield* Effect.forEach(clientRequests, (fiber) => Effect.map(Fiber.join(fiber), ({ _tag }) => _tag))
        // Those of a handler that was interrupted before its connection was closed were answered with that.
        for (const tag of tags) assert.include(["ConnectionClosed", "RequestFailed"], tag)
        assert.strictEqual(tags.length, clientCount)
        yield* Effect.forEach(streams, ({ closed }) => closed)
        yield* Effect.forEach(webSockets, ({ closed }) => closed)
        yield* Effect.forEach([half, refused], ({ closed }) => closed)
        yield* Fiber.join(hanging)
        // It doesn't count what it waited for a processor; what its clients here waited isn't the server's either.
        assert.isBelow(millis - waitedHere, 1000)
        assert.isBelow(exitMillis - waitedHere, 1000)
        assert.strictEqual(child.stderr(), "")
        console.log(
          `closed in ${millis} ms, while the clients waited for a processor for ${waitedHere}; the process had ended after ${exitMillis} ms`
        )
      }),
    30_000
  )
})
