import * as http from "node:http"
import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type httpProxy from "http-proxy"
import { WebSocket, WebSocketServer } from "ws"
import { type HttpProxyOptions, HttpProxyUpstream } from "../../../layers/http-proxy/index.js"
import type { Upstream } from "../../../src/HttpGateway.js"
import { makeRecorder, recordedBy } from "../../support/spans.js"
import { ask, askJson, connect, converse, event, type Handlers, serve, serveGatewayBy, UPGRADE } from "./support.js"

/** A gateway by http-proxy, and the upstream behind it. */
const proxied = (handlers: Handlers, options?: HttpProxyOptions, path = "") =>
  Effect.gen(function* () {
    const upstream = yield* serve(handlers)
    const gateway = yield* serveGatewayBy(HttpProxyUpstream.layer(options))
    let released = 0
    yield* gateway.gateway.proxy(() => ({ baseUrl: upstream.url + path, release: () => released++ }))
    return { upstream, ...gateway, released: () => released }
  })

/** Answers with what it was asked, as JSON. */
const mirror: Handlers = {
  onRequest: (request, response) => {
    let body = ""
    request.on("data", (chunk: Buffer) => {
      body += chunk
    })
    request.on("end", () => {
      const { headers, method, url } = request
      response.setHeader("content-type", "application/json")
      response.end(JSON.stringify({ method, url, headers, body }))
    })
  }
}

interface Mirrored {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const reflect = (url: string, options?: Parameters<typeof ask>[1]) =>
  Effect.map(ask(url, options), ({ text }) => JSON.parse(text) as Mirrored)

const SWITCHED = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

describe("the options of http-proxy", () => {
  type Own = "target" | "buffer" | "ssl" | "ws"
  // Each of them is there, but for those that are the gateway's.
  const _all: { [Name in Exclude<keyof httpProxy.ServerOptions, Own>]-?: Name extends keyof HttpProxyOptions ? 1 : 0 } =
    {} as Record<Exclude<keyof httpProxy.ServerOptions, Own>, 1>
  void _all

  it.scopedLive("change the request", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* proxied(
        mirror,
        { changeOrigin: true, headers: { "x-by": "http-proxy" }, auth: "ada:secret", xfwd: false },
        "/base"
      )
      const { headers, url: path } = yield* reflect(`${url}/users//7?full`, {
        headers: { "X-Forwarded-For": "10.0.0.1" }
      })
      assert.strictEqual(path, "/base/users//7?full")
      assert.deepStrictEqual(
        [headers.host, headers["x-by"], headers.authorization, headers["x-forwarded-for"], headers["x-forwarded-host"]],
        [new URL(upstream.url).host, "http-proxy", "Basic YWRhOnNlY3JldA==", "10.0.0.1", undefined]
      )
    })
  )

  it.scopedLive("change the path", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* proxied(mirror, { ignorePath: true }, "/fixed")
      assert.strictEqual((yield* reflect(`${url}/users`)).url, "/fixed")
      const other = yield* serveGatewayBy(HttpProxyUpstream.layer({ prependPath: false }))
      yield* other.gateway.proxy(() => `${upstream.url}/base`)
      assert.strictEqual((yield* reflect(`${other.url}/users`)).url, "/users")
    })
  )

  it.scopedLive("change the answer: cookies and redirects", () =>
    Effect.gen(function* () {
      const { url } = yield* proxied(
        {
          onRequest: (request, response) => {
            response.setHeader("set-cookie", ["a=1; Domain=inner.example; Path=/", "b=2"])
            response
              .writeHead(302, { location: `http://${request.headers["x-own"] ?? request.headers.host}/login` })
              .end()
          }
        },
        {
          changeOrigin: true,
          cookieDomainRewrite: "outer.example",
          cookiePathRewrite: { "/": "/app" },
          autoRewrite: true
        }
      )
      const { headers, status } = yield* ask(url, { headers: { host: "outer.example" } })
      assert.deepStrictEqual(
        [status, headers.location, headers["set-cookie"]],
        [302, "http://outer.example/login", ["a=1; Domain=outer.example; Path=/app", "b=2"]]
      )
      // Of this one http-proxy's own parser throws.
      const odd = yield* ask(url, { headers: { "x-own": "xn--a" } })
      assert.strictEqual(odd.status, 502)
      assert.include(odd.text, "gave no valid answer")
    })
  )

  it.scopedLive("follow redirects, copy requests, and limit the time", () =>
    Effect.gen(function* () {
      const copied = event<string>()
      const copies = yield* serve({ onRequest: (request) => copied.fire(`${request.method} ${request.url}`) })
      const { url } = yield* proxied(
        {
          onRequest: (request, response) => {
            if (request.url === "/old") response.writeHead(302, { location: `http://${request.headers.host}/new` })
            // Once the first connection has been closed.
            const answer = () => void response.end(`from ${request.method} ${request.url}`)
            if (request.url === "/new") setTimeout(answer, 20)
            else answer()
          }
        },
        { followRedirects: true, changeOrigin: true, forward: copies.url }
      )
      const { status, text } = yield* ask(`${url}/old`)
      assert.deepStrictEqual([status, text, yield* copied.wait], [200, "from GET /new", "GET /old"])
      const posted = yield* ask(`${url}/old`, { method: "POST", body: "x" })
      assert.deepStrictEqual([posted.status, posted.text], [200, "from GET /new"])
      let asked = 0
      const silent = yield* proxied({ onRequest: () => void asked++ }, { proxyTimeout: 50 })
      assert.deepStrictEqual(yield* askJson(silent.url), {
        status: 504,
        json: { error: `${silent.upstream.url} took too long to answer (proxyTimeout); is the service stuck?` }
      })
      assert.strictEqual(asked, 1)
    })
  )

  it.scopedLive("bring an agent, which outlives the gateway; without one, connections are kept alive", () =>
    Effect.gen(function* () {
      const agent = yield* Effect.acquireRelease(
        Effect.sync(() => new http.Agent({ keepAlive: true })),
        (agent) => Effect.sync(() => agent.destroy())
      )
      for (const [options, accepted, left] of [
        [{ agent }, 1, 1],
        [{}, 1, 0],
        [{ agent: false }, 2, 0]
      ] as const) {
        const { closeGateway, upstream, url } = yield* proxied(mirror, options)
        yield* ask(url)
        yield* ask(url)
        yield* closeGateway
        if (left === 0) yield* upstream.noSockets
        assert.deepStrictEqual([upstream.accepted(), upstream.sockets.size], [accepted, left])
      }
    })
  )

  it.scopedLive("are read from Config", () =>
    Effect.gen(function* () {
      const layer = HttpProxyUpstream.layerConfig({ changeOrigin: Config.boolean("CHANGE_ORIGIN"), xfwd: false }).pipe(
        Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map([["CHANGE_ORIGIN", "true"]]))))
      )
      const upstream = yield* serve(mirror)
      const { gateway, url } = yield* serveGatewayBy(Layer.orDie(layer))
      yield* gateway.proxy(() => upstream.url)
      const { headers } = yield* reflect(url)
      assert.deepStrictEqual([headers.host, headers["x-forwarded-for"]], [new URL(upstream.url).host, undefined])
    })
  )
})

describe("the events of http-proxy", () => {
  it.scopedLive("are callbacks that run before what they can change is sent", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const { url } = yield* proxied(mirror, {
        on: {
          start: () => events.push("start"),
          proxyReq: (outgoing, request) => {
            events.push("proxyReq")
            outgoing.setHeader("x-user", `for ${request.url}`)
            outgoing.path = "/changed"
          },
          proxyRes: (answer) => {
            events.push("proxyRes")
            answer.statusCode = 203
            answer.headers["x-added"] = "yes"
          },
          end: () => events.push("end")
        }
      })
      const { headers, status, text } = yield* ask(`${url}/users`)
      const { headers: sent, url: path } = JSON.parse(text) as Mirrored
      assert.deepStrictEqual(
        [status, headers["x-added"], sent["x-user"], path, events],
        [203, "yes", "for /users", "/changed", ["start", "proxyReq", "proxyRes", "end"]]
      )
    })
  )

  it.scopedLive("may answer in the gateway's place", () =>
    Effect.gen(function* () {
      const { url } = yield* proxied(mirror, {
        selfHandleResponse: true,
        on: { proxyRes: (answer, _, response) => void response.end(`${answer.statusCode}`) }
      })
      assert.strictEqual((yield* ask(url)).text, "200")
      const { gateway, url: broken } = yield* serveGatewayBy(
        HttpProxyUpstream.layer({
          on: {
            error: (error, _, response) => {
              if (response instanceof http.ServerResponse)
                response.writeHead(503).end((error as NodeJS.ErrnoException).code)
            }
          }
        })
      )
      yield* gateway.proxy(() => "http://127.0.0.1:1")
      const { status, text } = yield* ask(broken)
      assert.deepStrictEqual([status, text], [503, "ECONNREFUSED"])
      assert.match(
        yield* converse(new URL(broken).port as unknown as number, UPGRADE("/", "Connection: close\r\n")),
        / 503 /
      )
    })
  )

  for (const name of ["start", "proxyReq", "proxyRes", "error"] as const) {
    it.scopedLive(`cost their request a 500 where one throws: ${name}`, () =>
      Effect.gen(function* () {
        const logged: Array<unknown> = []
        const upstream = yield* serve(mirror)
        const thrower = () => {
          throw new Error("of the program")
        }
        const logger = Logger.make(({ message }) => void logged.push(...[message].flat()))
        const { gateway, url } = yield* serveGatewayBy(HttpProxyUpstream.layer({ on: { [name]: thrower } })).pipe(
          Effect.provide(Logger.replace(Logger.defaultLogger, logger))
        )
        yield* gateway.proxy(() => (name === "error" ? "http://127.0.0.1:1" : upstream.url))
        assert.deepStrictEqual(yield* askJson(url, { method: "POST", body: "x" }), {
          status: 500,
          json: { error: `The ${name} callback threw: of the program` }
        })
        assert.strictEqual(logged[0], `The ${name} callback threw: of the program`)
        assert.strictEqual((yield* ask(url)).status, 500)
      })
    )
  }

  it.scopedLive(
    "cost their request a 500 where the error callback throws over a protocol that is switched unasked",
    () =>
      Effect.gen(function* () {
        const upstream = yield* serve({
          onRequest: (_, response) =>
            void response.socket?.end("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
        })
        const error = () => {
          throw new Error("of the program")
        }
        const { gateway, url } = yield* serveGatewayBy(HttpProxyUpstream.layer({ on: { error } })).pipe(
          Effect.provide(Logger.replace(Logger.defaultLogger, Logger.none))
        )
        yield* gateway.proxy(() => upstream.url)
        assert.strictEqual((yield* ask(url, { method: "POST", body: "x" })).status, 500)
      })
  )

  it.scopedLive("are logged where the promise of one rejects, and cost a 500 where nothing is answered yet", () =>
    Effect.gen(function* () {
      const logged: Array<unknown> = []
      const upstream = yield* serve(mirror)
      const rejecting = () => Promise.reject(new Error("of the program"))
      const logger = Logger.make(({ message }) => void logged.push(...[message].flat()))
      const on = { start: rejecting, proxyRes: rejecting, error: rejecting }
      for (const [name, status] of [
        ["start", 500],
        ["proxyRes", 200],
        ["error", 502]
      ] as const) {
        const { gateway, url } = yield* serveGatewayBy(HttpProxyUpstream.layer({ on: { [name]: on[name] } })).pipe(
          Effect.provide(Logger.replace(Logger.defaultLogger, logger))
        )
        yield* gateway.proxy(() => (name === "error" ? "http://127.0.0.1:1" : upstream.url))
        assert.strictEqual((yield* ask(url)).status, status)
        assert.include(logged, `The ${name} callback threw: of the program`)
      }
    })
  )

  for (const name of ["proxyReqWs", "open", "close"] as const) {
    it.scopedLive(`close a WebSocket's both sides where one throws: ${name}`, () =>
      Effect.gen(function* () {
        const thrower = () => {
          throw new Error("of the program")
        }
        const { port, released, upstream } = yield* proxied(
          { onUpgrade: (_, socket) => void socket.resume().end(SWITCHED) },
          { on: { [name]: thrower } }
        ).pipe(Effect.provide(Logger.remove(Logger.defaultLogger)))
        const client = yield* connect(port)
        client.socket.write(UPGRADE("/", "Connection: close\r\n"))
        yield* client.closed
        yield* upstream.noSockets
        assert.strictEqual(released(), 1)
      })
    )
  }
})

describe("the gateway by http-proxy", () => {
  it.scopedLive("sends every request's body whole, and no byte beyond", () =>
    Effect.gen(function* () {
      const { url } = yield* proxied(mirror)
      for (const method of ["POST", "DELETE", "OPTIONS", "GET"]) {
        for (const headers of [{ "transfer-encoding": "chunked" }, { "content-length": 26 }]) {
          const seen = yield* reflect(url, { method, body: "GET /smuggled HTTP/1.1\r\n\r\n", headers })
          assert.deepStrictEqual([seen.method, seen.url, seen.body], [method, "/", "GET /smuggled HTTP/1.1\r\n\r\n"])
        }
      }
    })
  )

  it.scopedLive("cuts the client off where the upstream breaks off", () =>
    Effect.gen(function* () {
      const { released, url } = yield* proxied({
        onRequest: (_, response) => {
          response.writeHead(200, { "content-length": 10 })
          response.write("half", () => setImmediate(() => response.destroy()))
        }
      })
      assert.match(String(yield* Effect.flip(ask(url))), /aborted/)
      assert.strictEqual(released(), 1)
    })
  )

  it.scopedLive("sends the head of a stream before its first event, and ends it with its client", () =>
    Effect.gen(function* () {
      const { port, released, upstream } = yield* proxied({
        onRequest: (_, response) => void response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders()
      })
      const client = yield* connect(port)
      client.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* client.until("text/event-stream")
      client.socket.destroy()
      yield* upstream.noSockets
      assert.strictEqual(released(), 1)
    })
  )

  it.scopedLive("ends what is under way with its scope", () =>
    Effect.gen(function* () {
      const arrived = event()
      const { closeGateway, port, released, upstream } = yield* proxied({
        onRequest: () => arrived.fire(),
        onUpgrade: (_, socket) =>
          void socket
            .on("end", () => socket.end())
            .resume()
            .write(SWITCHED)
      })
      const [waiting, switched] = [yield* connect(port), yield* connect(port)]
      waiting.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
      switched.socket.write(UPGRADE("/"))
      yield* arrived.wait
      yield* switched.until("101")
      yield* closeGateway
      yield* upstream.noSockets
      yield* Effect.all([waiting.closed, switched.closed])
      assert.strictEqual(released(), 2)
    })
  )

  it.scopedLive("passes a WebSocket's messages both ways, and releases the instance when it ends", () =>
    Effect.gen(function* () {
      const sockets = new WebSocketServer({ noServer: true })
      sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(`${data}!`)))
      const { released, upstream, url } = yield* proxied({
        onUpgrade: (request, socket, head) =>
          sockets.handleUpgrade(request, socket, head, (client) => sockets.emit("connection", client))
      })
      const heard = event<string>()
      const client = new WebSocket(url.replace("http", "ws"))
      client.on("open", () => client.send("hello"))
      client.on("message", (data) => heard.fire(String(data)))
      assert.deepStrictEqual([yield* heard.wait, released()], ["hello!", 0])
      client.close()
      yield* upstream.noSockets
      assert.strictEqual(released(), 1)
    })
  )

  it.scopedLive("answers 502 where an upstream switches protocols unasked", () =>
    Effect.gen(function* () {
      const { released, url } = yield* proxied({
        onRequest: (_, response) =>
          void response.socket?.end("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
      })
      assert.strictEqual((yield* ask(url)).status, 502)
      assert.strictEqual(released(), 1)
    })
  )

  it.scopedLive("passes over an instance that refuses a request without a body; with one it can't", () =>
    Effect.gen(function* () {
      const alive = yield* serve(mirror)
      const { gateway, url } = yield* serveGatewayBy(HttpProxyUpstream.layer())
      const released: Array<string> = []
      const upstream = (baseUrl: string, next?: Upstream): Upstream => ({
        baseUrl,
        release: () => released.push(baseUrl),
        ...(next === undefined ? {} : { next: () => next })
      })
      const dead = "http://127.0.0.1:1"
      yield* gateway.proxy(() => upstream(dead, upstream(alive.url)))
      assert.strictEqual((yield* ask(url)).status, 200)
      assert.strictEqual((yield* ask(url, { method: "POST", body: "x" })).status, 502)
      assert.deepStrictEqual(released, [dead, alive.url, dead])
    })
  )

  it.scopedLive("takes an offer that isn't WebSocket's for an ordinary request, and passes no 1xx on", () =>
    Effect.gen(function* () {
      const { port } = yield* proxied({
        onRequest: (request, response) => {
          response.writeEarlyHints({ link: "</a.css>; rel=preload" })
          response.end(`upgrade: ${request.headers.upgrade}`)
        }
      })
      const answer = yield* converse(
        port,
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade, close\r\nUpgrade: tcp\r\n\r\n"
      )
      assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/)
      assert.include(answer, "upgrade: undefined")
    })
  )

  it.scopedLive("has an attempt's own span where the request is traced, and passes its context on", () =>
    Effect.gen(function* () {
      const recorder = makeRecorder()
      yield* Effect.gen(function* () {
        const { url } = yield* proxied(mirror)
        const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        const { headers } = yield* reflect(url, { headers: { traceparent } })
        yield* recorder.ended(2)
        assert.deepStrictEqual(recorder.tree(), ["server GET", "  client GET"])
        assert.strictEqual(headers.traceparent, `00-0af7651916cd43dd8448eb211c80319c-${recorder.spans[1]?.spanId}-01`)
        assert.strictEqual(recorder.spans[1]?.attributes.get("http.response.status_code"), 200)
      }).pipe(recordedBy(recorder))
    })
  )
})
