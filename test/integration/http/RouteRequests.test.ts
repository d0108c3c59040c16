import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { NodeIPCServer } from "../../../layers/index.js"
import type { HttpRouteRequest } from "../../../src/HttpGateway.js"
import { ask, askJson, connect, converse, proxied, serveGateway } from "./support.js"

describe("a request to a route", () => {
  it.scopedLive("has all its query parameters, however many", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* serveGateway()
      yield* gateway.route("GET", "/", ({ query }) => Effect.succeed(query.id?.length))
      const query = Array.from({ length: 1_500 }, (_, i) => `id=${i}`).join("&")
      assert.strictEqual((yield* ask(`${url}/?${query}`)).text, "1500")
    })
  )

  it.scopedLive("with an absolute target has the target's path and host, not what the Host header says", () =>
    Effect.gen(function* () {
      const { gateway, port } = yield* serveGateway()
      yield* gateway.route("GET", "/*", ({ headers, path, query }) =>
        Effect.succeed([path, headers.host, Object.keys(query)])
      )
      const answerTo = (target: string) =>
        Effect.map(
          converse(port, `GET ${target} HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n`),
          (answer) => answer.split("\r\n\r\n")[1]
        )
      assert.strictEqual(yield* answerTo("http://real.example/a/b?x=1"), '["/a/b","real.example",["x"]]')
      assert.strictEqual(yield* answerTo("HTTPS://me:secret@real.example:81"), '["/","real.example:81",[]]')
      assert.strictEqual(yield* answerTo("http://real.example?x=1"), '["/","real.example",["x"]]')
      assert.include(yield* answerTo("http:///a"), "has no host")
    })
  )

  it.scopedLive(
    "with an absolute target, several Hosts and an upgrade has the target's Host, and ends no process",
    () =>
      Effect.gen(function* () {
        const server = yield* NodeIPCServer.make()
        yield* server.interceptHttp("GET", "/", ({ headers }) => Effect.succeed([headers.host, headers.last]))
        const lines = [
          "GET http://real.example HTTP/1.1",
          "Host: a",
          "host: b",
          "HOST: c",
          "Connection: Upgrade, close"
        ]
        const answer = yield* converse(server.port, `${[...lines, "Upgrade: tcp", "Last: 1"].join("\r\n")}\r\n\r\n`)
        assert.strictEqual(answer.split("\r\n\r\n")[1], '["real.example","1"]')
      })
  )

  it.scopedLive(
    "whose path isn't percent-encoded as it should be is a 400 from a route, and passes the proxy as it is",
    () =>
      Effect.gen(function* () {
        const { gateway } = yield* proxied({ onRequest: (request, response) => response.end(request.url) })
        yield* gateway.gateway.route("GET", "/users/:id", () => Effect.succeed("a user"))
        const answerTo = (path: string) =>
          converse(gateway.port, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
        for (const path of ["/users/%zz", "/users/%", "/users/%ff", "/users/a%2"]) {
          assert.match(yield* answerTo(path), /^HTTP\/1\.1 400 [\s\S]*The path isn't percent-encoded/, path)
        }
        for (const path of ["/other/%zz?x=%", "/%ff"]) assert.include(yield* answerTo(path), path)
        assert.include(yield* answerTo("/users/7?x=%zz"), "a user")
      })
  )

  it.scopedLive("with more than one Host is a 400, from a route and from the proxy, in an upgrade, too", () =>
    Effect.gen(function* () {
      const { gateway } = yield* proxied({ onRequest: (request, response) => response.end(request.url) })
      yield* gateway.gateway.route("GET", "/a", () => Effect.succeed("a"))
      const ask = (path: string, lines: string) =>
        converse(gateway.port, `GET ${path} HTTP/1.1\r\n${lines}Connection: close, upgrade\r\n\r\n`)
      for (const path of ["/a", "/b"]) {
        for (const lines of ["Host: x\r\nHost: x\r\n", "Host: x\r\nA: b\r\nhost: y\r\nUpgrade: websocket\r\n"]) {
          const answer = yield* ask(path, lines)
          assert.match(
            answer,
            /^HTTP\/1\.1 400 [\s\S]*\{"error":"The request has more than one Host\."\}/,
            path + lines
          )
        }
        assert.match(yield* ask(path, "Host: x\r\n"), /^HTTP\/1\.1 200 /)
      }
    })
  )

  it.scopedLive("with an invalid Host is a 400, from a route and from the proxy, in an absolute target, too", () =>
    Effect.gen(function* () {
      const { gateway } = yield* proxied({ onRequest: (request, response) => response.end(request.url) })
      yield* gateway.gateway.route("GET", "/a", () => Effect.succeed("a"))
      const statusOf = (target: string, host: string) =>
        Effect.map(
          converse(gateway.port, `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`),
          (answer) => answer.slice(9, 12)
        )
      const valid = ["a", "a.b.test:80", "a_b", "a:", "127.0.0.1:1", "[::1]:1", "[fe80::1%25eth0]", "%41", "a;b=c"]
      const invalid = ["[::1", "::1", "[zz]", "a:x", "%zz", "[]", "a]", "[::1]a"]
      const invalidHosts = [...invalid, "a b", "a/b", "me@a", "é", '"a"', "a\\b"]
      for (const path of ["/a", "/b"]) {
        for (const host of valid) {
          assert.deepStrictEqual(
            [yield* statusOf(path, host), yield* statusOf(`http://${host}${path}`, "x")],
            ["200", "200"]
          )
        }
        assert.strictEqual(yield* statusOf(path, ""), "200")
        for (const host of invalidHosts) assert.strictEqual(yield* statusOf(path, host), "400", host)
        for (const host of invalid) assert.strictEqual(yield* statusOf(`http://${host}${path}`, "x"), "400", host)
      }
    })
  )

  it.scopedLive("that is refused gets its answer, though what follows of it isn't HTTP", () =>
    Effect.gen(function* () {
      const server = yield* NodeIPCServer.make()
      yield* server.interceptHttp("POST", "/", () => Effect.succeed("a"))
      const answerTo = (lines: string) => converse(server.port, `POST / HTTP/1.1\r\nHost: x\r\n${lines}`)
      const unknown = yield* answerTo("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n")
      assert.match(unknown, /^HTTP\/1\.1 501 [\s\S]*"error":"The transfer coding/)
      const ambiguous = yield* answerTo("Host: y\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n")
      assert.match(ambiguous, /^HTTP\/1\.1 400 [\s\S]*"error":"The request has more than one Host/)
    })
  )

  it.scopedLive("whose body has a transfer coding beside chunked is a 501, from a route and from the proxy", () =>
    Effect.gen(function* () {
      const { gateway } = yield* proxied({ onRequest: (_request, response) => response.end("upstream") })
      yield* gateway.gateway.route("POST", "/route", () => Effect.succeed("a route"))
      const answerTo = (path: string, coding: string) =>
        converse(
          gateway.port,
          `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: ${coding}\r\n\r\n0\r\n\r\n`
        )
      for (const path of ["/route", "/proxied"]) {
        assert.match(yield* answerTo(path, "gzip, chunked"), /^HTTP\/1\.1 501 [\s\S]*gzip, chunked/)
        assert.match(yield* answerTo(path, "Chunked"), /^HTTP\/1\.1 200 /)
      }
    })
  )

  it.scopedLive("has the body that its headers tell of, in whatever letters", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* serveGateway()
      let last: HttpRouteRequest | undefined
      yield* gateway.route("POST", "/", (request) => {
        last = request
        return Effect.void
      })
      const bodyOf = (type: string, body: string | Uint8Array, coding?: string) =>
        Effect.map(
          ask(url, {
            method: "POST",
            body,
            headers: { "Content-Type": type, ...(coding === undefined ? {} : { "Content-Encoding": coding }) }
          }),
          () => last?.body
        )
      assert.deepStrictEqual(yield* bodyOf("Application/JSON", "[1]", "Identity"), [1])
      assert.deepStrictEqual(yield* bodyOf("application/json", "[1]", "identity, IDENTITY"), [1])
      assert.instanceOf(yield* bodyOf("application/json", "[1]", "identity, GZip"), Uint8Array)
      assert.deepStrictEqual(yield* bodyOf("text/json", "[1]"), [1])
      assert.deepStrictEqual(yield* bodyOf("model/gltf+json;x=1", "[1]"), [1])
      assert.strictEqual(yield* bodyOf("application/xml", "<a/>"), "<a/>")
      assert.strictEqual(yield* bodyOf("application/soap+xml; charset=utf-8", "<a/>"), "<a/>")
      assert.strictEqual(yield* bodyOf('text/plain; charset="UTF-16LE"', Buffer.from("é", "utf16le")), "é")
      assert.strictEqual(yield* bodyOf("text/plain; charset=nobody-knows", "é"), "é")
      assert.instanceOf(yield* bodyOf("application/jsonx", "[1]"), Uint8Array)
    })
  )
})

describe("the bodies of requests to routes", () => {
  it.scoped("that stand still are answered 408, and their connection is closed", () =>
    Effect.gen(function* () {
      const { gateway, port, sockets } = yield* serveGateway({ bodyIdleTimeout: "10 seconds" })
      yield* gateway.route("POST", "/", ({ bytes }) => Effect.succeed(bytes.length))
      const client = yield* connect(port)
      let sent = 0
      const send = (text: string) =>
        Effect.suspend(() => {
          sent += text.length
          client.socket.write(text)
          const read = Effect.async<number>((resume) => {
            setImmediate(() => resume(Effect.succeed(Array.from(sockets)[0]?.bytesRead ?? 0)))
          })
          return Effect.repeat(read, { until: (bytes) => bytes === sent })
        })
      yield* send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
      for (let i = 0; i < 5; i++) {
        yield* TestClock.adjust("9 seconds")
        yield* send("x")
      }
      yield* client.until("\r\n\r\n5")
      yield* send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhalf")
      yield* TestClock.adjust("10 seconds")
      yield* client.until("didn't come within 10000 ms")
      assert.match(client.received, /HTTP\/1\.1 408 [\s\S]*\r\nconnection: close\r\n/)
    })
  )

  it.scopedLive("are held up to a limit of all together; what is over it is answered 503 until some is released", () =>
    Effect.gen(function* () {
      const { gateway, port, url } = yield* serveGateway({ maxTotalBodyBytes: 1_000 })
      yield* gateway.route("POST", "/", ({ bytes }) => Effect.succeed(bytes.length))
      const stalled = yield* connect(port)
      stalled.socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 901\r\n\r\n${"x".repeat(900)}`)
      const post = (size: number) => ask(url, { method: "POST", body: Buffer.alloc(size) })
      const refused = Effect.repeat(post(101), { until: ({ status }) => status === 503 })
      assert.deepStrictEqual(JSON.parse((yield* refused).text), {
        error:
          "The server holds 1000 bytes of request bodies, its limit. Send it again later, or raise the server's { maxTotalBodyBytes }."
      })
      assert.strictEqual((yield* post(99)).text, "99")
      stalled.socket.write("x")
      yield* stalled.until("\r\n\r\n901")
      assert.strictEqual((yield* post(1_000)).text, "1000")
      for (let i = 0; i < 10; i++) assert.strictEqual((yield* post(1_001)).status, 503)
      assert.strictEqual((yield* askJson(url, { method: "POST", body: Buffer.alloc(1_000) })).json, 1_000)
    })
  )

  it.scopedLive("count as long as a handler has them, and not after their client has gone", () =>
    Effect.gen(function* () {
      const { gateway, port, url } = yield* serveGateway({ maxTotalBodyBytes: 1_000 })
      yield* gateway.route("POST", "/never", () => Effect.never)
      yield* gateway.route("POST", "/", ({ bytes }) => Effect.succeed(bytes.length))
      const post = ask(url, { method: "POST", body: Buffer.alloc(600) })
      const held = yield* connect(port)
      held.socket.write(`POST /never HTTP/1.1\r\nHost: x\r\nContent-Length: 600\r\n\r\n${"x".repeat(600)}`)
      yield* Effect.repeat(post, { until: ({ status }) => status === 503 })
      held.socket.destroy()
      yield* Effect.repeat(post, { until: ({ status }) => status === 200 })
      const half = yield* connect(port)
      half.socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 601\r\n\r\n${"x".repeat(600)}`)
      yield* Effect.repeat(post, { until: ({ status }) => status === 503 })
      half.socket.destroy()
      yield* Effect.repeat(post, { until: ({ status }) => status === 200 })
    })
  )
})
