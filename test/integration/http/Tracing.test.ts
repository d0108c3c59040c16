import type * as http from "node:http"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Upstream } from "../../../src/HttpGateway.js"
import { makeRecorder, type Recorder, recordedBy } from "../../support/spans.js"
import { ask, connect, type Handlers, type ServedGateway, serve, serveGateway, UPGRADE } from "./support.js"

const traceId = "0af7651916cd43dd8448eb211c80319c"
const callerSpan = "b7ad6b7169203331"
const traceparent = `00-${traceId}-${callerSpan}-01`

const traced = <A, E>(test: (recorder: Recorder) => Effect.Effect<A, E, Scope.Scope>) =>
  Effect.suspend(() => {
    const recorder = makeRecorder()
    return recordedBy(recorder)(test(recorder))
  })

/** A gateway before a service that keeps the headers of what it is asked. */
const gatewayBefore = (handlers: Handlers, upstream: Partial<Upstream> = {}) =>
  Effect.gen(function* () {
    const seen: Array<http.IncomingHttpHeaders> = []
    const service = yield* serve({
      ...handlers,
      onRequest: (request, response) => {
        seen.push(request.headers)
        if (handlers.onRequest === undefined) response.end("ok")
        else handlers.onRequest(request, response)
      }
    })
    const served: ServedGateway = yield* serveGateway()
    yield* served.gateway.proxy(() => ({ baseUrl: service.url, ...upstream }))
    return { ...served, service, seen }
  })

const contextOf = (headers: http.IncomingHttpHeaders = {}) =>
  ["traceparent", "tracestate", "baggage", "b3"].map((name) => headers[name])

const attributesOf = ({ spans }: Recorder, at: number) => Object.fromEntries(spans[at]?.attributes ?? [])

describe("A traced request to a route", () => {
  it.scopedLive(
    "runs its handler under a server span whose parent is the caller's, never that of its registration",
    () =>
      traced((recorder) =>
        Effect.gen(function* () {
          const { gateway, port, url } = yield* serveGateway()
          yield* Effect.withSpan(
            gateway.route("POST", "/users/:id", ({ body }) => Effect.withSpan(Effect.succeed(body), "read")),
            "start-up"
          )
          const answer = yield* ask(`${url}/users/7?sig=secret&page=2`, {
            method: "POST",
            headers: { traceparent, "content-type": "application/json", "user-agent": "test/1" },
            body: "[1]"
          })
          assert.strictEqual(answer.text, "[1]")
          yield* recorder.ended(3)
          assert.deepStrictEqual(recorder.tree(), ["internal start-up", "server POST /users/:id", "  internal read"])
          const [, server] = recorder.spans
          assert.deepStrictEqual(server?.parent._tag === "Some" && [server.traceId, server.parent.value.spanId], [
            traceId,
            callerSpan
          ])
          assert.deepStrictEqual(attributesOf(recorder, 1), {
            "http.request.method": "POST",
            "url.scheme": "http",
            "url.path": "/users/7",
            "url.query": "sig=REDACTED&page=2",
            "http.route": "/users/:id",
            "server.address": "127.0.0.1",
            "server.port": port,
            "client.address": "127.0.0.1",
            "user_agent.original": "test/1",
            "network.protocol.version": "1.1",
            "http.response.status_code": 200
          })
        })
      )
  )

  it.scopedLive("shows its failure, a method that isn't known, and what no route took", () =>
    traced((recorder) =>
      Effect.gen(function* () {
        const { gateway, url } = yield* serveGateway()
        yield* gateway.route("GET", "/fails", () => Effect.fail(new Error("no")))
        yield* ask(`${url}/fails`)
        yield* ask(`${url}/nothing/here`)
        yield* ask(`${url}/nothing/here`, { method: "PURGE" })
        yield* recorder.ended(3)
        assert.deepStrictEqual(recorder.tree(), ["server GET /fails !", "server GET", "server HTTP"])
        assert.deepStrictEqual(
          [0, 1, 2].map((at) => {
            const attributes = attributesOf(recorder, at)
            return [
              attributes["http.response.status_code"],
              attributes["error.type"],
              attributes["http.request.method"],
              attributes["http.request.method_original"]
            ]
          }),
          [
            [500, "500", "GET", undefined],
            [404, undefined, "GET", undefined],
            [404, undefined, "_OTHER", "PURGE"]
          ]
        )
      })
    )
  )

  it.scopedLive("gives the caller's context to a handler where no tracer is set; b3 is read as well", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* serveGateway()
      yield* gateway.route("GET", "/trace", () =>
        Effect.map(Effect.option(Effect.currentSpan), (span) => (span._tag === "None" ? "none" : span.value.traceId))
      )
      const traceOf = (headers: http.OutgoingHttpHeaders) =>
        Effect.map(ask(`${url}/trace`, { headers }), ({ text }) => JSON.parse(text) as string)
      const short = traceId.slice(16)
      assert.deepStrictEqual(
        yield* Effect.all([
          traceOf({}),
          traceOf({ traceparent }),
          traceOf({ traceparent: `cc-${traceId}-${callerSpan}-01-what-the-future-brings` }),
          traceOf({ b3: `${traceId}-${callerSpan}-1` }),
          traceOf({ "x-b3-traceid": short, "x-b3-spanid": callerSpan }),
          traceOf({ traceparent: `00-${traceId}-${callerSpan}-01-no` }),
          traceOf({ traceparent: `00-${"0".repeat(32)}-${callerSpan}-01` }),
          traceOf({ traceparent: "rubbish" })
        ]),
        ["none", traceId, traceId, traceId, short.padStart(32, "0"), "none", "none", "none"]
      )
    })
  )
})

describe("A traced request to an upstream", () => {
  it.scopedLive("has a server span, and a client span that the upstream is told of", () =>
    traced((recorder) =>
      Effect.gen(function* () {
        const { seen, service, url } = yield* gatewayBefore({}, { route: "/users/*" })
        yield* ask(`${url}/users/7?x=1`, { headers: { traceparent, tracestate: "a=1", baggage: "k=v", b3: "0" } })
        yield* recorder.ended(2)
        assert.deepStrictEqual(recorder.tree(), ["server GET /users/*", "  client GET /users/*"])
        const [headers] = seen
        assert.deepStrictEqual(contextOf(headers), [
          `00-${traceId}-${recorder.spans[1]?.spanId}-01`,
          "a=1",
          "k=v",
          undefined
        ])
        assert.deepStrictEqual(attributesOf(recorder, 1), {
          "http.request.method": "GET",
          "server.address": "127.0.0.1",
          "server.port": service.port,
          "url.full": `${service.url}/users/7?x=1`,
          "url.template": "/users/*",
          "http.response.status_code": 200
        })
      })
    )
  )

  it.scopedLive("has a client span for each attempt", () =>
    traced((recorder) =>
      Effect.gen(function* () {
        const gone = yield* Effect.scoped(serve({}))
        const { seen, service, url } = yield* gatewayBefore({})
        const { gateway, url: other } = yield* serveGateway()
        yield* gateway.proxy(() => ({ baseUrl: gone.url, next: () => ({ baseUrl: service.url }) }))
        yield* ask(`${other}/x`, { headers: { traceparent } })
        yield* recorder.ended(3)
        assert.deepStrictEqual(recorder.tree(), ["server GET", "  client GET !", "  client GET"])
        assert.deepStrictEqual(
          [1, 2].map((at) => [
            attributesOf(recorder, at)["error.type"],
            attributesOf(recorder, at)["http.request.resend_count"]
          ]),
          [
            ["ECONNREFUSED", undefined],
            [undefined, 1]
          ]
        )
        assert.strictEqual(contextOf(seen[0])[0], `00-${traceId}-${recorder.spans[2]?.spanId}-01`)
        assert.isTrue(url !== other)
      })
    )
  )

  it.scopedLive("ends with its client's disconnection", () =>
    traced((recorder) =>
      Effect.gen(function* () {
        const { port } = yield* gatewayBefore({ onRequest: (_, response) => response.write("begun") })
        const connection = yield* connect(port)
        connection.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        yield* connection.until("begun")
        connection.socket.destroy()
        yield* recorder.ended(2)
        assert.deepStrictEqual(recorder.tree(), ["server GET !", "  client GET"])
      })
    )
  )

  it.scopedLive("reaches it as it came where the gateway has no tracer", () =>
    Effect.gen(function* () {
      const { seen, url } = yield* gatewayBefore({})
      yield* ask(`${url}/x`, { headers: { traceparent, tracestate: "a=1", baggage: "k=v", b3: "0" } })
      yield* ask(`${url}/x`)
      assert.deepStrictEqual(seen.map(contextOf), [
        [traceparent, "a=1", "k=v", "0"],
        [undefined, undefined, undefined, undefined]
      ])
    })
  )

  it.scopedLive("tells it of its span in an upgrade, too, which ends both spans", () =>
    traced((recorder) =>
      Effect.gen(function* () {
        let seen: http.IncomingHttpHeaders | undefined
        const { port } = yield* gatewayBefore({
          onUpgrade: (request, socket) => {
            seen = request.headers
            socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
          }
        })
        const connection = yield* connect(port)
        connection.socket.write(UPGRADE("/socket", `traceparent: ${traceparent}\r\n`))
        yield* connection.until("101 Switching Protocols")
        yield* recorder.ended(2)
        assert.deepStrictEqual(recorder.tree(), ["server GET", "  client GET"])
        assert.strictEqual(contextOf(seen)[0], `00-${traceId}-${recorder.spans[1]?.spanId}-01`)
        assert.deepStrictEqual(
          [0, 1].map((at) => attributesOf(recorder, at)["http.response.status_code"]),
          [101, 101]
        )
      })
    )
  )
})
