import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as LocalDiscovery from "../../../layers/LocalDiscovery.js"
import * as NodeIPCServer from "../../../layers/NodeIPCServer.js"
import { Discovery } from "../../../src/Discovery.js"
import * as InnerScope from "../../../src/internal/InnerScope.js"
import { LeaderElection } from "../../../src/LeaderElection.js"
import * as Port from "../../support/Port.js"
import { ask, connect, event, serve } from "./support.js"

/** A service whose answers to `/slow` wait until they are released. */
const slowService = Effect.gen(function* () {
  const asked = event()
  const released: Array<() => void> = []
  const service = yield* serve({
    onRequest: (request, response) => {
      if (request.url !== "/service/slow") {
        response.end("quick")
        return
      }
      response.write("the beginning, ")
      asked.fire()
      released.push(() => response.end("the end"))
    }
  })
  return {
    url: service.url,
    asked: asked.wait,
    noSockets: service.noSockets,
    release: () => {
      for (const release of released) release()
    }
  }
})

/** A gateway that proxies all to one service, in a scope of its own. */
const gatewayTo = (url: string, drainTimeout: Duration.DurationInput) =>
  Effect.gen(function* () {
    const scope = yield* InnerScope.make
    const server = yield* Scope.extend(NodeIPCServer.make({ drainTimeout }), scope)
    yield* Scope.extend(
      server.setRouteProxyResolver(() => url),
      scope
    )
    return { scope, server }
  })

describe("a server that closes with HTTP exchanges under way", () => {
  it.scopedLive("frees its port at once, ends what runs while it leads, and then lets the exchanges end", () =>
    Effect.gen(function* () {
      const service = yield* slowService
      const port = yield* Effect.promise(Port.free)
      const leading = yield* InnerScope.make
      const leader = yield* Scope.extend(LocalDiscovery.make({ port, drainTimeout: "1 minute" }), leading)
      const follower = yield* LocalDiscovery.make({ port })
      yield* Context.get(follower, Discovery).register([
        { api: "service", baseUrl: service.url, pathPrefix: "/service" }
      ])
      const interrupted = yield* Deferred.make<void>()
      const whileLeader = yield* Context.get(leader, LeaderElection)
        .whileLeader(Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined)))
        .pipe(Effect.fork)
      const url = `http://127.0.0.1:${port}/service`
      const idle = yield* connect(port)
      idle.socket.write("GET /service/quick HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* idle.until("quick")
      const slow = yield* Effect.fork(ask(`${url}/slow`))
      yield* service.asked

      const closing = yield* Effect.fork(Scope.close(leading, Exit.void))
      yield* Deferred.await(interrupted)
      yield* idle.closed
      // The other one leads, and forwards, while the exchange is still under way.
      yield* Context.get(follower, LeaderElection).whileLeader(Effect.void)
      assert.strictEqual((yield* ask(`${url}/quick`)).text, "quick")
      assert.strictEqual(closing.unsafePoll(), null)
      service.release()
      assert.strictEqual((yield* Fiber.join(slow)).text, "the beginning, the end")
      yield* Fiber.join(closing)
      yield* Fiber.interrupt(whileLeader)
    })
  )

  it.scopedLive("cuts those that take longer", () =>
    Effect.gen(function* () {
      const service = yield* slowService
      const { scope, server } = yield* gatewayTo(service.url, "50 millis")
      const slow = yield* Effect.fork(Effect.either(ask(`${server.url}/service/slow`)))
      yield* service.asked
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(Either.isLeft(yield* Fiber.join(slow)))
      yield* service.noSockets
    })
  )

  it.scopedLive("begins none on their connections, and closes each after its response", () =>
    Effect.gen(function* () {
      const service = yield* slowService
      const { scope, server } = yield* gatewayTo(service.url, "1 minute")
      const half = yield* connect(server.port)
      half.socket.write("GET /service/quick HTTP/1.1\r\nHost: x\r\n")
      const client = yield* connect(server.port)
      client.socket.write("GET /service/slow HTTP/1.1\r\nHost: x\r\n\r\nGET /service/quick HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* service.asked
      yield* client.until("the beginning")
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* Effect.repeat(Effect.either(connect(server.port)), { until: Either.isLeft })
      half.socket.write("\r\n")
      yield* half.closed
      assert.match(half.received, /^HTTP\/1\.1 503 [\s\S]*connection: close[\s\S]*The gateway is closing/i)
      service.release()
      yield* client.closed
      assert.include(client.received, "the end")
      assert.notInclude(client.received, "quick")
      yield* Fiber.join(closing)
    })
  )

  it.scopedLive("takes no offer of an upgrade, and lets the exchange before it on its connection end", () =>
    Effect.gen(function* () {
      const service = yield* slowService
      const { scope, server } = yield* gatewayTo(service.url, "1 minute")
      const offer = ["GET /service/web HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: websocket", "", ""]
      const half = yield* connect(server.port)
      half.socket.write(offer.slice(0, -2).join("\r\n"))
      const [early, late] = yield* Effect.all([connect(server.port), connect(server.port)])
      for (const { socket } of [early, late]) socket.write("GET /service/slow HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* Effect.all([early.until("the beginning"), late.until("the beginning")])
      early.socket.write(offer.join("\r\n"))
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* Effect.repeat(Effect.either(connect(server.port)), { until: Either.isLeft })
      late.socket.write(offer.join("\r\n"))
      half.socket.write("\r\n\r\n")
      yield* half.closed
      assert.match(half.received, /^HTTP\/1\.1 503 [\s\S]*connection: close[\s\S]*The gateway is closing/i)
      service.release()
      yield* Effect.all([early.closed, late.closed])
      for (const { received } of [early, late]) assert.match(received, /the beginning, [\s\S]*the end\r\n0\r\n\r\n/)
      yield* Fiber.join(closing)
    })
  )
})
