import * as http from "node:http"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { ask, askJson, converse, serve, serveGateway, UPGRADE } from "./support.js"

describe("an upstream that leads back to the gateway", () => {
  it.scopedLive("is a 508 that names it, within a few hops", () =>
    Effect.gen(function* () {
      const { gateway, port, url } = yield* serveGateway()
      let asked = 0
      yield* gateway.proxy(() => {
        asked++
        return url
      })
      assert.deepStrictEqual(yield* askJson(`${url}/x?y`), {
        status: 508,
        json: {
          error: `The request for /x?y has come back to this gateway 3 times: does its upstream, ${url}, lead back to the gateway?`
        }
      })
      assert.isAtMost(asked, 4)
      assert.match(yield* converse(port, UPGRADE("/ws", "Connection: close\r\n")), /^HTTP\/1\.1 508 /)
      assert.isAtMost(asked, 8)
    })
  )

  it.scopedLive("is a 508 also by way of another gateway", () =>
    Effect.gen(function* () {
      const one = yield* serveGateway()
      const other = yield* serveGateway()
      yield* one.gateway.proxy(() => other.url)
      yield* other.gateway.proxy(() => one.url)
      assert.strictEqual((yield* ask(one.url)).status, 508)
    })
  )

  it.scopedLive("is a 508 also by way of a proxy that drops the gateway's mark", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* serveGateway()
      let hops = 0
      const dropping = yield* serve({
        onRequest: (request, response) => {
          hops++
          const headers = { host: "x", "x-forwarded-for": request.headers["x-forwarded-for"] }
          http.get(`${url}${request.url}`, { headers, agent: false }, (answer) => {
            response.writeHead(answer.statusCode ?? 0)
            answer.pipe(response)
          })
        }
      })
      yield* gateway.proxy(() => dropping.url)
      const { status, text } = yield* ask(url)
      assert.strictEqual(status, 508)
      assert.include(text, "has passed 10 proxies")
      assert.isAtMost(hops, 10)
    })
  )
})

describe("what is no loop", () => {
  it.scopedLive("two gateways in a row", () =>
    Effect.gen(function* () {
      const service = yield* serve({ onRequest: (_, response) => response.end("the service") })
      const inner = yield* serveGateway()
      const outer = yield* serveGateway()
      yield* inner.gateway.proxy(() => service.url)
      yield* outer.gateway.proxy(() => inner.url)
      assert.strictEqual((yield* ask(outer.url)).text, "the service")
    })
  )

  it.scopedLive("a service that asks another through the same gateway, with all the headers that it was sent", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* serveGateway()
      const front = yield* serve({
        onRequest: (request, response) => {
          http.get(`${url}/service`, { headers: request.headers, agent: false }, (answer) => answer.pipe(response))
        }
      })
      const service = yield* serve({ onRequest: (_, response) => response.end("the service") })
      yield* gateway.proxy((path) => (path === "/service" ? service.url : front.url))
      assert.strictEqual((yield* ask(`${url}/front`)).text, "the service")
    })
  )
})
