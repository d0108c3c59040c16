import * as http from "node:http"
import * as net from "node:net"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { HttpProxyUpstream } from "../../../layers/http-proxy/index.js"
import * as UndiciUpstream from "../../../layers/UndiciUpstream.js"
import type { Upstream } from "../../../src/HttpGateway.js"
import * as Port from "../../support/Port.js"
import {
  ask,
  askJson,
  connect,
  converse,
  event,
  proxied,
  type Served,
  serve,
  serveGateway,
  serveGatewayBy
} from "./support.js"

const pairs = (raw: ReadonlyArray<string>, ...names: ReadonlyArray<string>) => {
  const found: Array<string> = []
  for (let i = 0; i < raw.length; i += 2) {
    if (names.includes((raw[i] as string).toLowerCase())) found.push(`${raw[i]}: ${raw[i + 1]}`)
  }
  return found
}

describe("a proxied request", () => {
  it.scopedLive("reaches the upstream as the client sent it, and is forwarded for the client", () =>
    Effect.gen(function* () {
      let seen: http.IncomingMessage | undefined
      const { gateway } = yield* proxied({
        onRequest: (request, response) => {
          seen = request
          response.end()
        }
      })
      yield* converse(
        gateway.port,
        "PURGE /a%20b//c?x=%zz&y HTTP/1.1\r\nHost: example.test:1\r\nX-Case: \xe9 1\r\nX-Case: 2\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 1\r\nTE: trailers\r\nProxy-Connection: x\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\n\r\n"
      )
      assert.deepStrictEqual([seen?.method, seen?.url], ["PURGE", "/a%20b//c?x=%zz&y"])
      const raw = [...(seen?.rawHeaders ?? [])]
      const names = raw.filter((_, i) => i % 2 === 0).filter((name) => name.toLowerCase() !== "connection")
      assert.deepStrictEqual(names, [
        "host",
        "X-Case",
        "X-Case",
        "X-Forwarded-Proto",
        "te",
        "x-effect-ipc-loop",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port"
      ])
      assert.deepStrictEqual(pairs(raw, "host", "x-case"), ["host: example.test:1", "X-Case: \xe9 1", "X-Case: 2"])
      assert.deepStrictEqual(
        [
          seen?.headers["x-forwarded-for"],
          seen?.headers["x-forwarded-proto"],
          seen?.headers["x-forwarded-host"],
          seen?.headers["x-forwarded-port"]
        ],
        ["10.0.0.1, 127.0.0.1", "https", "example.test:1", String(gateway.port)]
      )
    })
  )

  it.scopedLive("is prefixed with the path of its upstream's base URL", () =>
    Effect.gen(function* () {
      const upstream = yield* serve({ onRequest: (request, response) => response.end(request.url) })
      const { gateway, url } = yield* serveGateway()
      yield* gateway.proxy(() => `${upstream.url}/base/`)
      assert.strictEqual((yield* ask(`${url}/x?y=1`)).text, "/base/x?y=1")
    })
  )

  it.scopedLive("gets the status, its message and the raw headers of the response, duplicates too", () =>
    Effect.gen(function* () {
      const { gateway } = yield* proxied({
        onRequest: (_, response) => {
          response.writeHead(299, "Very Special", [
            ...["Set-Cookie", "a=1", "Set-Cookie", "b=2", "X-Latin", "\xe9", "Date", "Thu, 01 Jan 1970 00:00:00 GMT"],
            ...["Connection", "X-Hop", "X-Hop", "1", "Keep-Alive", "timeout=77", "Content-Length", "2"]
          ])
          // Node would write the headers in UTF-8 together with a string.
          response.end(Buffer.from("ok"))
        }
      })
      const answer = yield* ask(gateway.url)
      assert.deepStrictEqual([answer.status, answer.statusMessage, answer.text], [299, "Very Special", "ok"])
      assert.deepStrictEqual(
        pairs(answer.rawHeaders, "set-cookie", "x-latin", "date", "x-hop", "keep-alive", "content-length"),
        [
          "Set-Cookie: a=1",
          "Set-Cookie: b=2",
          "X-Latin: \xe9",
          "Date: Thu, 01 Jan 1970 00:00:00 GMT",
          "Content-Length: 2"
        ]
      )
    })
  )

  it.scopedLive("keeps its upstream connection for the next", () =>
    Effect.gen(function* () {
      const { gateway, upstream } = yield* proxied({ onRequest: (_, response) => response.end("ok") })
      for (let i = 0; i < 5; i++) yield* ask(gateway.url)
      assert.strictEqual(upstream.accepted(), 1)
    })
  )

  it.scopedLive("has no body in answer to HEAD, nor with 204 and 304, and the connection stays in step", () =>
    Effect.gen(function* () {
      const { gateway } = yield* proxied({
        onRequest: (request, response) => {
          const status = Number(request.url?.slice(1))
          response.writeHead(status, status === 204 ? {} : { "content-length": "5", etag: '"x"' })
          response.end(request.method === "HEAD" || status !== 200 ? undefined : "12345")
        }
      })
      const connection = yield* connect(gateway.port)
      connection.socket.write("HEAD /200 HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* connection.until("\r\n\r\n")
      assert.match(connection.received, /^HTTP\/1.1 200 OK\r\ncontent-length: 5\r\n/)
      assert.isTrue(connection.received.endsWith("\r\n\r\n"))
      connection.received = ""
      connection.socket.write("GET /304 HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* connection.until("\r\n\r\n")
      assert.match(connection.received, /^HTTP\/1.1 304 Not Modified\r\n[\s\S]*etag: "x"/)
      connection.received = ""
      connection.socket.write("GET /204 HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* connection.until("\r\n\r\n")
      assert.match(connection.received, /^HTTP\/1.1 204 No Content\r\n/)
      connection.received = ""
      connection.socket.write("GET /200 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
      yield* connection.until("12345")
    })
  )

  it.scopedLive("gets binary and compressed bodies unchanged", () =>
    Effect.gen(function* () {
      const compressed = gzipSync(Buffer.alloc(100_000, "effect"))
      const { gateway } = yield* proxied({
        onRequest: (_, response) => {
          response.writeHead(200, { "content-encoding": "gzip" })
          response.end(compressed)
        }
      })
      const answer = yield* ask(gateway.url)
      assert.strictEqual(answer.headers["content-encoding"], "gzip")
      assert.isTrue(answer.body.equals(compressed))
    })
  )

  it.scopedLive("gets the trailers of a response", () =>
    Effect.gen(function* () {
      const { gateway } = yield* proxied({
        onRequest: (request, response) => {
          if (request.method === "HEAD") {
            request.socket.end("HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n")
            return
          }
          response.writeHead(200, { trailer: "X-Sum" })
          response.write("body")
          response.addTrailers({ "X-Sum": "42" })
          response.end()
        }
      })
      const answer = yield* ask(gateway.url)
      assert.deepStrictEqual([answer.text, { ...answer.trailers }], ["body", { "x-sum": "42" }])
      assert.strictEqual((yield* ask(gateway.url, { method: "HEAD" })).status, 200)
    })
  )

  it.scopedLive("sees server-sent events one by one, and the headers before any", () =>
    Effect.gen(function* () {
      let stream: http.ServerResponse | undefined
      const { gateway } = yield* proxied({
        onRequest: (_, response) => {
          stream = response
          response.writeHead(200, { "content-type": "text/event-stream" })
          response.flushHeaders()
        }
      })
      const connection = yield* connect(gateway.port)
      connection.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* connection.until("text/event-stream")
      for (let i = 0; i < 3; i++) {
        assert.notInclude(connection.received, `data: ${i}`)
        stream?.write(`data: ${i}\n\n`)
        yield* connection.until(`data: ${i}\n\n`)
      }
    })
  )

  it.scopedLive("uploads as it is sent, with or without a length", () =>
    Effect.gen(function* () {
      let upload: http.IncomingMessage | undefined
      const arrived = event()
      const { gateway } = yield* proxied({
        onRequest: (request, response) => {
          upload = request
          arrived.fire()
          let size = 0
          request.on("data", (chunk: Buffer) => {
            size += chunk.length
            if (request.url === "/echo") response.write(chunk)
          })
          request.on("end", () => response.end(request.url === "/echo" ? "" : String(size)))
        }
      })
      const connection = yield* connect(gateway.port)
      connection.socket.write("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
      yield* arrived.wait
      yield* connection.until("first")
      connection.socket.write("6\r\nsecond\r\n")
      yield* connection.until("second")
      connection.socket.write("0\r\n\r\n")
      yield* connection.until("\r\n0\r\n\r\n")
      assert.strictEqual(upload?.headers["transfer-encoding"], "chunked")
      const sized = yield* ask(gateway.url, { method: "POST", body: Buffer.alloc(20_000_000) })
      assert.strictEqual(sized.text, "20000000")
      assert.strictEqual(upload?.headers["content-length"], "20000000")
      assert.strictEqual((yield* ask(gateway.url, { method: "POST" })).text, "0")
      assert.strictEqual(
        (yield* ask(gateway.url, { method: "DELETE", body: "why", headers: { "content-length": 3 } })).text,
        "3"
      )
      assert.strictEqual(
        (yield* ask(gateway.url, { method: "GET", body: "why", headers: { "content-length": 3 } })).text,
        "3"
      )
    })
  )

  it.scopedLive("may wait for 100 Continue", () =>
    Effect.gen(function* () {
      const { gateway } = yield* proxied({
        onRequest: (request, response) => {
          request.resume()
          request.on("end", () => response.end(`expect: ${request.headers.expect}`))
        }
      })
      const connection = yield* connect(gateway.port)
      connection.socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
      yield* connection.until("HTTP/1.1 100 Continue")
      connection.socket.write("body")
      yield* connection.until("expect: undefined")
    })
  )

  it.scopedLive("is aborted at the upstream when the client goes away, before or after the headers", () =>
    Effect.gen(function* () {
      let arrivals = event()
      const { gateway, upstream } = yield* proxied({
        onRequest: (request, response) => {
          if (request.url === "/begun") response.write("begun")
          arrivals.fire()
        }
      })
      for (const path of ["/begun", "/silent"]) {
        arrivals = event()
        const connection = yield* connect(gateway.port)
        connection.socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
        yield* arrivals.wait
        if (path === "/begun") yield* connection.until("begun")
        connection.socket.resetAndDestroy()
        yield* upstream.noSockets
        yield* gateway.noSockets
      }
      arrivals = event()
      const upload = yield* connect(gateway.port)
      upload.socket.write("POST /silent HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf")
      yield* arrivals.wait
      upload.socket.resetAndDestroy()
      yield* upstream.noSockets
      yield* gateway.noSockets
    })
  )

  it.scopedLive("is cut off when the upstream dies in the middle of the body", () =>
    Effect.gen(function* () {
      for (const headers of [{}, { "content-length": "100" }]) {
        const { gateway } = yield* proxied({
          onRequest: (_, response) => {
            response.writeHead(200, headers)
            response.write("begun", () => response.socket?.resetAndDestroy())
          }
        })
        const error = yield* Effect.flip(ask(gateway.url))
        assert.strictEqual((error as NodeJS.ErrnoException).code, "ECONNRESET")
        yield* gateway.noSockets
      }
    })
  )

  it.scopedLive("is answered early, and the rest of its upload is taken in without harm", () =>
    Effect.gen(function* () {
      const { gateway } = yield* proxied({
        onRequest: (request, response) => {
          if (request.method === "GET") return response.end("fine")
          response.writeHead(403)
          return response.end("no")
        }
      })
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
      yield* Effect.addFinalizer(() => Effect.sync(() => agent.destroy()))
      const early = yield* ask(gateway.url, { method: "POST", body: Buffer.alloc(5_000_000), agent })
      assert.deepStrictEqual([early.status, early.text], [403, "no"])
      assert.strictEqual((yield* ask(gateway.url, { agent })).text, "fine")
    })
  )
})

describe("an upstream", () => {
  /** Where nothing listens. */
  const dead = "http://127.0.0.1:1"

  it.scopedLive("that refuses the connection is named in a 502 with its error code", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* serveGateway()
      yield* gateway.proxy(() => dead)
      const expected = {
        status: 502,
        json: { error: `${dead} can't be reached (ECONNREFUSED); did the service crash?` }
      }
      assert.deepStrictEqual(yield* askJson(url), expected)
      assert.deepStrictEqual(yield* askJson(url, { method: "POST", body: Buffer.alloc(5_000_000) }), expected)
    })
  )

  it.scopedLive("is named without the user and the password that its URL has, whatever client asks it", () =>
    Effect.gen(function* () {
      for (const client of [UndiciUpstream.layer(), HttpProxyUpstream.layer()]) {
        const { gateway, url } = yield* serveGatewayBy(client)
        const urls: Readonly<Record<string, string>> = {
          "/refused": "http://user:secret@127.0.0.1:1",
          "/unknown": "ftp://user:secret@127.0.0.1:1",
          "/broken": "http://user:sec/ret@127.0.0.1:1"
        }
        yield* gateway.proxy((path) => urls[path])
        const error = (path: string) =>
          Effect.map(askJson(url + path), ({ json }) => (json as { readonly error: string }).error)
        assert.strictEqual(yield* error("/refused"), `${dead} can't be reached (ECONNREFUSED); did the service crash?`)
        for (const path of ["/unknown", "/broken"]) {
          const text = yield* error(path)
          assert.include(text, "127.0.0.1:1")
          assert.notInclude(text, "user")
          assert.notInclude(text, "sec")
        }
      }
    })
  )

  it.scopedLive("that dies before its answer, or answers nonsense, is named in a 502", () =>
    Effect.gen(function* () {
      const upstream = yield* serve({ onRequest: (request) => request.socket.destroy() })
      const nonsense = yield* serve({})
      nonsense.server.on("connection", (socket) => socket.end("nonsense\r\n\r\n"))
      const { gateway, url } = yield* serveGateway()
      yield* gateway.proxy((path) => (path === "/nonsense" ? nonsense.url : upstream.url))
      const died = {
        error: `${upstream.url} closed the connection before it answered (ECONNRESET); did the service crash?`
      }
      assert.deepStrictEqual(yield* askJson(url), { status: 502, json: died })
      assert.deepStrictEqual(yield* askJson(url, { method: "POST", body: "x" }), { status: 502, json: died })
      const answer = yield* askJson(`${url}/nonsense`)
      assert.strictEqual(answer.status, 502)
      assert.include(
        (answer.json as { error: string }).error,
        `${nonsense.url} gave no valid answer (HTTPParserError: `
      )
    })
  )

  it.scopedLive("that takes too long to answer is a 504", () =>
    Effect.gen(function* () {
      const { gateway, upstream } = yield* proxied({}, { headersTimeout: 50 })
      assert.deepStrictEqual(yield* askJson(gateway.url), {
        status: 504,
        json: { error: `${upstream.url} took too long to answer (UND_ERR_HEADERS_TIMEOUT); is the service stuck?` }
      })
    })
  )

  it.scopedLive("restarted on its port between two requests costs a GET nothing", () =>
    Effect.gen(function* () {
      const port = yield* Effect.promise(Port.free)
      const first = yield* serve({ port, onRequest: (_, response) => response.end("first") })
      const { gateway, url } = yield* serveGateway()
      yield* gateway.proxy(() => first.url)
      assert.strictEqual((yield* ask(url)).text, "first")
      yield* first.close
      const second = yield* serve({ port, onRequest: (_, response) => response.end("second") })
      assert.strictEqual((yield* ask(url)).text, "second")
      assert.strictEqual(second.accepted(), 1)
    })
  )

  // A server that answers the first request of a connection and resets it when the second comes, as one does that
  // closes an idle connection just then.
  const stale = Effect.gen(function* () {
    const requests: Array<string> = []
    const sockets = new Set<net.Socket>()
    const server = yield* Effect.acquireRelease(
      Effect.async<net.Server>((resume) => {
        const server = net.createServer((socket) => {
          sockets.add(socket)
          let served = 0
          socket.on("error", () => {})
          socket.on("data", (data) => {
            requests.push(data.toString().split(" ")[0] as string)
            if (served++ > 0) return socket.resetAndDestroy()
            return socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
          })
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.sync(() => {
          server.close()
          for (const socket of sockets) socket.destroy()
        })
    )
    return { url: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`, requests }
  })

  it.scopedLive("with a stale connection costs a GET or HEAD nothing, for it is sent again", () =>
    Effect.gen(function* () {
      const upstream = yield* stale
      const { gateway, url } = yield* serveGateway()
      yield* gateway.proxy(() => upstream.url)
      yield* ask(url)
      const again = yield* ask(url)
      assert.deepStrictEqual([again.status, again.text], [200, "ok"])
      assert.deepStrictEqual(upstream.requests, ["GET", "GET", "GET"])
    })
  )

  it.scopedLive("with a stale connection that can't be replaced is named in a 502", () =>
    Effect.gen(function* () {
      const upstream: Served = yield* serve({
        onRequest: (request, response) => {
          if (request.url === "/first") return response.end("ok")
          upstream.server.close()
          return request.socket.resetAndDestroy()
        }
      })
      const { gateway, url } = yield* serveGateway()
      yield* gateway.proxy(() => upstream.url)
      yield* ask(`${url}/first`)
      assert.deepStrictEqual(yield* askJson(`${url}/second`), {
        status: 502,
        json: { error: `${upstream.url} can't be reached (ECONNREFUSED); did the service crash?` }
      })
    })
  )

  it.scopedLive("that accepts but breaks a GET twice is passed over for the next, the one time", () =>
    Effect.gen(function* () {
      let broken = 0
      const dying = yield* serve({
        onRequest: (request) => {
          broken++
          request.socket.resetAndDestroy()
        }
      })
      const alive = yield* serve({ onRequest: (_, response) => response.end("alive") })
      const { gateway, url } = yield* serveGateway()
      const upstreams = (...urls: ReadonlyArray<string>): Upstream => {
        const [baseUrl = "", ...others] = urls
        return { baseUrl, next: () => (others.length === 0 ? undefined : upstreams(...others)) }
      }
      yield* gateway.proxy((path) =>
        path === "/all" ? upstreams(dying.url, dying.url, alive.url) : upstreams(dying.url, alive.url)
      )
      const answer = yield* ask(url)
      assert.deepStrictEqual([answer.status, answer.text, broken], [200, "alive", 2])
      const posted = yield* ask(url, { method: "POST", body: "x" })
      assert.deepStrictEqual([posted.status, broken], [502, 3])
      // What may be the request's own fault isn't tried at every instance.
      assert.deepStrictEqual([(yield* ask(`${url}/all`)).status, broken], [502, 6])
    })
  )

  it.scopedLive("with a stale connection costs a POST a 502, for it may have run", () =>
    Effect.gen(function* () {
      const upstream = yield* stale
      const { gateway, url } = yield* serveGateway()
      yield* gateway.proxy(() => upstream.url)
      yield* ask(url)
      assert.deepStrictEqual(yield* askJson(url, { method: "POST", body: "once" }), {
        status: 502,
        json: {
          error: `${upstream.url} closed the connection before it answered (ECONNRESET); did the service crash?`
        }
      })
      assert.deepStrictEqual(upstream.requests, ["GET", "POST"])
    })
  )

  it.scopedLive("is passed over for the next when it refuses, with the whole body; each is released once", () =>
    Effect.gen(function* () {
      const alive = yield* serve({
        onRequest: (request, response) => {
          let size = 0
          request.on("data", (chunk: Buffer) => {
            size += chunk.length
          })
          request.on("end", () => response.end(String(size)))
        }
      })
      const { gateway, url } = yield* serveGateway()
      const released: Array<string> = []
      const upstream = (baseUrl: string, next?: () => Upstream | undefined): Upstream => ({
        baseUrl,
        release: () => released.push(baseUrl),
        ...(next === undefined ? {} : { next })
      })
      yield* gateway.proxy((path) =>
        path === "/none"
          ? upstream(dead, () => undefined)
          : upstream(dead, () => upstream(dead, () => upstream(alive.url)))
      )
      const answer = yield* ask(url, { method: "POST", body: Buffer.alloc(3_000_000) })
      assert.deepStrictEqual([answer.status, answer.text], [200, "3000000"])
      assert.deepStrictEqual(released, [dead, dead, alive.url])
      assert.strictEqual((yield* ask(`${url}/none`)).status, 502)
      assert.deepStrictEqual(released, [dead, dead, alive.url, dead])
    })
  )

  it.scopedLive("is released when the client goes away", () =>
    Effect.gen(function* () {
      const arrived = event()
      const released = event<string>()
      const silent = yield* serve({ onRequest: () => arrived.fire() })
      const { gateway, port } = yield* serveGateway()
      yield* gateway.proxy(() => ({ baseUrl: silent.url, release: () => released.fire("once") }))
      const connection = yield* connect(port)
      connection.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* arrived.wait
      connection.socket.destroy()
      assert.strictEqual(yield* released.wait, "once")
    })
  )

  it.scopedLive("from a resolver that throws or answers nonsense is an error in JSON, never a crash", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* serveGateway()
      const nonsense: Record<string, unknown> = {
        "/number": 1,
        "/text": "nonsense",
        "/ftp": "ftp://x",
        "/object": {},
        "/throwing": {
          baseUrl: "nonsense",
          release: () => {
            throw new Error("release")
          }
        }
      }
      yield* gateway.proxy((path) => {
        if (path === "/throw") throw new Error("thrown")
        return nonsense[path] as string
      })
      assert.deepStrictEqual(yield* askJson(`${url}/throw`), {
        status: 500,
        json: { error: "The proxy resolver failed: thrown" }
      })
      for (const path of Object.keys(nonsense)) {
        const answer = yield* askJson(url + path)
        assert.strictEqual(answer.status, 502, path)
        assert.include((answer.json as { error: string }).error, path)
      }
    }).pipe(Effect.provide(Logger.remove(Logger.defaultLogger)))
  )
})

describe("what a resolver gives", () => {
  it.scopedLive("or throws may be what can't be looked at, and so may what a release throws", () =>
    Effect.gen(function* () {
      const { stackTraceLimit } = Error
      const upstream = yield* serve({ onRequest: (_, response) => response.end("good") })
      const { gateway, url } = yield* serveGateway()
      const refusing = `http://127.0.0.1:${yield* Effect.promise(Port.free)}`
      const opaque = () => {
        const { proxy, revoke } = Proxy.revocable({}, {})
        revoke()
        return proxy
      }
      const resolve = (path: string): never => {
        if (path === "/throws") throw opaque()
        const release = () => {
          throw opaque()
        }
        const baseUrl = path === "/refused" ? refusing : upstream.url
        return (path === "/gives" ? opaque() : { baseUrl, release }) as never
      }
      yield* Effect.provide(gateway.proxy(resolve), Logger.replace(Logger.defaultLogger, Logger.none))
      assert.strictEqual((yield* ask(`${url}/throws`)).status, 500)
      assert.strictEqual((yield* ask(`${url}/gives`)).status, 500)
      assert.strictEqual((yield* ask(`${url}/refused`)).status, 502)
      assert.strictEqual((yield* ask(`${url}/release`)).text, "good")
      assert.strictEqual(Error.stackTraceLimit, stackTraceLimit)
    })
  )

  it.scopedLive("may be a WebSocket's URL; nothing, null and an empty string are no upstream", () =>
    Effect.gen(function* () {
      const upstream = yield* serve({ onRequest: (request, response) => response.end(`at ${request.url}`) })
      const { gateway, url } = yield* serveGateway()
      const given: Record<string, string | null | undefined> = {
        "/ws": upstream.url.replace("http:", "ws:"),
        "/upper": upstream.url.replace("http:", "WS:"),
        "/null": null,
        "/empty": ""
      }
      yield* gateway.proxy((path) => given[path])
      assert.strictEqual((yield* ask(`${url}/ws`)).text, "at /ws")
      assert.strictEqual((yield* ask(`${url}/upper`)).text, "at /upper")
      for (const path of ["/null", "/empty", "/undefined"]) {
        assert.strictEqual((yield* ask(`${url}${path}`)).status, 404, path)
      }
    })
  )
})
