import * as http from "node:http"
import { Readable } from "node:stream"
import * as Cookies from "@effect/platform/Cookies"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { HttpRouteRequest } from "../../../src/HttpGateway.js"
import { ask, askJson, connect, converse, event, serve, serveGateway } from "./support.js"

describe("a route", () => {
  it.scopedLive("hands its handler the whole request", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* serveGateway()
      let seen: HttpRouteRequest | undefined
      yield* gateway.route("POST", "/users/:id/*", (request) => {
        seen = request
        return Effect.void
      })
      yield* ask(`${url}/users/a%20b/c/d?x=1&x=2&y=%C3%A9`, {
        method: "POST",
        headers: { "content-type": "application/vnd.api+json; charset=utf-8", "X-Many": ["1", "2"] },
        body: '{"a":[1,"é"]}'
      })
      assert.strictEqual(seen?.method, "POST")
      assert.strictEqual(seen?.path, "/users/a%20b/c/d")
      assert.deepStrictEqual({ ...seen?.params }, { id: "a b", "*": "c/d" })
      assert.deepStrictEqual({ ...seen?.query }, { x: ["1", "2"], y: "é" })
      assert.strictEqual(seen?.headers["x-many"], "1, 2")
      assert.deepStrictEqual(seen?.body, { a: [1, "é"] })
      assert.strictEqual(Buffer.from(seen?.bytes ?? []).toString(), '{"a":[1,"é"]}')
    })
  )

  it.scopedLive("gets each kind of body as its type says", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* serveGateway()
      const bodies: Array<unknown> = []
      yield* gateway.route("ALL", "/", (request) => {
        bodies.push(request.body)
        return Effect.void
      })
      const send = (type: string | undefined, body: string | Uint8Array, headers: Record<string, string> = {}) =>
        ask(url, { method: "POST", headers: type === undefined ? headers : { "content-type": type, ...headers }, body })
      yield* send("application/json", "[1]")
      yield* send("APPLICATION/JSON;charset=utf-8", "\ufeff{}")
      yield* send("application/json", "")
      yield* send("text/plain", "é")
      yield* send("text/plain; charset=ISO-8859-1", Buffer.from([0xe9]))
      yield* send("application/x-www-form-urlencoded", "a=1&b=2")
      yield* send("application/octet-stream", Uint8Array.of(0, 255))
      yield* send(undefined, Uint8Array.of(1))
      yield* send("application/json", Uint8Array.of(31, 139), { "content-encoding": "gzip" })
      yield* send("application/json", "{}", { "transfer-encoding": "chunked" })
      assert.deepStrictEqual(bodies, [
        [1],
        {},
        undefined,
        "é",
        "é",
        "a=1&b=2",
        Buffer.from([0, 255]),
        Buffer.from([1]),
        Buffer.from([31, 139]),
        {}
      ])
    })
  )

  it.scopedLive("answers a value in JSON, and nothing with an empty 200", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* serveGateway()
      yield* gateway.route("GET", "/value", () => Effect.succeed({ name: "é" }))
      yield* gateway.route("GET", "/later", () => Effect.delay(Effect.succeed([1]), 1))
      yield* gateway.route("GET", "/null", () => Effect.succeed(null))
      yield* gateway.route("GET", "/nothing", () => Effect.void)
      const value = yield* ask(`${url}/value`)
      assert.deepStrictEqual(
        [value.status, value.headers["content-type"], value.headers["content-length"], value.text],
        [200, "application/json", "13", '{"name":"é"}']
      )
      assert.strictEqual((yield* ask(`${url}/later`)).text, "[1]")
      assert.strictEqual((yield* ask(`${url}/null`)).text, "null")
      const nothing = yield* ask(`${url}/nothing`)
      assert.deepStrictEqual(
        [nothing.status, nothing.headers["content-type"], nothing.headers["content-length"], nothing.text],
        [200, undefined, "0", ""]
      )
      const head = yield* ask(`${url}/value`, { method: "HEAD" })
      assert.deepStrictEqual([head.status, head.headers["content-length"], head.text], [200, "13", ""])
    })
  )

  it.scopedLive("answers any platform response as it is", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* serveGateway()
      const form = new FormData()
      form.append("field", "value")
      const answers: Record<string, Effect.Effect<HttpServerResponse.HttpServerResponse, unknown>> = {
        empty: Effect.succeed(HttpServerResponse.empty()),
        text: Effect.succeed(
          HttpServerResponse.text("é", { status: 418, statusText: "Teapot", headers: { "x-a": "1" } })
        ),
        json: HttpServerResponse.json({ a: 1 }, { status: 201 }),
        bytes: Effect.succeed(HttpServerResponse.uint8Array(Uint8Array.of(0, 255))),
        raw: Effect.succeed(HttpServerResponse.raw(Readable.from(["a", "b"]), { contentType: "text/x" })),
        stream: Effect.succeed(HttpServerResponse.stream(Stream.make(Buffer.from("c"), Buffer.from("d")))),
        form: Effect.succeed(HttpServerResponse.formData(form)),
        cookies: Effect.map(
          Cookies.set(Cookies.empty, "a", "1").pipe(Either.flatMap(Cookies.set("b", "2", { httpOnly: true }))),
          (cookies) => HttpServerResponse.empty({ status: 200, cookies })
        )
      }
      for (const [name, answer] of Object.entries(answers)) yield* gateway.route("GET", `/${name}`, () => answer)
      const get = (name: string, options = {}) => ask(`${url}/${name}`, options)
      assert.strictEqual((yield* get("empty")).status, 204)
      const text = yield* get("text")
      assert.deepStrictEqual(
        [text.status, text.statusMessage, text.headers["x-a"], text.headers["content-length"], text.text],
        [418, "Teapot", "1", "2", "é"]
      )
      const json = yield* get("json")
      assert.deepStrictEqual(
        [json.status, json.headers["content-type"], json.text],
        [201, "application/json", '{"a":1}']
      )
      assert.deepStrictEqual([...(yield* get("bytes")).body], [0, 255])
      const raw = yield* get("raw")
      assert.deepStrictEqual([raw.headers["content-type"], raw.text], ["text/x", "ab"])
      assert.strictEqual((yield* get("stream")).text, "cd")
      assert.strictEqual((yield* get("stream", { method: "HEAD" })).text, "")
      const formData = yield* get("form")
      assert.match(formData.headers["content-type"] ?? "", /^multipart\/form-data; boundary=/)
      assert.include(formData.text, 'name="field"')
      const cookies = yield* get("cookies")
      assert.deepStrictEqual(cookies.headers["set-cookie"], ["a=1", "b=2; HttpOnly"])
      assert.strictEqual(cookies.headers["content-length"], "0")
    })
  )

  it.scopedLive("answers 500 with the message of a failure or a defect, and logs the defect", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* serveGateway()
      const logged: Array<string> = []
      const logger = Logger.make(({ message, cause }) => {
        logged.push(`${message} ${String(cause)}`)
      })
      const routes = Effect.all([
        gateway.route("GET", "/fails", () => Effect.fail(new Error("out of stock"))),
        gateway.route("GET", "/dies", () => Effect.die(new Error("a defect"))),
        gateway.route("GET", "/throws", () => {
          throw new Error("thrown")
        }),
        gateway.route("GET", "/string", () => Effect.fail("plain")),
        gateway.route("GET", "/tag", () => Effect.fail({ _tag: "Tagged" })),
        gateway.route("GET", "/bigint", () => Effect.succeed(1n)),
        gateway.route("GET", "/function", () => Effect.succeed(() => {})),
        gateway.route("GET", "/raw", () => Effect.succeed(HttpServerResponse.raw(Symbol.iterator)))
      ])
      yield* Effect.provide(routes, Logger.replace(Logger.defaultLogger, logger))
      const error = (name: string) => askJson(`${url}/${name}`)
      assert.deepStrictEqual(yield* error("fails"), { status: 500, json: { error: "out of stock" } })
      assert.deepStrictEqual(logged, [])
      assert.deepStrictEqual(yield* error("dies"), { status: 500, json: { error: "a defect" } })
      assert.match(logged[0] ?? "", /The handler of GET \/dies failed[\s\S]*Error: a defect/)
      assert.deepStrictEqual(yield* error("throws"), { status: 500, json: { error: "thrown" } })
      assert.deepStrictEqual(yield* error("string"), { status: 500, json: { error: "plain" } })
      assert.deepStrictEqual(yield* error("tag"), { status: 500, json: { error: "Tagged" } })
      assert.deepStrictEqual(yield* error("bigint"), {
        status: 500,
        json: { error: "The handler's result can't be sent as JSON: Do not know how to serialize a BigInt" }
      })
      assert.deepStrictEqual(yield* error("function"), {
        status: 500,
        json: {
          error:
            "The handler's result can't be sent as JSON: a function has no JSON; a handler gives a plain value, bytes, a stream, a Response or an HttpServerResponse"
        }
      })
      assert.strictEqual((yield* error("raw")).status, 500)
    })
  )

  it.scopedLive("cuts off a stream that fails midway, so that the client doesn't take it for complete", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* serveGateway()
      yield* gateway.route("GET", "/", () =>
        Effect.succeed(
          HttpServerResponse.stream(Stream.concat(Stream.make(Buffer.from("begun")), Stream.fail(new Error("midway"))))
        )
      )
      const error = yield* Effect.flip(ask(url))
      assert.strictEqual((error as NodeJS.ErrnoException).code, "ECONNRESET")
    }).pipe(Effect.provide(Logger.remove(Logger.defaultLogger)))
  )

  it.scopedLive("answers 400 to a body that claims JSON and isn't, without calling the handler", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* serveGateway()
      let called = false
      yield* gateway.route("POST", "/", () => {
        called = true
        return Effect.void
      })
      const answer = yield* askJson(url, { method: "POST", headers: { "content-type": "application/json" }, body: "{" })
      assert.strictEqual(answer.status, 400)
      assert.match((answer.json as { error: string }).error, /^The body claims to be JSON and isn't: /)
      const deep = `${"[".repeat(3000)}${"]".repeat(3000)}`
      assert.deepStrictEqual(
        yield* askJson(url, { method: "POST", headers: { "content-type": "application/json" }, body: deep }),
        {
          status: 400,
          json: { error: "The body isn't read: its JSON has lists and objects nested more than 512 deep" }
        }
      )
      assert.isFalse(called)
    })
  )

  const tooLarge = "The body is over the limit of 1000 bytes. Send less, or raise the server's { maxBodyBytes }."

  it.scopedLive("has its default limit where the one given is no number", () =>
    Effect.gen(function* () {
      const { gateway, port } = yield* serveGateway({ maxBodyBytes: Number.NaN, maxTotalBodyBytes: Number.NaN })
      yield* gateway.route("POST", "/", ({ bytes }) => Effect.succeed(bytes.length))
      const post = Effect.fnUntraced(function* (length: string, answer: string) {
        const connection = yield* connect(port)
        connection.socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\nbody`)
        yield* connection.until(answer)
        return connection.received
      })
      assert.match(yield* post("4", "\r\n\r\n4"), /^HTTP\/1.1 200 OK\r\n/)
      assert.match(
        yield* post("16777217", "The body is over the limit of 16777216 bytes."),
        /^HTTP\/1.1 413 Payload Too Large\r\n/
      )
    })
  )

  it.scopedLive("answers 413 from the content-length alone, and the client sees it", () =>
    Effect.gen(function* () {
      const { gateway, port } = yield* serveGateway({ maxBodyBytes: 1000 })
      yield* gateway.route("POST", "/", () => Effect.die("called"))
      const connection = yield* connect(port)
      connection.socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
      yield* connection.until(JSON.stringify({ error: tooLarge }))
      assert.match(connection.received, /^HTTP\/1.1 413 Payload Too Large\r\n/)
      assert.match(connection.received, /connection: close/i)
    })
  )

  it.scopedLive("answers 413 while a body streams past the limit, and the client that sends on sees it", () =>
    Effect.gen(function* () {
      const { gateway, url, noSockets } = yield* serveGateway({ maxBodyBytes: 1000 })
      yield* gateway.route("POST", "/", () => Effect.die("called"))
      yield* gateway.route("GET", "/", () => Effect.succeed("fine"))
      const answer = yield* askJson(url, {
        method: "POST",
        headers: { "transfer-encoding": "chunked" },
        body: Buffer.alloc(20_000_000)
      })
      assert.deepStrictEqual(answer, { status: 413, json: { error: tooLarge } })
      assert.deepStrictEqual(yield* askJson(url), { status: 200, json: "fine" })
      const exact = yield* askJson(url, { method: "POST", body: Buffer.alloc(1001) })
      assert.strictEqual(exact.status, 413)
      yield* noSockets
    })
  )

  it.scopedLive("isn't called for a client that goes away in the middle of its body", () =>
    Effect.gen(function* () {
      const { gateway, url, port, noSockets, server } = yield* serveGateway()
      let called = false
      yield* gateway.route("POST", "/", () => {
        called = true
        return Effect.void
      })
      const arrived = event()
      server.once("request", () => arrived.fire())
      const connection = yield* connect(port)
      connection.socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
      yield* arrived.wait
      connection.socket.resetAndDestroy()
      yield* noSockets
      assert.isFalse(called)
      assert.strictEqual((yield* ask(url, { method: "POST" })).status, 200)
    })
  )

  it.scopedLive("has its handler interrupted when the client goes away", () =>
    Effect.gen(function* () {
      const { gateway, port } = yield* serveGateway()
      const started = event()
      const interrupted = yield* Deferred.make<void>()
      yield* gateway.route("GET", "/", () => {
        started.fire()
        return Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
      })
      const connection = yield* connect(port)
      connection.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* started.wait
      connection.socket.destroy()
      yield* Deferred.await(interrupted)
    })
  )

  it.scopedLive("interrupts a stream to a client that goes away", () =>
    Effect.gen(function* () {
      const { gateway, port } = yield* serveGateway()
      const interrupted = yield* Deferred.make<void>()
      yield* gateway.route("GET", "/", () =>
        Effect.succeed(
          HttpServerResponse.stream(
            Stream.repeatValue(Buffer.alloc(65_536)).pipe(Stream.ensuring(Deferred.succeed(interrupted, undefined)))
          )
        )
      )
      const connection = yield* connect(port)
      connection.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* connection.until("\0\0\0")
      connection.socket.destroy()
      yield* Deferred.await(interrupted)
    })
  )

  it.scopedLive("goes with its scope, and what it was doing is answered 503", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* serveGateway()
      const scope = yield* Scope.make()
      const started = event()
      yield* Scope.extend(
        gateway.route("GET", "/slow", () => {
          started.fire()
          return Effect.never
        }),
        scope
      )
      const waiting = yield* Effect.fork(askJson(`${url}/slow`))
      yield* started.wait
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* Fiber.join(waiting), {
        status: 503,
        json: { error: "The handler of GET /slow was interrupted." }
      })
      assert.deepStrictEqual(yield* askJson(`${url}/slow`), {
        status: 404,
        json: { error: "No route for GET /slow. No route matches, and no proxy resolver is set." }
      })
      yield* gateway.route("GET", "/slow", () => Effect.succeed("again"))
      assert.deepStrictEqual((yield* askJson(`${url}/slow`)).json, "again")
    })
  )

  it.scopedLive("may close its own scope from its handler and still answer", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* serveGateway()
      const scope = yield* Scope.make()
      yield* Scope.extend(
        gateway.route("GET", "/once", () =>
          Effect.as(Effect.zipRight(Effect.yieldNow(), Scope.close(scope, Exit.void)), 1)
        ),
        scope
      )
      assert.deepStrictEqual(yield* askJson(`${url}/once`), { status: 200, json: 1 })
      assert.strictEqual((yield* ask(`${url}/once`)).status, 404)
    })
  )

  it.scopedLive("conflicts with another of the same method and path", () =>
    Effect.gen(function* () {
      const { gateway } = yield* serveGateway()
      yield* gateway.route("GET", "/x", () => Effect.void)
      const conflict = yield* Effect.flip(gateway.route("GET", "/x", () => Effect.void))
      assert.deepInclude(conflict, { _tag: "RouteConflict", method: "GET", path: "/x" })
      const invalid = yield* Effect.flip(gateway.route("GET", "x", () => Effect.void))
      assert.deepInclude(invalid, { _tag: "InvalidRoute", method: "GET", path: "x" })
    })
  )

  it.scopedLive("keeps __proto__ in a query, a body or a header to itself", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* serveGateway()
      yield* gateway.route("POST", "/", (request) =>
        Effect.succeed([Object.keys(request.query), Object.keys(request.body as object)])
      )
      const answer = yield* askJson(`${url}/?__proto__[x]=1&__proto__=2`, {
        method: "POST",
        headers: { "content-type": "application/json", __proto__x: "1" },
        body: '{"__proto__":{"polluted":true}}'
      })
      assert.deepStrictEqual(answer.json, [["__proto__[x]", "__proto__"], ["__proto__"]])
      assert.isUndefined(({} as Record<string, unknown>).polluted)
    })
  )
})

describe("a gateway", () => {
  it.scopedLive("asks routes, then the newest resolver, then answers 404 with a hint", () =>
    Effect.gen(function* () {
      const one = yield* serve({ onRequest: (_, response) => response.end("one") })
      const two = yield* serve({ onRequest: (_, response) => response.end("two") })
      const { gateway, url } = yield* serveGateway()
      yield* gateway.route("GET", "/routed", () => Effect.succeed("routed"))
      const paths: Array<string> = []
      yield* gateway.proxy((path) => {
        paths.push(path)
        return path.startsWith("/p") ? one.url : undefined
      })
      assert.strictEqual((yield* ask(`${url}/routed`)).text, '"routed"')
      assert.strictEqual((yield* ask(`${url}/p?q=1`)).text, "one")
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* gateway.proxy(() => two.url)
          assert.strictEqual((yield* ask(`${url}/p`)).text, "two")
        })
      )
      assert.strictEqual((yield* ask(`${url}/p`)).text, "one")
      assert.deepStrictEqual(paths, ["/p?q=1", "/p"])
      assert.deepStrictEqual(yield* askJson(`${url}/x?secret=1`), {
        status: 404,
        json: {
          error:
            "No route for GET /x. No route matches, and the proxy resolver knows no upstream for it: is the service registered?"
        }
      })
      assert.deepStrictEqual(yield* askJson(`${url}/routed`, { method: "DELETE" }), {
        status: 404,
        json: { error: "No route for DELETE /routed. It is routed for GET." }
      })
    })
  )

  it.scopedLive("survives targets without a path and requests that aren't HTTP", () =>
    Effect.gen(function* () {
      const { gateway, port } = yield* serveGateway()
      yield* gateway.proxy(() => "http://127.0.0.1:1")
      const options = yield* converse(port, "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
      assert.match(options, /^HTTP\/1.1 404 /)
      assert.match(yield* converse(port, "nonsense\r\n\r\n"), /^HTTP\/1.1 400 /)
    })
  )

  it.scopedLive("ends handlers, bodies, proxied exchanges and upgrades when its scope closes", () =>
    Effect.gen(function* () {
      const upgraded = event()
      const upstream = yield* serve({
        onRequest: (_, response) => response.write("begun"),
        onUpgrade: (_, socket) => {
          socket.on("error", () => {})
          socket.pipe(socket)
          socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
          upgraded.fire()
        }
      })
      const gateway = yield* serveGateway()
      const interrupted = event()
      const started = event()
      yield* gateway.gateway.route("GET", "/handler", () => {
        started.fire()
        return Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted.fire()))
      })
      yield* gateway.gateway.route("POST", "/handler", () => Effect.die("called"))
      yield* gateway.gateway.proxy(() => upstream.url)
      const open = Effect.fnUntraced(function* (text: string) {
        const connection = yield* connect(gateway.port)
        connection.socket.write(text)
        return connection
      })
      const handler = yield* open("GET /handler HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* started.wait
      const body = yield* open("POST /handler HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
      const stream = yield* open("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* stream.until("begun")
      const upgrade = yield* open(
        "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n"
      )
      yield* upgrade.until("101")
      yield* upgraded.wait
      yield* gateway.closeGateway
      yield* interrupted.wait
      yield* Effect.all([handler.closed, body.closed, stream.closed, upgrade.closed])
      yield* upstream.noSockets
      yield* gateway.noSockets
      assert.deepStrictEqual(yield* askJson(`${gateway.url}/handler`), {
        status: 503,
        json: { error: "The gateway is closing." }
      })
    }).pipe(Effect.timeout(20_000))
  )

  it.scopedLive("streams a platform response no faster than the client reads", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* serveGateway()
      let produced = 0
      const chunk = Buffer.alloc(65_536)
      yield* gateway.route("GET", "/", () =>
        Effect.succeed(
          HttpServerResponse.stream(
            Stream.fromIterable(Array.from({ length: 1_000 }, (_, i) => i)).pipe(
              Stream.rechunk(1),
              Stream.map(() => {
                produced++
                return chunk
              })
            )
          )
        )
      )
      const received = yield* Effect.async<[number, number], Error>((resume) => {
        http
          .get(url, { agent: false }, (response) => {
            let size = 0
            let atStart = 0
            response.once("readable", () => {
              // The reader has one look only; what the stream then produces is what the buffers on the way hold.
              setImmediate(() => {
                atStart = produced
                response.on("data", (data: Buffer) => {
                  size += data.length
                })
              })
            })
            response.on("end", () => resume(Effect.succeed([atStart, size])))
          })
          .on("error", (error) => resume(Effect.fail(error)))
      })
      assert.strictEqual(received[1], 65_536_000)
      assert.isBelow(received[0], 1_000)
    })
  )
})
